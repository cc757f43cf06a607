/** What is new about a run since the last look, a line each. */
import type { OperationView, Run } from "../../shared/client/index.ts";
import type { Api } from "../commands/api.ts";
import { headline } from "./run.ts";
import { lookOf } from "./status.ts";
import { plain } from "./text.ts";
import { clock } from "./time.ts";
import { noteOf } from "./timeline.ts";

export class ChangeLines {
  readonly #api: Api;
  #run = "";
  readonly #operations = new Map<string, string>();

  constructor(api: Api) {
    this.#api = api;
  }

  of({ run, operations }: { run: Run; operations: readonly OperationView[] }): string[] {
    const lines = operations.flatMap((operation) => this.#operationLines(run, operation));
    const now = `${run.runId} ${run.status}`;
    if (now === this.#run) return lines;
    this.#run = now;
    return [...lines, `${clock(run.updatedAt)} ${headline(run, this.#api)}`];
  }

  #operationLines({ runId }: Run, operation: OperationView): string[] {
    const { id, status, attempts, name, kind, finishedAt, startedAt } = operation;
    const now = `${status} ${attempts}`;
    const key = `${runId} ${id}`;
    if (this.#operations.get(key) === now) return [];
    this.#operations.set(key, now);
    const { terminal } = this.#api;
    const { sign, style } = lookOf(status);
    const at = finishedAt ?? startedAt;
    const note = noteOf(operation, this.#api.now());
    const text = `${terminal.paint(style, sign)} ${kind} ${plain(name)} ${status}`;
    return [
      `${at === undefined ? "" : `${clock(at)} `}${text}${note === "" ? "" : terminal.paint("dim", ` ${note}`)}`,
    ];
  }
}
