/**
 * The advance function's work: one message of the work queue.
 *
 * 1. It resolves only when the message may be acknowledged: what it asked for is in the journal, and whatever must
 *    follow is itself covered by a wake, a schedule or the sweep (J6).
 * 2. A wake that comes early sends itself on, without a claim; one whose event is not there yet is put back until
 *    its sender must have ended (J8); one that meets a live lease is sent again for the lease's end (J9).
 * 3. Reads may miss the newest entries, and a claim proves that its own did not. Nothing is proven where none follows:
 *    that there is nothing to do, a fresh read tells.
 * 4. A finished run leaves the due index only when its effects are done (J10).
 */
import { isDriven } from "../core/driven.ts";
import { LeaseLost, StepfoldError } from "../core/errors.ts";
import { isOwners } from "../core/fold.ts";
import { WAKE_LOOK_MS, WAKE_PUT_BACK_MS } from "../core/limits.ts";
import { wakeAtOf } from "../core/state.ts";
import { announceAgain, announceEnd } from "./announce.ts";
import { isActionable } from "./decide.ts";
import { ClaimOvertaken } from "./draft.ts";
import { tend } from "./drivers/timers.ts";
import { performAll } from "./effects.ts";
import { giveWay, hasten, isBehind, keepAlive, project, refresh, settle } from "./header.ts";
import { Leg, type LegEnd } from "./leg.ts";
import { catchUp, loadRun } from "./load.ts";
import type { ActiveLeg, Resident } from "./residents.ts";
import { pack } from "./segments.ts";
import type { Engine } from "./settings.ts";
import { isSettled, parseWake, sendWake, type Wake, wakeOf } from "./wake.ts";

/** Takes one message. Throws `MalformedMessage` for what is no wake, and what the ports throw. */
export async function advance(engine: Engine, body: string): Promise<void> {
  const wake = parseWake(body);
  if (wake === undefined)
    throw new StepfoldError(
      "MalformedMessage",
      `Expected a wake on the work queue, got ${JSON.stringify(body.slice(0, 200))}.`,
    );
  if (wake.at !== undefined && wake.at > engine.clock.now()) return sendWake(engine, wake);
  const run = await found(engine, wake);
  if (run === undefined) return;
  const group = groupOf(engine, run);
  if (group !== engine.settings.group) return sendWake(engine, { ...wake, group }, WAKE_PUT_BACK_MS);
  await attend(engine, run, wake);
}

/** The group that has the run's code now: a deployment may have moved its workflow to another one. */
function groupOf({ registry, settings }: Engine, { state: { created } }: Resident): string | undefined {
  const definition = isDriven(created) ? undefined : registry.find(created.workflow, created.version);
  return definition === undefined ? settings.group : registry.groupOf(definition);
}

async function attend(engine: Engine, run: Resident, wake: Wake): Promise<void> {
  if (isDriven(run.state.created)) {
    run.state = await tend(engine, run.state);
    return run.state.finished === undefined ? settle(engine, run, wake) : undefined;
  }
  const stalledUnder = wake.retryStalled ? "" : engine.settings.codeHash;
  do {
    if (run.state.finished !== undefined) return closeFinished(engine, run);
    const heldUntil = leaseEnd(engine, run);
    if (heldUntil !== undefined) return wakeAtLeaseEnd(engine, wakeOf(run.state), heldUntil);
    if (isActionable(run, engine.clock.now(), stalledUnder)) return runLeg(engine, run, wake);
    // A read may have missed the newest entries: only the whole journal says that there is nothing to do.
  } while ((await catchUp(engine, run)).length > 0);
  await settle(engine, run, wake);
  engine.residents.keep(wake.runId, run);
}

/** The run with what the wake names, or `undefined` when this message has nothing more to do. */
async function found(engine: Engine, wake: Wake): Promise<Resident | undefined> {
  const { runId, inc, group } = wake;
  const lookUntil = engine.clock.now() + WAKE_LOOK_MS;
  for (;;) {
    const active = activeLeg(engine, wake);
    let sequence = -1;
    if (active !== undefined) {
      active.poke();
      if (active.knows(wake.event)) {
        await wakeAtLeaseEnd(engine, { runId, inc, group }, active.until + engine.settings.skewMs);
        return undefined;
      }
    } else {
      const run = await bring(engine, wake);
      // Left over from a start that another overtook: no wake of this run, and none may stand for one.
      if (run !== undefined && run.header.inc !== inc) return undefined;
      if (run !== undefined && isSettled(run.state, wake.event)) return run;
      if (run !== undefined) {
        sequence = run.state.sequence;
        engine.residents.keep(runId, run);
      }
    }
    const now = engine.clock.now();
    if (wake.until === undefined || now > wake.until)
      return active === undefined ? foundAtLast(engine, wake) : undefined;
    if (now >= lookUntil) {
      await sendWake(engine, wake, WAKE_PUT_BACK_MS);
      return undefined;
    }
    if (active === undefined) await engine.journal.changed(runId, sequence, lookUntil - now);
    else await engine.clock.sleep(2);
  }
}

/** A wake is dropped only on what the journal says for certain. */
async function foundAtLast(engine: Engine, { runId, inc, event }: Wake): Promise<Resident | undefined> {
  const run = await loadRun(engine, runId, { consistent: true });
  if (run?.header.inc !== inc) return undefined;
  return isSettled(run.state, event) ? run : undefined;
}

/** The leg that this process runs for it, while its lease lasts: after that the journal alone tells (J9). */
function activeLeg(engine: Engine, { runId, inc }: Wake): ActiveLeg | undefined {
  const active = engine.residents.active.get(runId);
  return active?.inc === inc && engine.clock.now() < active.until + engine.settings.skewMs
    ? active
    : undefined;
}

/** From memory and the journal's tail, or from the journal. */
async function bring(engine: Engine, wake: Wake): Promise<Resident | undefined> {
  const { runId, inc } = wake;
  const resident = engine.residents.take(runId);
  if (resident?.header.inc !== inc) return readAnew(engine, wake);
  try {
    const tail = await catchUp(engine, resident);
    // Another owner has been here, and has moved the header; or the run was removed, and nothing can come any more.
    const isSame = (tail.length > 0 && !tail.some(isOwners)) || (await refresh(engine, resident));
    return isSame ? resident : loadRun(engine, runId, { consistent: true });
  } catch (error) {
    // The run of this id is another one by now, or its rows are gone: the journal tells.
    if (error instanceof StepfoldError && (error.code === "JournalGap" || error.code === "IllegalEvent"))
      return loadRun(engine, runId, { consistent: true });
    throw error;
  }
}

/** A wake is dropped where the run is another one, or has ended: only a fresh read says that it still is so. */
async function readAnew(engine: Engine, { runId, inc }: Wake): Promise<Resident | undefined> {
  const run = await loadRun(engine, runId);
  if (run === undefined) return undefined;
  if (run.header.inc !== inc) {
    const header = await engine.journal.header(runId, { consistent: true });
    return header?.inc === run.header.inc ? run : loadRun(engine, runId, { consistent: true });
  }
  if (run.state.finished !== undefined) await catchUp(engine, run);
  return run;
}

/** When a live lease ends, with the margin for clocks that differ. */
function leaseEnd(engine: Engine, run: Resident): number | undefined {
  const { lease } = run.state;
  if (lease === undefined || engine.settings.isDead(lease.owner)) return undefined;
  const until = lease.until + engine.settings.skewMs;
  return until > engine.clock.now() ? until : undefined;
}

/** Has the run woken when its lease is over (J9). */
async function wakeAtLeaseEnd(engine: Engine, wake: Wake, at: number): Promise<void> {
  await engine.leaseEnds.cover(wake, at, () => sendWake(engine, { ...wake, at }));
  await hasten(engine, wake, at);
}

async function runLeg(engine: Engine, run: Resident, wake: Wake): Promise<void> {
  const { runId } = wake;
  await keepAlive(engine, run);
  // A leg before has died: over its last entry, or within.
  if (isBehind(run)) await announceAgain(engine, run.state);
  const leg = new Leg(engine, run);
  engine.residents.active.set(runId, leg);
  let end: LegEnd;
  try {
    end = await leg.run(wake.event ?? (wake.at === undefined ? undefined : "timer"));
  } catch (error) {
    // With all that it said: by another's clock, or another read, it may not have come yet.
    if (error instanceof ClaimOvertaken) return giveWay(engine, wake);
    if (!(error instanceof LeaseLost)) throw error;
    engine.log.info("Another owner has claimed the run.", { runId, ...error.data });
    return giveWay(engine, { ...wake, at: leaseEnd(engine, run) ?? wake.at });
  } finally {
    if (engine.residents.active.get(runId) === leg) engine.residents.active.delete(runId);
  }
  if (end === "finished") return closeFinished(engine, run);
  await project(engine, run);
  if (end === "handedOver") await sendWake(engine, wakeOf(run.state));
  if (end === "stalled") return;
  const wakeAt = wakeAtOf(run.state);
  // Its time came while the park was being stored: the wake that was sent for it may have met the lease.
  if (end === "parked" && wakeAt !== undefined && wakeAt <= engine.clock.now())
    await sendWake(engine, wakeOf(run.state));
  await pack(engine, run);
  if (end === "parked") engine.residents.keep(runId, run);
}

/** Closes a finished run that is not closed yet: once for all wakes that find it so at one time. */
async function closeFinished(engine: Engine, run: Resident): Promise<void> {
  const { state, header } = run;
  const { status, sequence } = state.finished!;
  // It may have ended so before, and been redriven since.
  const isShown = header.status === status && header.headerSequence >= sequence;
  if (header.dueAt === undefined && isShown) return;
  const entry = `${state.runId} ${state.inc} ${state.sequence}`;
  await engine.closings.join(entry, () => close(engine, run));
}

/** Does what a finished run still owes, then lets it leave the due index. */
async function close(engine: Engine, run: Resident): Promise<void> {
  const { state, header } = run;
  const { status, at } = state.finished!;
  await performAll(engine, run);
  await announceEnd(engine, state);
  // What the effects took: no entry can tell.
  const usage = engine.meter.drain(state.runId);
  await engine.journal.project(header, {
    headerSequence: state.sequence,
    status,
    updatedAt: at,
    startedAt: state.startedAt,
    finishedAt: at,
    wakeAt: null,
    stalled: false,
    cancelRequested: state.cancel !== undefined,
    dueAt: null,
    usage,
  });
  engine.meter.drain(state.runId);
}
