/**
 * The header of a driven run follows its journal (J1) without a leg.
 *
 * 1. It is written only when the listed status has changed, the run was asked to end, or it becomes due earlier
 *    than it says.
 * 2. `dueAt` is when the run's next own time should long be over, and well before its rows expire: nothing else
 *    has the sweep look at it (J6, J7).
 */
import { isDriven } from "../../core/driven.ts";
import { toRunError } from "../../core/errors.ts";
import type { RunCreated } from "../../core/events.ts";
import { EXPIRY_HORIZON_MS, SWEEP_BACKOFF_MS } from "../../core/limits.ts";
import { type RunState, statusOf, wakeAtOf } from "../../core/state.ts";
import type { Header, Projection } from "../../ports/journal.ts";
import { announceEnd } from "../announce.ts";
import type { Resident } from "../residents.ts";
import type { Engine } from "../settings.ts";

/** `wakeAt`: a time that has just been added, for which `dueAt` must hold whatever the header was when it was read. */
export async function followDriven(engine: Engine, run: Resident, wakeAt: number | undefined): Promise<void> {
  const { state } = run;
  if (wakeAt !== undefined && state.finished === undefined)
    run.header = (await engine.journal.header(state.runId, { consistent: true })) ?? run.header;
  const { header } = run;
  const dueAt = dueAfter(engine, state, header.expiresAt);
  const isBehind = statusOf(state) !== header.status || state.steered > header.headerSequence;
  const isOwed = state.finished === undefined ? isEarlier(dueAt, header) : header.dueAt !== undefined;
  if (!isBehind && !isOwed) return;
  if (state.finished !== undefined && !(await isEndTold(engine, run))) return;
  const projection = projectionOf(state);
  if (state.finished !== undefined) projection.dueAt = null;
  else if (isOwed) projection.dueAt = dueAt;
  if (await engine.journal.project(header, projection)) Object.assign(header, shown(header, projection));
  else if (isOwed && state.finished === undefined) await engine.journal.reschedule(header, { dueAt });
  // An end has counted itself.
  if (state.finished !== undefined) engine.meter.drain(state.runId);
}

/** An end that could not be published leaves the header behind: the sweep comes soon, and does both (J10). */
async function isEndTold(engine: Engine, { state, header }: Resident): Promise<boolean> {
  try {
    await announceEnd(engine, state);
    return true;
  } catch (error) {
    const told = { runId: state.runId, error: toRunError(error, "Error") };
    engine.log.warn("The end of a run was not published; the sweep tries again.", told);
    const dueAt = engine.clock.now() + engine.settings.sweepAfterMs;
    await engine.journal.reschedule(header, { dueAt });
    return false;
  }
}

/** When the sweep should look at a driven run. */
const dueAfter = (engine: Engine, state: RunState, expiresAt: number): number =>
  dueAtOf(engine, wakeAtOf(state), expiresAt);

const dueAtOf = (engine: Engine, wakeAt: number | undefined, expiresAt: number): number =>
  Math.min(
    (wakeAt ?? Number.POSITIVE_INFINITY) + engine.settings.sweepAfterMs,
    expiresAt - EXPIRY_HORIZON_MS / 2,
  );

/** When it should look at a new run, whoever drives it. */
export function dueAtFirst(engine: Engine, created: RunCreated, now: number, expiresAt: number): number {
  if (isDriven(created)) return dueAtOf(engine, created.deadline, expiresAt);
  return (created.startAt ?? now) + engine.settings.sweepAfterMs;
}

const isEarlier = (dueAt: number, header: Header): boolean =>
  header.dueAt === undefined || dueAt < header.dueAt - SWEEP_BACKOFF_MS;

function projectionOf(state: RunState): Projection {
  const projection: Projection = {
    headerSequence: state.sequence,
    status: statusOf(state),
    updatedAt: state.at,
    wakeAt: wakeAtOf(state) ?? null,
    cancelRequested: state.cancel !== undefined,
  };
  if (state.startedAt !== undefined) projection.startedAt = state.startedAt;
  if (state.finished !== undefined) projection.finishedAt = state.finished.at;
  return projection;
}

function shown(header: Header, { dueAt, wakeAt, finishedAt, ...rest }: Projection): Partial<Header> {
  const given = <T>(value: T | null | undefined, before: T | undefined): T | undefined =>
    value === undefined ? before : (value ?? undefined);
  return {
    ...rest,
    dueAt: given(dueAt, header.dueAt),
    wakeAt: given(wakeAt, header.wakeAt),
    finishedAt: given(finishedAt, header.finishedAt),
  } as Partial<Header>;
}
