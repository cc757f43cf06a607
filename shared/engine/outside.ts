/**
 * Appending from outside of a run: signals, cancel requests, patches, children's ends; and all that managed and
 * mirrored runs are told. Unfenced.
 *
 * 1. The wake goes first and names the event (J8); a repeated request sends its wake again.
 * 2. After a conflict the winner is folded in and the decision is made anew (J3).
 * 3. Before the append is answered, a `dueAt` that lies further off than the sweep's patience is moved earlier, so
 *    that a lost wake costs minutes, not days (J6).
 * 4. Writers of one run in one process stand in line, so that they contend with those of other processes only, and
 *    from their turn on. Those who find nothing to append share one read with all that stood behind them.
 * 5. No leg comes for a driven run: its header follows here, and only what changes that sends a wake, a moment later,
 *    for whoever dies in between. Nor does it park: its journal is packed here, by the same account.
 */
import { isDriven } from "../core/driven.ts";
import { StepfoldError } from "../core/errors.ts";
import type { Ending, Entry, EntryUsage, GateOpened, GateTimedOut, OutsideEvent } from "../core/events.ts";
import type { DrivenEvent } from "../core/events-driven.ts";
import { EXPIRY_HORIZON_MS, RETENTION_MS } from "../core/limits.ts";
import { type RunState, statusOf, wakeAtOf } from "../core/state.ts";
import { addUsage, noUsage } from "../ports/meter.ts";
import { announce } from "./announce.ts";
import { usageOfEnd } from "./draft.ts";
import { followDriven } from "./drivers/header.ts";
import { catchUp, include, loadRun } from "./load.ts";
import type { Resident } from "./residents.ts";
import { pack } from "./segments.ts";
import type { Engine } from "./settings.ts";
import { sendWake, type Wake, wakeFor, wakeIfLate, wakeOf } from "./wake.ts";

/** How long writers of one run, in several processes, contend before one gives up. */
const CONTENTION_MS = 10_000;
/** The header of a driven run follows at once: a wake looks after this time whether it has. */
const FOLLOWED_WITHIN_MS = 2_000;
const ENDINGS = new Set<string>(["RunCompleted", "RunFailed", "RunCancelled", "RunTimedOut"]);

export type OutsideAppended = OutsideEvent | DrivenEvent | GateOpened | GateTimedOut | Ending;

export interface OutsideDecision {
  /** What to append: nothing, if it is all there already. */
  events: OutsideAppended[];
  /** The id that the wake names, or `undefined` to wake nobody. */
  wake: string | undefined;
  /** The listed status changes with it, though no leg may come that would show it. */
  changesStatus?: boolean;
  /** When a driven run has something to do by itself because of it. */
  wakeAt?: number;
}

/** Appends what `decide` answers, deciding again after each conflict. `decide` throws to refuse. */
export function appendOutside(
  engine: Engine,
  runId: string,
  decide: (state: RunState) => OutsideDecision,
): Promise<RunState> {
  const store = {
    take: async () => {
      const run = await current(engine, runId);
      if (run === undefined) throw runNotFound(runId);
      return run;
    },
    putBack: (run: Resident) => engine.known.keep(runId, run),
  };
  return engine.lines.queue(runId, store, async (run) => {
    const isAsBefore = await contend(engine, run, decide);
    return { answer: run.state, isAsBefore };
  });
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

/** True if there was nothing to do, and the run is still as it was read. */
async function contend(
  engine: Engine,
  run: Resident,
  decide: (state: RunState) => OutsideDecision,
): Promise<boolean> {
  const deadline = engine.clock.now() + CONTENTION_MS;
  const append = new OutsideAppend(engine, run);
  for (let conflicts = 0; ; conflicts++) {
    const decision = decide(run.state);
    await append.wakeFirst(decision);
    if (decision.events.length === 0) return append.repeat();
    if (await append.store(decision.events)) {
      await append.follow(decision);
      return false;
    }
    if (engine.clock.now() > deadline) throw contended(run.header.runId);
    if (conflicts > 0) {
      await engine.clock.sleep(engine.clock.random() * Math.min(5 * 2 ** conflicts, 200));
      await catchUp(engine, run);
    }
  }
}

const contended = (runId: string): StepfoldError =>
  new StepfoldError("WriteConflict", `Too many writers contend for run ${runId}: try again.`, { runId });

/** One request's way into the journal, however many times it must be decided. */
class OutsideAppend {
  readonly #engine: Engine;
  readonly #run: Resident;
  readonly #isDriven: boolean;
  #woken: Wake | undefined;
  #timer: number | undefined;
  #usage = noUsage();

  constructor(engine: Engine, run: Resident) {
    this.#engine = engine;
    this.#run = run;
    this.#isDriven = isDriven(run.state.created);
  }

  async wakeFirst({ wake, wakeAt, changesStatus, events }: OutsideDecision): Promise<void> {
    const { header } = this.#run;
    const named = this.#isDriven && !(changesStatus && events.length > 0) ? undefined : wake;
    if (named === undefined) this.#woken = undefined;
    else if (named !== this.#woken?.event)
      this.#woken = await wakeFor(this.#engine, header, named, this.#isDriven ? FOLLOWED_WITHIN_MS : 0);
    if (wakeAt === undefined || wakeAt === this.#timer) return;
    this.#timer = wakeAt;
    await sendWake(this.#engine, wakeOf(header, { at: wakeAt }));
  }

  async store(events: OutsideAppended[]): Promise<boolean> {
    const { state, header } = this.#run;
    const sequence = state.sequence + 1;
    const entry: Entry = {
      sequence,
      at: Math.max(state.at, this.#engine.clock.now()),
      generation: events[0]?.type === "LeaseGranted" ? sequence : state.generation,
      nonce: this.#engine.clock.id(),
      events,
    };
    if (this.#isDriven) entry.usage = this.#used(events);
    const previous = statusOf(state);
    const result = await this.#engine.journal.append(header, entry, header.expiresAt);
    if (!result.stored && !result.own) {
      include(this.#run, result.winner);
      return false;
    }
    include(this.#run, entry);
    if (entry.usage?.reread !== undefined) this.#run.reread -= entry.usage.reread;
    this.#engine.residents.active.get(state.runId)?.poke();
    await announce(this.#engine, state, previous);
    return true;
  }

  /** What no leg will tell: all that the run took since its last entry. */
  #used(events: OutsideAppended[]): EntryUsage {
    const { reread, state } = this.#run;
    this.#usage = addUsage(this.#usage, this.#engine.meter.drain(state.runId) ?? noUsage());
    const isEnd = events.some(({ type }) => ENDINGS.has(type));
    const usage = isEnd ? addUsage(this.#usage, usageOfEnd(events)) : this.#usage;
    return reread === 0 ? usage : { ...usage, reread };
  }

  async follow({ changesStatus, wakeAt }: OutsideDecision): Promise<void> {
    if (this.#woken !== undefined) await wakeIfLate(this.#engine, this.#woken);
    // It came before the append, and found nothing that was due.
    if (wakeAt !== undefined && wakeAt <= this.#engine.clock.now())
      await sendWake(this.#engine, wakeOf(this.#run.header, { at: wakeAt }));
    if (this.#isDriven) {
      await followDriven(this.#engine, this.#run, wakeAt);
      return pack(this.#engine, this.#run);
    }
    return changesStatus ? show(this.#engine, this.#run) : hasten(this.#engine, this.#run);
  }

  /** What a repeated request does: whoever was first may have died between its append and this. True if nothing. */
  async repeat(): Promise<boolean> {
    const { header, state } = this.#run;
    if (!this.#isDriven && this.#woken === undefined) return true;
    const isOut = header.dueAt === undefined && state.finished === undefined;
    if (this.#isDriven) await followDriven(this.#engine, this.#run, undefined);
    else await (isOut ? show(this.#engine, this.#run) : hasten(this.#engine, this.#run));
    return false;
  }
}

/** Lets the header follow at once, and hastens with the same write. */
async function show(engine: Engine, { header, state }: Resident): Promise<void> {
  await engine.journal.project(header, {
    headerSequence: state.sequence,
    status: statusOf(state),
    updatedAt: state.at,
    finishedAt: null,
    cancelRequested: state.cancel !== undefined,
    stalled: state.stalled !== undefined,
    wakeAt: wakeAtOf(state) ?? null,
    dueAt: engine.clock.now() + engine.settings.sweepAfterMs,
  });
}

async function hasten(engine: Engine, run: Resident): Promise<void> {
  const soon = engine.clock.now() + engine.settings.sweepAfterMs;
  const { header, state } = run;
  // Its end is shown with what it owes (J10).
  if (state.finished !== undefined) return;
  // Somebody before has not shown what changed; lifted past it, the header would never show it.
  if (state.steered > header.headerSequence) return show(engine, run);
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
