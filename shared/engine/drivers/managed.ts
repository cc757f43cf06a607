/**
 * What the owner of a managed or mirrored run says of the run as a whole: it waits, goes on, is finished, has failed.
 *
 * 1. A change and the record of it are one event of one entry.
 * 2. Once the run was asked to end, only a final cancel moves it. That ends a stalled run of code, too.
 */
import { isDriven } from "../../core/driven.ts";
import type { Ending, RunCreated } from "../../core/events.ts";
import type { Continued, WaitBegun } from "../../core/events-driven.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { isStalled, type RunState } from "../../core/state.ts";
import { appendOutside, type OutsideDecision, refuseFinished } from "../outside.ts";
import { refuseCancelRequested, refuseStale, refuseWrongDriver } from "../refusals.ts";
import { type Conditions, isRepeated } from "../requests.ts";
import type { Engine } from "../settings.ts";
import { type GivenError, payloadFor, runErrorOf } from "./payloads.ts";

export const OUTSIDE_DRIVERS: readonly RunCreated["driver"][] = ["managed", "mirrored"];

/** The run waits for something outside, in its owner's words. */
export async function beginWait(
  engine: Engine,
  runId: string,
  { wait, step, ...conditions }: { wait: Json; step?: string } & Conditions,
): Promise<RunState> {
  const payload = (await payloadFor(engine, runId, wait))!;
  return told(engine, runId, conditions, (requestId) => ({
    type: "WaitBegun",
    requestId,
    wait: payload,
    ...(step === undefined ? {} : { step }),
  }));
}

/** The run goes on: with a patch of its state, and at another step. */
export async function continueRun(
  engine: Engine,
  runId: string,
  { patch, step, ...conditions }: { patch?: JsonObject; step?: string } & Conditions,
): Promise<RunState> {
  const payload = await payloadFor(engine, runId, patch);
  return told(engine, runId, conditions, (requestId) => ({
    type: "Continued",
    requestId,
    ...(payload === undefined ? {} : { patch: payload }),
    ...(step === undefined ? {} : { step }),
  }));
}

export async function finishRun(
  engine: Engine,
  runId: string,
  { patch, output, ...conditions }: { patch?: JsonObject; output?: Json } & Conditions,
): Promise<RunState> {
  const [last, result] = [await payloadFor(engine, runId, patch), await payloadFor(engine, runId, output)];
  return told(engine, runId, conditions, (requestId) => ({
    type: "RunCompleted",
    requestId,
    ...(last === undefined ? {} : { patch: last }),
    ...(result === undefined ? {} : { output: result }),
  }));
}

export async function failRun(
  engine: Engine,
  runId: string,
  { error, patch, ...conditions }: { error: GivenError; patch?: JsonObject } & Conditions,
): Promise<RunState> {
  const last = await payloadFor(engine, runId, patch);
  return told(engine, runId, conditions, (requestId) => ({
    type: "RunFailed",
    requestId,
    error: runErrorOf(error)!,
    ...(last === undefined ? {} : { patch: last }),
  }));
}

/** Ends the run `cancelled`, whether or not that was asked for before: one that no code advances, or one that is stalled,
 * as no code may ever come that could end it. What that had done is not undone. */
export function cancelFinally(
  engine: Engine,
  runId: string,
  { reason, by, ...conditions }: { reason?: string; by?: string } & Conditions,
): Promise<RunState> {
  const { ifMatch, requestId = engine.clock.id() } = conditions;
  return appendOutside(engine, runId, (state) => {
    if (isRepeated(runId, state.requests, requestId)) return unchanged;
    if (state.finished?.status === "cancelled") return unchanged;
    if (!isStalled(state)) refuseWrongDriver(state, OUTSIDE_DRIVERS);
    refuseFinished(state);
    refuseStale(state, ifMatch);
    const wake = `request:${requestId}`;
    if (!isDriven(state.created))
      return { events: [{ type: "CancelRequested", requestId, reason, by }, { type: "RunCancelled" }], wake };
    const event: Ending = { type: "RunCancelled", requestId, ...(reason && { reason }), ...(by && { by }) };
    return { events: [event], wake, changesStatus: true };
  });
}

const unchanged: OutsideDecision = { events: [], wake: undefined };

function told(
  engine: Engine,
  runId: string,
  conditions: Conditions,
  eventOf: (requestId: string) => WaitBegun | Continued | Ending,
): Promise<RunState> {
  const { ifMatch, requestId = engine.clock.id() } = conditions;
  return appendOutside(engine, runId, (state) => {
    refuseWrongDriver(state, OUTSIDE_DRIVERS);
    if (isRepeated(runId, state.requests, requestId)) return unchanged;
    refuseFinished(state);
    refuseCancelRequested(state);
    refuseStale(state, ifMatch);
    const event = eventOf(requestId);
    return { events: [event], wake: `request:${requestId}`, changesStatus: changesStatus(state, event) };
  });
}

function changesStatus(state: RunState, { type }: WaitBegun | Continued | Ending): boolean {
  if (type !== "WaitBegun" && type !== "Continued") return true;
  return state.pause === undefined && state.driven?.status !== (type === "WaitBegun" ? "waiting" : "running");
}
