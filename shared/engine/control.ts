/**
 * What people and programs ask of a run: signal, cancel, patch, remove. (Starting is in `start.ts`.)
 */
import { StepfoldError } from "../core/errors.ts";
import { checkName } from "../core/ids.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { RunState } from "../core/state.ts";
import { signalMessage } from "./intake.ts";
import { blobPrefix, loadRun, payloadOf } from "./load.ts";
import { appendOutside, current, refuseFinished, runNotFound } from "./outside.ts";
import type { Engine } from "./settings.ts";

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
  const waitingFor = [...state.open.values()]
    .filter((operation) => operation.status === "waiting")
    .map(({ name: waited, kind }) => ({ name: waited, kind }));
  if (waitingFor.some((waited) => waited.kind === "signal" && waited.name === name)) return;
  throw new StepfoldError(
    "NotWaiting",
    `The run ${state.runId} does not wait for a signal ${JSON.stringify(name)}.`,
    { runId: state.runId, waitingFor },
  );
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
