/**
 * What owners, workers and mirrors ask of the HTTP API, and what they were answered. Each call carries a mark of its
 * own in what it writes, so that whatever is stored can be traced to who asked for it. A call with a key is asked
 * again under the same mark; without one it is never asked again: nobody knows then whether it was done.
 */
import type { APIGatewayProxyEventV2 } from "aws-lambda";
import { never } from "../../../shared/adapters/simulated/life.ts";
import { type Api, createApi } from "../../../shared/api/handler.ts";
import type { Json, JsonObject } from "../../../shared/core/json.ts";
import type { Process } from "../process.ts";
import type { World } from "../world.ts";
import type { Model } from "./model.ts";

export type Kind =
  | "wait"
  | "continue"
  | "patch"
  | "finish"
  | "fail"
  | "cancel"
  | "end"
  | "pause"
  | "resume"
  | "lease"
  | "release"
  | "step"
  | "change"
  | "items"
  | "itemChange"
  | "gate"
  | "approve"
  | "reject"
  | "observe"
  | "signal";

export interface Call {
  kind: Kind;
  runId: string;
  mark: string;
  /** Behind the run's own. */
  path: string;
  body?: Json;
  ifMatch?: number;
  generation?: number;
  key?: string;
  /** Of the worker. */
  token?: string;
  /** It has the key of another. */
  isRival?: boolean;
  /** The entry that holds what it asked for. */
  stored?: number;
  isAccepted: boolean;
  /** How often it was asked, and refused: while an answer is out, nobody knows what becomes of it. */
  tries: number;
  refusals: number;
  /** When it was asked, by the clock of the process that was asked; the earliest, if it was more than one. */
  askedAt: number;
  /** The run's revision then. */
  askedFrom: number;
}

export interface Answer {
  status: number;
  etag: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: the checks look into whatever came
  body: any;
}

const METHODS: Partial<Record<Kind, string>> = {
  patch: "PATCH",
  release: "DELETE",
  change: "PATCH",
  itemChange: "PATCH",
  observe: "PUT",
};
/** Nothing in their events tells one from another of the same worker. */
const UNMARKED = new Set<Kind>(["lease", "release"]);
const PATIENCE_MS = 29_000;
/** What never happens to who asks in good form. */
const NEVER = new Set(["InternalError", "MalformedRequest", "InvalidInput", "NotFound", "RunNotFound"]);

export class Callers {
  readonly world: World;
  readonly calls = new Map<string, Call>();
  readonly #apis = new WeakMap<Process, Api>();
  readonly #modelOf: (runId: string) => Model;
  #marks = 0;

  constructor(world: World, modelOf: (runId: string) => Model) {
    this.world = world;
    this.#modelOf = modelOf;
  }

  mark(): string {
    return `k${++this.#marks}!k`;
  }

  /** Asks once; nothing, if no answer came or none that tells what was done. */
  async ask(
    asked: Pick<Call, "kind" | "runId" | "mark" | "path"> & Partial<Call>,
  ): Promise<Answer | undefined> {
    const { world } = this;
    const process = world.anApi();
    const known = this.calls.get(asked.mark);
    const call: Call = known ?? {
      isAccepted: false,
      tries: 0,
      refusals: 0,
      askedAt: process.now(),
      askedFrom: this.#modelOf(asked.runId).sequence,
      ...asked,
    };
    this.calls.set(call.mark, call);
    call.tries++;
    call.askedAt = Math.min(call.askedAt, process.now());
    const { kind, runId, path, body, ifMatch, generation, key } = call;
    const headers: Record<string, string> = {};
    if (ifMatch !== undefined) headers["if-match"] = `"${ifMatch}"`;
    if (generation !== undefined) headers["stepfold-generation"] = String(generation);
    if (key !== undefined) headers["idempotency-key"] = key;
    const method = METHODS[kind] ?? "POST";
    const askedAt = process.now();
    world.trace("caller", `asks ${process.name}: ${method} ${path} ${JSON.stringify({ body, ...headers })}`);
    return this.#exchange(process, method, `/runs/${runId}${path}`, body, headers, (answer) =>
      this.#answered(call, answer, askedAt, process.now()),
    );
  }

  read(runId: string, path = ""): Promise<Answer | undefined> {
    const process = this.world.anApi();
    const model = this.#modelOf(runId);
    const from = model.sequence;
    return this.#exchange(process, "GET", `/runs/${runId}${path}`, undefined, {}, (answer) => {
      if (path !== "" || answer.status !== 200) return;
      if (answer.body.revision < from)
        this.#violate(runId, `A read shows revision ${answer.body.revision}, and it was at ${from} before`);
      this.#showsARun(runId, answer);
    });
  }

  async #exchange(
    process: Process,
    method: string,
    path: string,
    body: Json | undefined,
    headers: Record<string, string>,
    onAnswer: (answer: Answer) => void,
  ): Promise<Answer | undefined> {
    const { world } = this;
    let answer: Answer | undefined;
    await world.answered(
      process,
      async () => {
        const result = await this.#apiOf(process)(eventOf(method, path, body, headers));
        answer = {
          status: result.statusCode!,
          etag: result.headers?.etag?.toString(),
          body: result.body === undefined ? undefined : JSON.parse(result.body),
        };
        world.trace(process.name, `answers ${answer.status} ${result.body ?? ""}`);
        if (!world.isOver) onAnswer(answer);
      },
      PATIENCE_MS,
    );
    if (world.isOver) return never();
    world.cover.check(path.split("/")[2]!);
    return answer === undefined || answer.status >= 500 ? undefined : answer;
  }

  #apiOf(process: Process): Api {
    const api = this.#apis.get(process) ?? createApi(process.engine);
    this.#apis.set(process, api);
    return api;
  }

  #violate(runId: string, message: string): void {
    this.world.checker.violate("driven", runId, message);
  }

  #answered(call: Call, answer: Answer, askedAt: number, now: number): void {
    const { runId, mark, kind } = call;
    const { status, body } = answer;
    const what = `${kind} ${mark}`;
    if (NEVER.has(body?.code)) return this.#violate(runId, `${what} was answered ${JSON.stringify(body)}`);
    if (status >= 500) return;
    if (status >= 400) {
      call.refusals++;
      if (call.stored !== undefined && isRefused(call) && !UNMARKED.has(kind))
        this.#violate(runId, `${what} was refused as ${body.code}, and is stored as ${call.stored}`);
      const wrong = this.#modelOf(runId).mayRefuse(call, body, askedAt, now);
      if (wrong !== undefined) this.#violate(runId, `${what} was refused as ${body.code}: ${wrong}`);
      return;
    }
    call.isAccepted = true;
    const wrong = this.#modelOf(runId).mayAccept(call, body);
    if (wrong !== undefined) this.#violate(runId, `${what} was accepted: ${wrong}`);
    if (answer.etag !== undefined) this.#showsARun(runId, answer, call.stored);
  }

  /** An answer that is a run shows it whole, as it was at one revision. */
  #showsARun(runId: string, { etag, body }: Answer, from = 0): void {
    const { revision, status, step, state } = body as JsonObject;
    const shown = { status, step, state };
    const expected = this.#modelOf(runId).shown[Number(revision)];
    if (etag !== `"${revision}"`)
      return this.#violate(runId, `Its revision is ${revision}, its ETag ${etag}`);
    if (Number(revision) < from)
      return this.#violate(runId, `It shows revision ${revision}, before its own ${from}`);
    if (sorted(shown) !== sorted(expected))
      this.#violate(
        runId,
        `Revision ${revision} is shown as ${sorted(shown)}, it should be ${sorted(expected)}`,
      );
  }
}

export const isRefused = ({ tries, refusals }: Call): boolean => refusals >= tries;

export const sorted = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([left], [right]) => (left < right ? -1 : 1)))
      : part,
  );

export function eventOf(
  method: string,
  path: string,
  body: Json | undefined,
  headers: Record<string, string>,
): APIGatewayProxyEventV2 {
  const [rawPath = "", rawQueryString = ""] = path.split("?");
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath,
    rawQueryString,
    headers: { ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    requestContext: { http: { method, path: rawPath } } as APIGatewayProxyEventV2["requestContext"],
    isBase64Encoded: false,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
}
