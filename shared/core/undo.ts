/**
 * What a run has done that can be undone, and undoing it: last first.
 *
 * 1. What cannot be undone stops nothing else from being undone.
 * 2. What the items of a map have done is undone where it was done: by the runs of the map's tree, those of one map
 *    that stand together at once. Such a run undoes nothing by itself: its parent knows whether the whole has failed.
 */
import type { Ending } from "./events.ts";
import type { Execution, Outcome, StepWork } from "./execution.ts";
import { copyOf, type Json } from "./json.ts";
import type { NodeOutput } from "./maps.ts";

/** A run of a map's tree. */
export interface Node {
  name: string;
  childRunId: string;
}

/** A step with its output, or a run of a map's tree. */
type Done = { operation: string; output: Json | undefined } | { operation: string; node: Node };

/** The map that a run works on. */
const mapOf = (done: Done): string | undefined =>
  "node" in done ? done.operation.slice(0, done.operation.lastIndexOf("/")) : undefined;

/** Resolves when a compensation has come to its end. */
type Undone = (operation: string) => Promise<void>;

export class Ledger {
  readonly #done: Done[] = [];
  /** At work, by operation. */
  readonly #nodes = new Map<string, Node>();

  get isEmpty(): boolean {
    return this.#done.length === 0;
  }

  step(operation: string, output: Json | undefined): void {
    this.#done.push({ operation, output });
  }

  /** A node can be undone once it has ended, or was cut off. */
  begin(operation: string, node: Node): void {
    this.#nodes.set(operation, node);
  }

  /** Without an outcome, it was cut off. One that says that it has nothing to undo is not asked. */
  end(operation: string, outcome?: Outcome): void {
    const node = this.#nodes.get(operation);
    if (node === undefined) return;
    this.#nodes.delete(operation);
    const output = outcome !== undefined && "value" in outcome ? outcome.value : undefined;
    const isClean = output !== undefined && (output as unknown as NodeOutput).undoable === undefined;
    if (!isClean) this.#done.push({ operation, node });
  }

  async undoAll(execution: Execution, undone: Undone): Promise<void> {
    for (let last = this.#done.at(-1); last !== undefined; last = this.#done.at(-1)) {
      const map = mapOf(last);
      const first = map === undefined ? -1 : this.#done.findLastIndex((done) => mapOf(done) !== map) + 1;
      const together = this.#done.splice(first).reverse();
      await Promise.all(together.map((done) => undo(execution, done, undone)));
    }
  }
}

function undo(execution: Execution, done: Done, undone: Undone): Promise<void> {
  const { operation: of } = done;
  const operation = `${of}~`;
  if ("node" in done) execution.issue({ type: "CompensationStarted", operation, of, ...done.node });
  else {
    const { name, compensate, policy, timeoutMs } = execution.compensations.get(of)!;
    const work: StepWork["work"] = (step) => compensate(copyOf(done.output) as never, step);
    execution.steps.set(operation, { name, work, policy, timeoutMs });
    execution.issue({ type: "CompensationStarted", operation, name, of });
  }
  return undone(operation);
}

/** How a run of a map's tree ends that had ended so before it undid what it had done. */
export const endingAfterUndo = (before: Ending): Ending =>
  before.type === "RunCompleted" ? { type: "RunCancelled" } : before;
