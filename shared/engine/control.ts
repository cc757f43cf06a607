/**
 * What people and programs ask of a run: signal, cancel, patch, remove. (Starting is in `start.ts`.)
 */
import { type RunError, StepfoldError } from "../core/errors.ts";
import type { Decision, OutsideEvent } from "../core/events.ts";
import { checkName, isCallbackToken, tokenTarget } from "../core/ids.ts";
import { canonicalJson, type Json, type JsonObject } from "../core/json.ts";
import { redrivePoint } from "../core/redrive.ts";
import { type Operation, type RunState, statusOf } from "../core/state.ts";
import type { Header } from "../ports/journal.ts";
import { signalMessage } from "./intake.ts";
import { blobPrefix, loadRun, payloadOf } from "./load.ts";
import { appendOutside, current, refuseFinished, runNotFound } from "./outside.ts";
import type { Engine } from "./settings.ts";
import { sendWake } from "./wake.ts";

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
}

/** Sends a signal through the FIFO queue, so that the order of one sender holds. */
export async function sendSignal(engine: Engine, request: SignalRequest): Promise<{ signalId: string }> {
  checkName(request.name, "a signal's name");
  const run = await current(engine, request.runId);
  if (run === undefined) throw runNotFound(request.runId);
  engine.known.keep(request.runId, run);
  const signalId = request.signalId ?? engine.clock.id();
  if (run.state.finished !== undefined && (request.afterStart || run.state.signals.has(signalId)))
    return { signalId };
  if (run.state.continuedTo !== undefined)
    return sendSignal(engine, { ...request, runId: run.state.continuedTo, signalId });
  refuseFinished(run.state);
  const payload =
    request.payload === undefined
      ? undefined
      : await payloadOf(engine, run.header, request.payload, JSON.stringify(request.payload));
  if (!request.strict) {
    const message = signalMessage({ runId: request.runId, signalId, name: request.name, payload });
    await engine.queue.send("signals", [message]);
    return { signalId };
  }
  await appendOutside(engine, request.runId, (state) => {
    const known = state.signals.has(signalId);
    if (!known) refuseFinished(state);
    if (!known) refuseNotWaiting(state, request.name);
    return {
      events: known ? [] : [{ type: "SignalReceived", signalId, name: request.name, payload }],
      wake: `signal:${signalId}`,
    };
  });
  return { signalId };
}

function refuseNotWaiting(state: RunState, name: string): void {
  if ([...state.waits.values()].some((wait) => wait.name === name)) return;
  throw notWaiting(state, `a signal ${JSON.stringify(name)}`);
}

function refuseStale(state: RunState, ifMatch: number | undefined): void {
  if (ifMatch === undefined || ifMatch === state.sequence) return;
  throw new StepfoldError(
    "StaleRevision",
    `Expected the run ${state.runId} at revision ${ifMatch}, got ${state.sequence}.`,
    { expected: ifMatch, found: state.sequence },
  );
}

/** Records the request to cancel, once: a further one answers the same run. */
export async function requestCancel(
  engine: Engine,
  runId: string,
  request: { reason?: string; by?: string; ifMatch?: number } = {},
): Promise<RunState> {
  const requestId = engine.clock.id();
  return appendOutside(engine, runId, (state) => {
    if (state.cancel !== undefined && (state.finished === undefined || state.finished.status === "cancelled"))
      return {
        events: [],
        wake:
          state.finished === undefined ? [...state.requests].map((id) => `request:${id}`).at(-1) : undefined,
      };
    refuseFinished(state);
    refuseStale(state, request.ifMatch);
    return {
      events: [{ type: "CancelRequested", requestId, reason: request.reason, by: request.by }],
      wake: `request:${requestId}`,
    };
  });
}

/** Keeps the run from beginning anything more. A paused run answers the same. */
export const pause = (engine: Engine, runId: string, request: ControlRequest = {}): Promise<RunState> =>
  controlled(engine, runId, request, (state, requestId) =>
    state.pause === undefined
      ? { type: "PauseRequested", requestId, reason: request.reason, by: request.by }
      : undefined,
  );

/** Lets a paused run go on. One that is not paused stays as it is. */
export const resume = (engine: Engine, runId: string, request: ControlRequest = {}): Promise<RunState> =>
  controlled(engine, runId, request, (state, requestId) =>
    state.pause === undefined
      ? undefined
      : { type: "ResumeRequested", requestId, reason: request.reason, by: request.by },
  );

export interface ControlRequest {
  reason?: string;
  by?: string;
  ifMatch?: number;
}

function controlled(
  engine: Engine,
  runId: string,
  request: ControlRequest,
  eventOf: (state: RunState, requestId: string) => OutsideEvent | undefined,
): Promise<RunState> {
  const requestId = engine.clock.id();
  return appendOutside(engine, runId, (state) => {
    if (state.requests.has(requestId)) return { events: [], wake: `request:${requestId}` };
    refuseFinished(state);
    refuseStale(state, request.ifMatch);
    const event = eventOf(state, requestId);
    return event === undefined
      ? { events: [], wake: undefined }
      : { events: [event], wake: `request:${requestId}` };
  });
}

/** Lets a failed, cancelled or timed-out run go on from `from`, or from where it failed. A stalled run is tried again. */
export async function redrive(
  engine: Engine,
  runId: string,
  request: { from?: string; ifMatch?: number } = {},
): Promise<RunState> {
  const requestId = engine.clock.id();
  const run = await current(engine, runId);
  if (run === undefined) throw runNotFound(runId);
  engine.known.keep(runId, run);
  if (run.state.stalled !== undefined && run.state.finished === undefined) {
    await sendWake(engine, { runId, inc: run.header.inc, retryStalled: true });
    return run.state;
  }
  const state = await appendOutside(engine, runId, (present) => {
    if (present.requests.has(requestId)) return { events: [], wake: `request:${requestId}` };
    if (present.finished === undefined || present.finished.status === "completed")
      throw new StepfoldError(
        "NotRedrivable",
        `Expected the run ${runId} to have failed, timed out or been cancelled, got ${statusOf(present)}.`,
        { runId, runStatus: statusOf(present) },
      );
    refuseStale(present, request.ifMatch);
    return {
      events: [
        { type: "RunRedriven", requestId, from: request.from, ...redrivePoint(present, request.from) },
      ],
      wake: `request:${requestId}`,
    };
  });
  await engine.journal.project(run.header, {
    headerSequence: state.sequence,
    status: statusOf(state),
    updatedAt: state.at,
    finishedAt: null,
    dueAt: engine.clock.now() + engine.settings.sweepAfterMs,
  });
  return state;
}

/** Decides a gate, by its name (the one that waits now) or its operation id. The first decision counts. */
export async function decideGate(
  engine: Engine,
  runId: string,
  gate: string,
  decision: Decision,
): Promise<Operation> {
  const state = await appendOutside(engine, runId, (present) => {
    const operation = gateOf(present, gate);
    if (operation?.decision !== undefined) {
      if (operation.decision.approved !== decision.approved)
        throw new StepfoldError(
          "AlreadyDecided",
          `The gate ${JSON.stringify(operation.name)} of run ${runId} was ${operation.decision.approved ? "approved" : "rejected"} already.`,
          { runId, operation: operation.id, approved: operation.decision.approved },
        );
      return { events: [], wake: present.finished === undefined ? `answer:${operation.id}` : undefined };
    }
    if (operation === undefined || !present.open.has(operation.id))
      throw notWaiting(present, `a decision at ${JSON.stringify(gate)}`);
    return {
      events: [{ type: "GateDecided", operation: operation.id, decision }],
      wake: `answer:${operation.id}`,
    };
  });
  return gateOf(state, gate)!;
}

function gateOf(state: RunState, gate: string): Operation | undefined {
  const byId = state.operations.get(gate);
  if (byId?.kind === "gate") return byId;
  const named = [...state.operations.values()].filter(({ kind, name }) => kind === "gate" && name === gate);
  return named.find(({ id }) => state.open.has(id)) ?? named.at(-1);
}

export type CallbackOutcome =
  | { output?: Json }
  | { error: { code?: string; name?: string; message: string; data?: Json } };

/** Uses a callback's token. The first outcome counts; the same again is answered the same. */
export async function useCallback(
  engine: Engine,
  token: string,
  outcome: CallbackOutcome,
): Promise<Operation> {
  const { runId, operation, header } = await callbackOf(engine, token);
  const error = "error" in outcome ? callbackError(outcome.error) : undefined;
  const value = "error" in outcome ? undefined : outcome.output;
  const output =
    value === undefined ? undefined : await payloadOf(engine, header, value, JSON.stringify(value));
  const state = await appendOutside(engine, runId, (present) => {
    const callback = present.operations.get(operation);
    if (callback?.used !== undefined) {
      if (
        canonicalJson([callback.used.output, callback.used.error] as unknown as Json) !==
        canonicalJson([output, error] as unknown as Json)
      )
        throw new StepfoldError(
          "AlreadyDecided",
          `The callback ${JSON.stringify(callback.name)} of run ${runId} has another outcome already.`,
          { runId, operation },
        );
      return { events: [], wake: present.finished === undefined ? `answer:${operation}` : undefined };
    }
    refuseExpired(present, operation);
    return { events: [{ type: "CallbackUsed", operation, output, error }], wake: `answer:${operation}` };
  });
  return state.operations.get(operation)!;
}

/** Breaks a callback's silence. */
export async function beatCallback(engine: Engine, token: string): Promise<Operation> {
  const { runId, operation } = await callbackOf(engine, token);
  const state = await appendOutside(engine, runId, (present) => {
    refuseExpired(present, operation);
    const beats = present.open.get(operation)!.heartbeatMs !== undefined;
    return { events: beats ? [{ type: "CallbackBeaten", operation }] : [], wake: undefined };
  });
  return state.operations.get(operation)!;
}

async function callbackOf(
  engine: Engine,
  token: string,
): Promise<{ runId: string; operation: string; header: Header }> {
  const invalid = new StepfoldError(
    "InvalidToken",
    "Expected a token that a callback of a run handed out, got another text.",
  );
  const target = tokenTarget(token);
  const header =
    target === undefined ? undefined : await engine.journal.header(target.runId, { consistent: true });
  if (target === undefined || header === undefined) throw invalid;
  if (!isCallbackToken(token, header.runId, header.inc, target.operation)) throw invalid;
  return { ...target, header };
}

function refuseExpired(state: RunState, operation: string): void {
  if (state.finished === undefined && state.open.has(operation)) return;
  throw new StepfoldError("TokenExpired", `The run ${state.runId} no longer waits for this callback.`, {
    runId: state.runId,
    operation,
  });
}

const callbackError = (error: { code?: string; name?: string; message: string; data?: Json }): RunError => ({
  code: "CallbackFailed",
  name: error.name ?? "CallbackFailed",
  message: error.message,
  ...(error.data === undefined ? {} : { data: error.data }),
});

function notWaiting(state: RunState, what: string): StepfoldError {
  const waitingFor = [...state.open.values()]
    .filter(({ status }) => status === "waiting")
    .map(({ name, kind }) => ({ name, kind }));
  return new StepfoldError("NotWaiting", `The run ${state.runId} does not wait for ${what}.`, {
    runId: state.runId,
    waitingFor,
  });
}

/** Merges a patch into the published state of an unfinished run. */
export async function patchState(
  engine: Engine,
  runId: string,
  request: { patch: JsonObject; step?: string; ifMatch?: number },
): Promise<RunState> {
  const run = await loadRun(engine, runId, { consistent: true });
  if (run === undefined) throw runNotFound(runId);
  const requestId = engine.clock.id();
  const patch = await payloadOf(engine, run.header, request.patch, JSON.stringify(request.patch));
  return appendOutside(engine, runId, (state) => {
    refuseFinished(state);
    refuseStale(state, request.ifMatch);
    return {
      events: [{ type: "StatePatched", requestId, patch, step: request.step }],
      wake: `request:${requestId}`,
    };
  });
}

/** Removes a finished run and all its data. */
export async function removeRun(engine: Engine, runId: string): Promise<void> {
  const run = await loadRun(engine, runId, { consistent: true });
  if (run === undefined) throw runNotFound(runId);
  if (run.state.finished === undefined)
    throw new StepfoldError("RunNotFinished", `The run ${runId} is not finished: cancel it first.`, {
      runId,
    });
  if (run.state.effects.size > 0 && run.header.dueAt !== undefined)
    throw new StepfoldError(
      "RunNotFinished",
      `The run ${runId} still has to tell others of its end: try again in a moment.`,
      { runId },
    );
  engine.residents.evict(runId);
  engine.known.evict(runId);
  await engine.blobs.removeAll(blobPrefix(run.header));
  await engine.journal.remove(run.header);
}
