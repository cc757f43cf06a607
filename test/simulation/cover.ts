/**
 * Whether whatever must follow is covered (J6). What a run has to do must be on its way by a message or a schedule; and
 * its `dueAt` must bring the sweep in time where these were lost.
 *
 * It is checked when a message is acknowledged or a caller answered, for every run since the last check, as soon as
 * nothing is in anybody's hands: while a call or a message is, what it leaves to do is still covered by itself.
 */
import type { MemoryPorts } from "../../shared/adapters/memory/index.ts";
import { SWEEP_AFTER_MS, SWEEP_BACKOFF_MS } from "../../shared/core/limits.ts";
import { type Effect, wakeAtOf } from "../../shared/core/state.ts";
import { isActionable } from "../../shared/engine/decide.ts";
import { parseWake } from "../../shared/engine/wake.ts";
import type { Checker, Watched } from "./checker.ts";

/** Schedules and messages come late by less than this. */
const LATE_MS = 12 * 60_000;

export class Cover {
  /** Calls and batches in progress. */
  inHand = 0;
  readonly #touched = new Set<string>();
  readonly #memory: MemoryPorts;
  readonly #checker: Checker;
  readonly #isLossy: boolean;
  readonly #skewMs: number;

  constructor(memory: MemoryPorts, checker: Checker, options: { isLossy: boolean; skewMs: number }) {
    this.#memory = memory;
    this.#checker = checker;
    this.#isLossy = options.isLossy;
    this.#skewMs = options.skewMs;
  }

  check(runId: string): void {
    this.#touched.add(runId);
    if (this.inHand > 0) return;
    const letters = this.#memory.queue.pending("work");
    if ([...letters, ...this.#memory.queue.pending("signals")].some(({ receiveCount }) => receiveCount > 0))
      return;
    const coming = new Map<string, number>();
    const comes = (runId: string, at: number) => coming.set(runId, Math.min(coming.get(runId) ?? at, at));
    for (const { runId, body, visibleAt } of letters)
      comes(runId, Math.max(visibleAt, parseWake(body)?.at ?? 0));
    for (const { runId, at } of this.#memory.scheduler.pending()) comes(runId, at);
    for (const touched of this.#touched) {
      const run = this.#checker.runs.get(touched);
      if (run !== undefined) this.#checkRun(run, Math.min(...this.#comings(run, coming)));
    }
    this.#touched.clear();
  }

  /** `comesAt`: when the next message for it will be handled, if any is on its way. */
  #checkRun(run: Watched, comesAt: number): void {
    const { runId } = run.key;
    const now = this.#memory.clock.now();
    if (run.state.finished !== undefined) {
      if (comesAt < Number.POSITIVE_INFINITY) return;
      const owed = run.dueAt === undefined ? this.#checker.owed(run) : undefined;
      if (owed !== undefined) this.#checker.violate("J10", runId, `Nothing brings it back, but ${owed}`);
      return;
    }
    if (run.dueAt === undefined)
      return this.#checker.violate("J6", runId, "It is unfinished, and not in the due index");
    const needAt = this.#needAt(run);
    if (needAt === undefined || comesAt < Math.max(needAt, now) + LATE_MS) return;
    if (!this.#isLossy)
      return this.#checker.violate("J6", runId, `Nothing will wake it, and it has to move at ${needAt}`);
    const patience = SWEEP_AFTER_MS + SWEEP_BACKOFF_MS + 2 * this.#skewMs;
    const lateMs = run.dueAt - Math.max(needAt, now) - patience;
    if (lateMs > 0)
      this.#checker.violate("J6", runId, `The sweep would find it ${lateMs} ms later than it may`);
  }

  /** When messages for it come, or for children that have ended: those tell it again, or the sweep lets them. */
  #comings({ key }: Watched, coming: ReadonlyMap<string, number>): number[] {
    const times = [coming.get(key.runId) ?? Number.POSITIVE_INFINITY];
    for (const { key: child, state, dueAt } of this.#checker.runs.values()) {
      if (state.created.parent?.runId !== key.runId || state.finished === undefined) continue;
      if (dueAt === undefined) continue;
      times.push(coming.get(child.runId) ?? Number.POSITIVE_INFINITY);
      if (this.#isLossy) times.push(dueAt);
    }
    return times;
  }

  #isDone(run: Watched, effect: Effect): boolean {
    if (effect.kind === "startNode")
      return this.#checker.isDone("startChild", run.state.operations.get(effect.operation)?.childRunId);
    if (effect.kind === "undoNode") {
      const undo = run.state.operations.get(effect.operation);
      const node = this.#checker.runs.get(undo?.childRunId ?? "");
      // It is asked when it reports its end, and answers by itself: it stays due until it has.
      const isHeard = !run.state.open.has(effect.operation) || run.state.childEnds.has(effect.operation);
      return isHeard || node?.dueAt !== undefined;
    }
    // A node that has not heard of a pause goes on: that is late, not lost.
    if (effect.kind === "steerNode") return true;
    if (effect.kind === "startChild") return this.#checker.isDone(effect.kind, effect.command.childRunId);
    return effect.kind === "cancelChild" && this.#checker.isDone(effect.kind, effect.childRunId);
  }

  /** When it next has something to do. */
  #needAt(run: Watched): number | undefined {
    const now = this.#memory.clock.now() - this.#skewMs;
    const { state } = run;
    const effectsDone = new Set(
      [...state.effects.values()].filter((effect) => this.#isDone(run, effect)).map(({ id }) => id),
    );
    const buffered = new Set(
      [...state.buffered].filter((id) => state.signals.get(id)!.sequence > parkedAt(run)),
    );
    return isActionable({ state: { ...state, buffered }, effectsDone }, now, "simulated")
      ? now
      : wakeAtOf(state);
  }
}

/** The last park: signals from before it were refused by whatever waits. */
function parkedAt({ entries }: Watched): number {
  const park = entries.findLast(({ events }) =>
    events.some((event) => event.type === "LegParked" && event.handover !== true),
  );
  return park?.sequence ?? -1;
}
