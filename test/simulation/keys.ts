/**
 * Idempotency keys, and what they promise to the services that steps call.
 *
 * 1. All attempts of one step have one key; no other step has it. A step that was undone and is done again, after a
 *    redrive, has another.
 * 2. What a redrive keeps is not done again. A map that child runs work on keeps nothing, if the redrive names it or what
 *    is before it: its nodes do all of their items again.
 * 3. A step that is to be begun at most once is, whoever dies.
 */
import type { RunEvent, RunRedriven } from "../../shared/core/events.ts";
import { digest } from "../../shared/core/ids.ts";
import type { RunState } from "../../shared/core/state.ts";
import type { Watched } from "./checker.ts";

export interface Keyed {
  run: Watched;
  operation: string;
}

/** Told apart from how the engine makes it, so that a change there is seen. */
const keyOf = (inc: string, operation: string, undone: number): string =>
  undone === 0 ? digest("step", inc, operation) : digest("step", inc, operation, undone);

export class Keys {
  readonly #steps = new Map<string, Keyed>();
  /** Keys of what was undone since. */
  readonly #retired = new Set<string>();
  readonly #undone = new Map<string, number>();
  /** By run: the steps whose results the last redrive has kept, and their names. */
  readonly #kept = new Map<string, Map<string, string>>();
  readonly #begun = new Map<string, number>();
  /** Nodes of maps that are to begin afresh, when they are redriven. */
  readonly #afresh = new Set<string>();

  /** The step that a key stands for. */
  of(key: string): Keyed | undefined {
    return this.#steps.get(key);
  }

  /** An event is stored; `run` is as it was before. */
  stored(run: Watched, event: RunEvent): void {
    switch (event.type) {
      case "StepStarted":
      case "ConditionStarted":
        return this.#knows(run, event.operation, this.#timesUndone(run, event.operation));
      case "CompensationStarted":
        return this.#knows(run, event.operation, this.#timesUndone(run, event.of));
      case "RunRedriven":
        return this.#redriven(run, event);
      default:
    }
  }

  /** The key under which a step's result is handed in. */
  present({ run, operation }: Keyed): string {
    return keyOf(run.key.inc, operation, this.#timesUndone(run, operation));
  }

  #timesUndone({ key }: Watched, operation: string): number {
    return this.#undone.get(`${key.inc} ${operation}`) ?? 0;
  }

  #knows(run: Watched, operation: string, undone: number): void {
    this.#steps.set(keyOf(run.key.inc, operation, undone), { run, operation });
  }

  #redriven(run: Watched, { from }: RunRedriven): void {
    const { inc, runId } = run.key;
    const { history } = run.state;
    const isAfresh = this.#afresh.delete(runId);
    const start = isAfresh ? 0 : startOf(run.state, from);
    for (const { event } of history.slice(start))
      if (event.type === "ChildStarted" && event.node !== undefined) this.#afresh.add(event.childRunId);
    const kept = keptBy(run.state, start);
    for (const { kind, status, of } of run.state.operations.values()) {
      if (kind !== "compensation" || status !== "completed" || of === undefined) continue;
      const undone = this.#timesUndone(run, of);
      this.#retired.add(keyOf(inc, of, undone));
      this.#undone.set(`${inc} ${of}`, undone + 1);
      kept.delete(of);
    }
    this.#kept.set(runId, kept);
  }

  /** A step's function is called with this key. Answers what is wrong with that. */
  called(key: string, { run, operation }: Keyed, isOnce: boolean): string | undefined {
    if (this.#retired.has(key)) return "under the key of what was undone since";
    // Code that takes another way after a redrive may ask for another step in the place of a kept one.
    const kept = this.#kept.get(run.key.runId)?.get(operation);
    if (kept !== undefined && kept === run.state.operations.get(operation)?.name)
      return "whose result was kept by the last redrive";
    // Whoever redrives a run asks for what has failed once more.
    const life = `${key} ${run.state.redrives}`;
    const times = (this.#begun.get(life) ?? 0) + 1;
    this.#begun.set(life, times);
    return isOnce && times > 1 ? `for the ${times}th time, and it is to be begun at most once` : undefined;
  }
}

/** Where in its history the operation was asked for from which it goes on; its end, where none was named. */
const startOf = ({ history }: RunState, from: string | undefined): number =>
  from === undefined
    ? history.length
    : history.findIndex(({ event }) => "name" in event && event.name === from);

/** The steps that had completed before a point of the history. */
const keptBy = ({ history, operations }: RunState, start: number): Map<string, string> =>
  new Map(
    history.slice(0, start).flatMap(({ event }) => {
      const step = event.type === "StepCompleted" ? operations.get(event.operation) : undefined;
      return step?.kind === "step" ? [[step.id, step.name] as const] : [];
    }),
  );
