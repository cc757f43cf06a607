/** What is asked of an existing run: signals, cancel, pause, redrive, patches of the published state. */
import { StepfoldError } from "../../core/errors.ts";
import { checkName, digest } from "../../core/ids.ts";
import { canonicalJson, type Json, type JsonObject } from "../../core/json.ts";
import type { RunState } from "../../core/state.ts";
import { patchState, pause, redrive, requestCancel, resume, sendSignal } from "../../engine/control.ts";
import { cancelFinally } from "../../engine/drivers/managed.ts";
import { loadRun, readPayload } from "../../engine/load.ts";
import { runNotFound } from "../../engine/outside.ts";
import type { Engine } from "../../engine/settings.ts";
import { type Route, route } from "../route.ts";
import { json, jsonObject } from "../schemas/common.ts";
import * as details from "../schemas/details.ts";
import * as schemas from "../schemas/runs.ts";
import { conditionsOf } from "./conditions.ts";
import { checkRevision } from "./revision.ts";
import { runAnswer } from "./runs.ts";

/** How long a signal with a key is awaited in the journal, so that a repeat finds it there. */
const TAKEN_WITHIN_MS = 2_000;

export const sendSignalRoute = route<{ mode?: "strict" }, Json | undefined>({
  method: "POST",
  path: "/runs/{runId}/signals/{name}",
  operationId: "sendSignal",
  summary: "Sends a signal to a run; the body is its payload.",
  query: details.signalQuery,
  body: json.optional(),
  headers: ["Idempotency-Key", "If-Match"],
  answers: {
    202: { description: "Accepted: it will be in the run's journal.", schema: details.signalId },
    200: { description: "The signal that the same key has sent before.", schema: details.signalId },
  },
  problems: [
    "RunNotFound",
    "RunFinished",
    "NotWaiting",
    "IdempotencyConflict",
    "StaleRevision",
    "InvalidName",
    "WriteConflict",
  ],
  async handle(engine, { params, query, body, idempotencyKey, ifMatch }) {
    const runId = params.runId!;
    const name = checkName(params.name, "a signal's name");
    const signal = { runId, name, payload: body, strict: query.mode === "strict" };
    if (idempotencyKey === undefined) {
      await checkRevision(engine, runId, ifMatch);
      return { status: 202, body: await sendSignal(engine, signal) };
    }
    const signalId = digest("signal", runId, name, idempotencyKey);
    if (await isRepeated(engine, runId, signalId, body)) return { status: 200, body: { signalId } };
    await checkRevision(engine, runId, ifMatch);
    await sendSignal(engine, { ...signal, signalId });
    await untilTaken(engine, runId, signalId);
    return { status: 202, body: { signalId } };
  },
});

/** Whether the run has the signal already. Throws `IdempotencyConflict` if it has another under that id. */
async function isRepeated(
  engine: Engine,
  runId: string,
  signalId: string,
  payload: Json | undefined,
): Promise<boolean> {
  const known = (await stateOf(engine, runId)).signals.get(signalId);
  if (known === undefined) return false;
  if (canonicalJson(await readPayload(engine, known.payload)) === canonicalJson(payload)) return true;
  throw new StepfoldError(
    "IdempotencyConflict",
    "Expected the payload that this key was first sent with, got another.",
    {
      runId,
      signalId,
    },
  );
}

async function untilTaken(engine: Engine, runId: string, signalId: string): Promise<void> {
  const until = engine.clock.now() + TAKEN_WITHIN_MS;
  for (;;) {
    const state = await stateOf(engine, runId);
    const leftMs = until - engine.clock.now();
    if (state.signals.has(signalId) || state.finished !== undefined || leftMs <= 0) return;
    await engine.journal.changed(runId, state.sequence, leftMs);
  }
}

async function stateOf(engine: Engine, runId: string): Promise<RunState> {
  const run = await loadRun(engine, runId, { consistent: true });
  if (run === undefined) throw runNotFound(runId);
  return run.state;
}

export const cancelRun = route<undefined, schemas.CancelBody>({
  method: "POST",
  path: "/runs/{runId}/cancel",
  operationId: "cancelRun",
  summary:
    "Asks a run to end; its code may clean up first. `final` ends one that no code advances, or that is stalled.",
  body: schemas.cancelBody,
  headers: ["Idempotency-Key", "If-Match"],
  answers: {
    202: { description: "Asked for, now or before.", schema: schemas.run, headers: ["ETag"] },
    200: {
      description: "Ended by `final`, or what the same key has asked for before.",
      schema: schemas.run,
      headers: ["ETag"],
    },
  },
  problems: [
    "RunNotFound",
    "RunFinished",
    "WrongDriver",
    "IdempotencyConflict",
    "StaleRevision",
    "WriteConflict",
  ],
  async handle(engine, request) {
    const runId = request.params.runId!;
    const conditions = conditionsOf(request, "cancel", runId);
    const { final, ...asked } = request.body ?? {};
    if (final) return runAnswer(engine, 200, await cancelFinally(engine, runId, { ...asked, ...conditions }));
    const { requestId } = conditions;
    const isRepeat = requestId !== undefined && (await stateOf(engine, runId)).requests.has(requestId);
    const state = await requestCancel(engine, runId, { ...asked, ...conditions });
    return runAnswer(engine, isRepeat ? 200 : 202, state);
  },
});

const steering: Pick<Route, "method" | "headers" | "answers"> = {
  method: "POST",
  headers: ["Idempotency-Key", "If-Match"],
  answers: { 200: { description: "The run.", schema: schemas.run, headers: ["ETag"] } },
};

const pausing = (verb: "pause" | "resume", summary: string, act: typeof pause): Route =>
  route<undefined, schemas.RequestBody>({
    ...steering,
    path: `/runs/{runId}/${verb}`,
    operationId: `${verb}Run`,
    summary,
    body: schemas.requestBody,
    problems: [
      "RunNotFound",
      "RunFinished",
      ...(verb === "resume" ? ["DefinitionMismatch"] : []),
      "IdempotencyConflict",
      "StaleRevision",
      "WriteConflict",
    ],
    async handle(engine, request) {
      const runId = request.params.runId!;
      const state = await act(engine, runId, { ...request.body, ...conditionsOf(request, verb, runId) });
      return runAnswer(engine, 200, state);
    },
  });

export const pauseRun = pausing("pause", "Keeps a run from beginning its next operation.", pause);
export const resumeRun = pausing("resume", "Lets a paused run go on; another stays as it is.", resume);

export const redriveRun = route<undefined, schemas.RedriveBody>({
  ...steering,
  path: "/runs/{runId}/redrive",
  operationId: "redriveRun",
  summary:
    "Lets a failed, cancelled or timed-out run go on; a stalled one is tried again, or goes on from `from`.",
  body: schemas.redriveBody,
  problems: [
    "RunNotFound",
    "OperationNotFound",
    "NotRedrivable",
    "DefinitionMismatch",
    "IdempotencyConflict",
    "StaleRevision",
    "WriteConflict",
  ],
  async handle(engine, request) {
    const runId = request.params.runId!;
    const state = await redrive(engine, runId, {
      ...request.body,
      ...conditionsOf(request, "redrive", runId),
    });
    return runAnswer(engine, 200, state);
  },
});

export const patchRunState = route<{ step?: string }, JsonObject>({
  method: "PATCH",
  path: "/runs/{runId}/state",
  operationId: "patchState",
  summary: "Merges an object into the published state of an unfinished run, shallowly.",
  query: schemas.patchQuery,
  body: jsonObject,
  headers: ["If-Match"],
  answers: { 200: { description: "The run.", schema: schemas.run, headers: ["ETag"] } },
  problems: ["RunNotFound", "RunFinished", "CancelRequested", "StaleRevision", "WriteConflict"],
  async handle(engine, { params, query, body, ifMatch }) {
    const state = await patchState(engine, params.runId!, { patch: body, step: query.step, ifMatch });
    return runAnswer(engine, 200, state);
  },
});
