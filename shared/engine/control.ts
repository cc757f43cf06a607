/**
 * What people and programs ask of a run: signal, cancel, pause, redrive, patch, remove. (Starting is in `start.ts`,
 * answers to what a run asks in `decisions.ts`.)
 */
import { isDriven } from "../core/driven.ts";
import { StepfoldError } from "../core/errors.ts";
import type { OutsideEvent } from "../core/events.ts";
import { checkName } from "../core/ids.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { redrivePoint } from "../core/redrive.ts";
import { isStalled, type RunState, statusOf } from "../core/state.ts";
import { payloadFor } from "./drivers/payloads.ts";
import { signalMessage } from "./intake.ts";
import { payloadOf } from "./load.ts";
import { appendOutside, current, refuseFinished, runNotFound } from "./outside.ts";
import { notWaiting, refuseCancelRequested, refuseOtherDefinition, refuseStale } from "./refusals.ts";
import { type Conditions, isRepeated } from "./requests.ts";
import type { Engine } from "./settings.ts";
import { ensureSuccessor } from "./start.ts";
import { sendWake, wakeOf } from "./wake.ts";

export { beatCallback, type CallbackOutcome, decideGate, useCallback } from "./decisions.ts";
export { removeRun } from "./remove.ts";
export { type StartRequest, start } from "./start.ts";

export interface SignalRequest {
  runId: string;
  name: string;
  payload?: Json;
  /** The same id is delivered once. */
  signalId?: string;
  /** Refuse with `NotWaiting` unless the run waits for that name, and append before answering. */
  strict?: boolean;
  /** With a repeated start: a finished run is no error. */
  afterStart?: boolean;
  /** The run of the chain that the sender named: its queue keeps the order of what was sent before. */
  through?: string;
}

/** Sends a signal through the FIFO queue, so that the order of one sender holds. */
export async function sendSignal(engine: Engine, request: SignalRequest): Promise<{ signalId: string }> {
  checkName(request.name, "a signal's name");
  const run = await current(engine, request.runId);
  if (run === undefined) throw runNotFound(request.runId);
  engine.known.keep(request.runId, run);
  const signalId = request.signalId ?? engine.clock.id();
  const isOver = run.state.finished !== undefined;
  const isLast = run.state.continuedTo === undefined;
  if (isOver && ((request.afterStart && isLast) || run.state.signals.has(signalId))) return { signalId };
  if (run.state.continuedTo !== undefined) {
    await ensureSuccessor(engine, run.state);
    const through = request.through ?? request.runId;
    return sendSignal(engine, { ...request, runId: run.state.continuedTo, signalId, through });
  }
  refuseFinished(run.state);
  const payload =
    request.payload === undefined
      ? undefined
      : await payloadOf(engine, run.header, request.payload, JSON.stringify(request.payload));
  if (!request.strict) {
    const runId = request.through ?? request.runId;
    const message = signalMessage({ runId, signalId, name: request.name, payload });
    await engine.queue.send("signals", [message]);
    return { signalId };
  }
  const { continuedTo } = await appendOutside(engine, request.runId, (state) => {
    const known = state.signals.has(signalId);
    // It went on as another since it was looked at.
    if (state.continuedTo !== undefined) return { events: [], wake: undefined };
    if (!known) refuseFinished(state);
    if (!known) refuseNotWaiting(state, request.name);
    return {
      events: known ? [] : [{ type: "SignalReceived", signalId, name: request.name, payload }],
      wake: `signal:${signalId}`,
    };
  });
  return continuedTo === undefined ? { signalId } : sendSignal(engine, { ...request, signalId });
}

function refuseNotWaiting(state: RunState, name: string): void {
  if ([...state.waits.values()].some((wait) => wait.name === name)) return;
  throw notWaiting(state, `a signal ${JSON.stringify(name)}`);
}

export interface ControlRequest extends Conditions {
  reason?: string;
  by?: string;
}

/** Records the request to cancel, once: a further one answers the same run. */
export async function requestCancel(
  engine: Engine,
  runId: string,
  request: ControlRequest = {},
): Promise<RunState> {
  const { reason, by, ifMatch, requestId = engine.clock.id() } = request;
  return appendOutside(engine, runId, (state) => {
    const isFinished = state.finished !== undefined;
    const isAsked = state.cancel !== undefined && (!isFinished || state.finished?.status === "cancelled");
    // One with a key is recorded also where another has asked before, so that its repeat is known.
    const isNews = !isAsked || (request.requestId !== undefined && !isFinished);
    if (isRepeated(runId, state.requests, requestId) || !isNews)
      return {
        events: [],
        wake: isFinished ? undefined : [...state.requests].map((id) => `request:${id}`).at(-1),
      };
    refuseFinished(state);
    refuseStale(state, ifMatch);
    const changesStatus = state.pause !== undefined || state.cancel === undefined;
    const events: OutsideEvent[] = [{ type: "CancelRequested", requestId, reason, by }];
    return { events, wake: `request:${requestId}`, changesStatus };
  });
}

/** Keeps the run from beginning anything more. A paused run answers the same. */
export const pause = (engine: Engine, runId: string, request: ControlRequest = {}): Promise<RunState> =>
  controlled(engine, runId, request, "PauseRequested", ({ pause }) => pause === undefined);

/** Lets a paused run go on. One that is not paused stays as it is. */
export const resume = (engine: Engine, runId: string, request: ControlRequest = {}): Promise<RunState> =>
  controlled(engine, runId, request, "ResumeRequested", ({ pause }) => pause !== undefined);

function controlled(
  engine: Engine,
  runId: string,
  request: ControlRequest,
  type: "PauseRequested" | "ResumeRequested",
  changes: (state: RunState) => boolean,
): Promise<RunState> {
  const { reason, by, ifMatch, requestId = engine.clock.id() } = request;
  return appendOutside(engine, runId, (state) => {
    if (isRepeated(runId, state.requests, requestId))
      return { events: [], wake: requestWake(state, requestId) };
    refuseFinished(state);
    if (type === "ResumeRequested" && state.pause !== undefined) refuseOtherDefinition(engine, state);
    refuseStale(state, ifMatch);
    // One with a key is recorded also where it changes nothing, so that its repeat is known.
    if (request.requestId === undefined && !changes(state)) return { events: [], wake: undefined };
    const events: OutsideEvent[] = [{ type, requestId, reason, by }];
    return { events, wake: `request:${requestId}`, changesStatus: changes(state) };
  });
}

const requestWake = ({ finished }: RunState, requestId: string): string | undefined =>
  finished === undefined ? `request:${requestId}` : undefined;

/** Lets a failed, cancelled or timed-out run go on from `from`, or from where it failed. A stalled run is tried again,
 * or gives up what is under way and goes on from `from`. */
export async function redrive(
  engine: Engine,
  runId: string,
  request: { from?: string } & Conditions = {},
): Promise<RunState> {
  const { from, ifMatch, requestId = engine.clock.id() } = request;
  const run = await current(engine, runId);
  if (run === undefined) throw runNotFound(runId);
  engine.known.keep(runId, run);
  if (isStalled(run.state) && from === undefined) {
    refuseOtherDefinition(engine, run.state);
    refuseStale(run.state, ifMatch);
    await sendWake(engine, wakeOf(run.header, { retryStalled: true }));
    return run.state;
  }
  return appendOutside(engine, runId, (present) => {
    if (isRepeated(runId, present.requests, requestId))
      return { events: [], wake: present.finished === undefined ? `redrive:${requestId}` : undefined };
    if (!isStalled(present) || from === undefined) refuseNotRedrivable(present);
    refuseOtherDefinition(engine, present);
    refuseStale(present, ifMatch);
    const events: OutsideEvent[] = [{ type: "RunRedriven", requestId, from, ...redrivePoint(present, from) }];
    return { events, wake: `redrive:${requestId}`, changesStatus: true };
  });
}

function refuseNotRedrivable(state: RunState): void {
  if (isDriven(state.created))
    throw new StepfoldError(
      "NotRedrivable",
      `The run ${state.runId} has no code to go on with: its driver is ${state.created.driver}. Start another.`,
      { runId: state.runId, driver: state.created.driver },
    );
  if (state.finished !== undefined && state.finished.status !== "completed") return;
  throw new StepfoldError(
    "NotRedrivable",
    `Expected the run ${state.runId} to have failed, timed out or been cancelled, got ${statusOf(state)}.`,
    { runId: state.runId, runStatus: statusOf(state) },
  );
}

/** Merges a patch into the published state of an unfinished run. */
export async function patchState(
  engine: Engine,
  runId: string,
  request: { patch: JsonObject; step?: string; ifMatch?: number },
): Promise<RunState> {
  const requestId = engine.clock.id();
  const patch = (await payloadFor(engine, runId, request.patch))!;
  return appendOutside(engine, runId, (state) => {
    refuseFinished(state);
    if (isDriven(state.created)) refuseCancelRequested(state);
    refuseStale(state, request.ifMatch);
    return {
      events: [{ type: "StatePatched", requestId, patch, step: request.step }],
      wake: `request:${requestId}`,
    };
  });
}
