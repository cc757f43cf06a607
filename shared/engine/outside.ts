/**
 * Appending from outside of a run: signals, cancel requests, patches, children's ends. Unfenced.
 *
 * 1. The wake goes first and names the event (J8); a repeated request sends its wake again.
 * 2. After a conflict the winner is folded in and the decision is made anew (J3).
 * 3. Before the append is answered, a `dueAt` that lies further off than the sweep's patience is moved earlier, so
 *    that a lost wake costs minutes, not days (J6).
 */
import { StepfoldError } from "../core/errors.ts";
import type { Entry, OutsideEvent } from "../core/events.ts";
import { EXPIRY_HORIZON_MS, RETENTION_MS } from "../core/limits.ts";
import { type RunState, statusOf, wakeAtOf } from "../core/state.ts";
import { catchUp, include, loadRun } from "./load.ts";
import type { Resident } from "./residents.ts";
import type { Engine } from "./settings.ts";
import { type Wake, wakeFor, wakeIfLate } from "./wake.ts";

/** How long many writers of one run contend before one gives up. */
const CONTENTION_MS = 10_000;

export interface OutsideDecision {
  /** What to append: nothing, if it is all there already. */
  events: OutsideEvent[];
  /** The id that the wake names, or `undefined` to wake nobody. */
  wake: string | undefined;
  /** The listed status changes with it, though no leg may come that would show it. */
  changesStatus?: boolean;
}

/** Appends what `decide` answers, deciding again after each conflict. `decide` throws to refuse. */
export async function appendOutside(
  engine: Engine,
  runId: string,
  decide: (state: RunState) => OutsideDecision,
): Promise<RunState> {
  const run = await current(engine, runId);
  if (run === undefined) throw runNotFound(runId);
  try {
    await contend(engine, run, decide);
    return run.state;
  } finally {
    engine.known.keep(runId, run);
  }
}

/** The run as its journal has it now. */
export async function current(engine: Engine, runId: string): Promise<Resident | undefined> {
  const known = engine.known.take(runId);
  if (known === undefined) return loadRun(engine, runId, { consistent: true });
  const header = await engine.journal.header(runId, { consistent: true });
  if (header?.inc !== known.header.inc) return loadRun(engine, runId, { consistent: true });
  known.header = header;
  await catchUp(engine, known);
  return known;
}

async function contend(
  engine: Engine,
  run: Resident,
  decide: (state: RunState) => OutsideDecision,
): Promise<void> {
  const deadline = engine.clock.now() + CONTENTION_MS;
  let woken: Wake | undefined;
  for (let conflicts = 0; ; conflicts++) {
    const { events, wake, changesStatus } = decide(run.state);
    if (wake === undefined) woken = undefined;
    else if (wake !== woken?.event) woken = await wakeFor(engine, run.header, wake);
    if (events.length === 0) return woken === undefined ? undefined : follow(engine, run);
    if (await stored(engine, run, events)) {
      if (woken !== undefined) await wakeIfLate(engine, woken);
      return changesStatus ? show(engine, run) : hasten(engine, run);
    }
    if (engine.clock.now() > deadline)
      throw new StepfoldError(
        "WriteConflict",
        `Too many writers contend for run ${run.header.runId}: try again.`,
        { runId: run.header.runId },
      );
    if (conflicts > 0) {
      await engine.clock.sleep(engine.clock.random() * Math.min(5 * 2 ** conflicts, 200));
      await catchUp(engine, run);
    }
  }
}

async function stored(engine: Engine, run: Resident, events: OutsideEvent[]): Promise<boolean> {
  const { state, header } = run;
  const entry: Entry = {
    sequence: state.sequence + 1,
    at: Math.max(state.at, engine.clock.now()),
    generation: state.generation,
    nonce: engine.clock.id(),
    events,
  };
  const result = await engine.journal.append(header, entry, header.expiresAt);
  if (!result.stored && !result.own) {
    include(run, result.winner);
    return false;
  }
  include(run, entry);
  engine.residents.active.get(state.runId)?.poke();
  return true;
}

/** What a repeated request does: whoever was first may have died between its append and this. */
function follow(engine: Engine, run: Resident): Promise<void> {
  const isOut = run.header.dueAt === undefined && run.state.finished === undefined;
  return isOut ? show(engine, run) : hasten(engine, run);
}

/** Lets the header follow at once, and hastens with the same write. */
async function show(engine: Engine, { header, state }: Resident): Promise<void> {
  await engine.journal.project(header, {
    headerSequence: state.sequence,
    status: statusOf(state),
    updatedAt: state.at,
    finishedAt: null,
    wakeAt: wakeAtOf(state) ?? null,
    dueAt: engine.clock.now() + engine.settings.sweepAfterMs,
  });
}

async function hasten(engine: Engine, run: Resident): Promise<void> {
  const soon = engine.clock.now() + engine.settings.sweepAfterMs;
  const { header, state } = run;
  // A header that has not left the near future needs no write; the fresh one is read only when ours may be stale.
  const mayBeFar = header.dueAt !== undefined && header.dueAt > soon;
  const mayBeMoved = state.phase === "parked" && !mayBeFar;
  if (!mayBeFar && !mayBeMoved) return;
  const fresh = mayBeFar ? header : await engine.journal.header(state.runId, { consistent: true });
  if (fresh?.dueAt === undefined || fresh.dueAt <= soon) return;
  await engine.journal.reschedule(header, { dueAt: soon, sequence: state.sequence });
}

export const runNotFound = (runId: string): StepfoldError =>
  new StepfoldError("RunNotFound", `There is no run ${JSON.stringify(runId)}.`, { runId });

export function refuseFinished(state: RunState): void {
  if (state.finished === undefined) return;
  throw new StepfoldError("RunFinished", `The run ${state.runId} is finished: ${state.finished.status}.`, {
    runId: state.runId,
    runStatus: state.finished.status,
  });
}

/** When a run created now expires, if nothing extends it (J7). */
export const expiryFrom = (now: number, retentionMs = RETENTION_MS): number =>
  now + EXPIRY_HORIZON_MS + retentionMs;
