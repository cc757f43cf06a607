/**
 * The header of a run follows its legs (J1), and says when the sweep should look at it (J6). (Of a driven run's own
 * appends: `drivers/header.ts`.)
 *
 * 1. `dueAt` is a lower bound. A park moves it earlier at once; later only where that saves the sweep a vain look.
 * 2. Whoever moves it later reads the journal after that: who appended meanwhile may have counted on the old one. If it
 *    dies over this, its message comes again.
 * 3. A process that cannot know where it is takes it for later than it may be: to move it in vain costs a write.
 * 4. Nobody acknowledges a message that has nothing to do, or that gives way to a lease, without a fresh look: a
 *    `dueAt` that is too late is moved earlier first.
 */
import { durationMs } from "../core/duration.ts";
import { blobPrefix } from "../core/ids.ts";
import { DUE_MOVE_MS, EXPIRY_HORIZON_MS, RETENTION_MS, SWEEP_BACKOFF_MS } from "../core/limits.ts";
import { statusOf, wakeAtOf } from "../core/state.ts";
import type { Projection, RunKey } from "../ports/journal.ts";
import { announceAgain } from "./announce.ts";
import { isActionable } from "./decide.ts";
import type { Resident } from "./residents.ts";
import type { Engine } from "./settings.ts";
import { sendWake, timerWake, type Wake } from "./wake.ts";

/** Whether lists show what the journal no longer says. */
export const isBehind = ({ state, header }: Resident): boolean =>
  header.status !== statusOf(state) || (header.stalled ?? false) !== (state.stalled !== undefined);

/** Lets the header follow a park: when the listed status has changed, or when the run is due much later. */
export async function project(engine: Engine, run: Resident): Promise<void> {
  const { state, header } = run;
  const status = statusOf(state);
  const stalled = state.stalled !== undefined;
  // Whoever steered the run has moved its header, which this process has not seen; and the end before a redrive may have
  // taken it out of the due index, and keep whoever redrove it from putting it back.
  const isKnown = state.steered <= header.headerSequence;
  const present = isKnown ? header.dueAt : undefined;
  const dueAt = dueAfter(engine, run);
  // Held up since its park, it moves nothing away: whoever came meanwhile may count on it. The sweep moves it later.
  const isLate = engine.clock.now() > state.at + engine.settings.sweepAfterMs;
  const moves = isElsewhere(present, dueAt) && !(isLate && present !== undefined && dueAt > present);
  if (isKnown && status === header.status && stalled === (header.stalled ?? false) && !moves) return;
  const projection: Projection = {
    headerSequence: state.sequence,
    status,
    updatedAt: state.at,
    startedAt: state.startedAt,
    wakeAt: wakeAtOf(state) ?? null,
    stalled,
    cancelRequested: state.cancel !== undefined,
  };
  if (moves) projection.dueAt = dueAt;
  if (await engine.journal.project(header, projection))
    Object.assign(header, {
      ...projection,
      wakeAt: projection.wakeAt ?? undefined,
      dueAt: projection.dueAt ?? header.dueAt,
    });
  // Refused, it may be there all the same: from a try whose answer was lost.
  else if (moves && header.dueAt !== undefined) header.dueAt = Math.max(header.dueAt, dueAt);
  if (moves && !stalled) await seeWhoCame(engine, run);
}

/** Whether `dueAt` has to move: earlier at once, later only when that saves the sweep a vain look (J6). */
const isElsewhere = (present: number | undefined, dueAt: number): boolean =>
  present === undefined || isTooLate(present, dueAt) || dueAt > present + DUE_MOVE_MS;

const isTooLate = (present: number, dueAt: number): boolean => dueAt < present - SWEEP_BACKOFF_MS;

/** An event that was appended while `dueAt` moved away may have counted on the old one (J6). */
async function seeWhoCame(engine: Engine, run: Resident): Promise<void> {
  const { header, state } = run;
  const { entries } = await engine.journal.tail(header, state.sequence, { limit: 1 });
  if (entries.length === 0) return;
  const dueAt = engine.clock.now() + engine.settings.sweepAfterMs;
  // Not with the newer entry's sequence: its own projection, which may be the run's last, must still pass.
  if (await engine.journal.reschedule(header, { dueAt, sequence: state.sequence })) header.dueAt = dueAt;
}

/** When the sweep should next look: after the run's own next time, and well before its rows expire. */
function dueAfter(engine: Engine, run: Resident): number {
  const now = engine.clock.now();
  if (run.state.stalled !== undefined) return now + SWEEP_BACKOFF_MS;
  const wakeAt = isActionable(run, now, engine.settings.codeHash)
    ? now
    : (wakeAtOf(run.state) ?? Number.POSITIVE_INFINITY);
  return Math.min(wakeAt + engine.settings.sweepAfterMs, run.header.expiresAt - EXPIRY_HORIZON_MS / 2);
}

/**
 * What a wake that finds nothing to do leaves behind: a header that is right, a wake for the run's next time where none
 * may be on its way, and a `dueAt` where it belongs (J6).
 */
export async function settle(engine: Engine, run: Resident, wake: Wake): Promise<void> {
  if (!(await refresh(engine, run))) return;
  const { state } = run;
  const isRequest = wake.event?.startsWith("request:") === true;
  if (isMissed(run, isRequest)) {
    // Whoever should have told it died over it.
    await announceAgain(engine, state);
    await project(engine, run);
  }
  const wakeAt = wakeAtOf(state);
  // A run that was resumed: the wake for its next time may have come and gone while it was paused. A heartbeat: the wake
  // that its callback's park has sent is this one, and came too early.
  const isPassed = isRequest || wake.generation === state.generation;
  if (wakeAt !== undefined && isPassed) await sendWake(engine, timerWake(state, wakeAt));
  const isSweeps = wake.event === undefined && wake.at === undefined && state.stalled === undefined;
  if (isSweeps) await keepAlive(engine, run);
  const { dueAt: from } = run.header;
  const dueAt = dueAfter(engine, run);
  if (from === undefined || !(isTooLate(from, dueAt) || (isSweeps && dueAt > from))) return;
  const isMoved = await engine.journal.reschedule(run.header, { dueAt, from });
  run.header.dueAt = isMoved ? dueAt : Math.max(dueAt, from);
  if (isMoved && dueAt > from) await seeWhoCame(engine, run);
}

/** Reads the header as it is now. False if the run is no longer there. */
export async function refresh(engine: Engine, run: Resident): Promise<boolean> {
  const header = await engine.journal.header(run.state.runId, { consistent: true });
  if (header?.inc !== run.header.inc) return false;
  run.header = header;
  return true;
}

/** A leg that died after its last entry left lists as they were (J1); so may have whoever asked for something. A driven
 * run's other changes have been followed before. */
const isMissed = (run: Resident, isRequest: boolean): boolean =>
  isRequest ? run.state.steered > run.header.headerSequence : run.state.phase !== "driven" && isBehind(run);

/** Sends a wake in the place of the one in hand. */
export async function giveWay(engine: Engine, wake: Wake): Promise<void> {
  await sendWake(engine, wake);
  await hasten(engine, wake, wake.at);
}

/** A message is given away for a wake that comes at `at`: should that be lost, the sweep comes soon after (J6). */
export async function hasten(engine: Engine, { runId, inc }: RunKey, at = 0): Promise<void> {
  const header = await engine.journal.header(runId, { consistent: true });
  if (header?.inc !== inc || header.dueAt === undefined) return;
  const { sweepAfterMs } = engine.settings;
  const now = engine.clock.now();
  const dueAt = Math.max(at, now) + sweepAfterMs;
  // A sweep that has been here lately has backed it off.
  if (header.dueAt > Math.max(dueAt, now + sweepAfterMs + SWEEP_BACKOFF_MS))
    await engine.journal.reschedule(header, { dueAt, from: header.dueAt });
}

/** Extends the expiry of a run that is past half of the horizon, so that its retention is whole at any end (J7). */
export async function keepAlive(engine: Engine, run: Resident): Promise<void> {
  const { header, state } = run;
  const now = engine.clock.now();
  const retention = engine.registry.find(state.created.workflow, state.created.version)?.options.retention;
  const lifetimeMs = EXPIRY_HORIZON_MS + (retention === undefined ? RETENTION_MS : durationMs(retention));
  if (header.expiresAt - now > lifetimeMs - EXPIRY_HORIZON_MS / 2) return;
  await engine.blobs.renew(blobPrefix(header));
  await engine.journal.extend(header, now + lifetimeMs);
  header.expiresAt = now + lifetimeMs;
}
