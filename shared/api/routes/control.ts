/** What is asked of an existing run: signals, cancel, patches of the published state. */
import { StepfoldError } from "../../core/errors.ts";
import { digest } from "../../core/ids.ts";
import { canonicalJson, type Json, type JsonObject } from "../../core/json.ts";
import type { RunState } from "../../core/state.ts";
import { patchState, requestCancel, sendSignal } from "../../engine/control.ts";
import { loadRun, readPayload } from "../../engine/load.ts";
import { runNotFound } from "../../engine/outside.ts";
import type { Engine } from "../../engine/settings.ts";
import { route } from "../route.ts";
import { json, jsonObject } from "../schemas/common.ts";
import * as details from "../schemas/details.ts";
import * as schemas from "../schemas/runs.ts";
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
    const name = params.name!;
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

type CancelBody = { reason?: string; by?: string } | undefined;

export const cancelRun = route<undefined, CancelBody>({
  method: "POST",
  path: "/runs/{runId}/cancel",
  operationId: "cancelRun",
  summary: "Asks a run to end; its code may clean up first.",
  body: schemas.cancelBody,
  headers: ["Idempotency-Key", "If-Match"],
  answers: {
    202: { description: "Asked for, now or before.", schema: schemas.run, headers: ["ETag"] },
    200: { description: "What the same key has asked for before.", schema: schemas.run, headers: ["ETag"] },
  },
  problems: ["RunNotFound", "RunFinished", "StaleRevision", "WriteConflict"],
  async handle(engine, { params, body = {}, idempotencyKey, ifMatch }) {
    const runId = params.runId!;
    if (idempotencyKey !== undefined) {
      const state = await stateOf(engine, runId);
      const { cancel } = state;
      const isRepeat = cancel !== undefined && cancel.reason === body.reason && cancel.by === body.by;
      if (isRepeat) return runAnswer(engine, 200, state);
    }
    return runAnswer(
      engine,
      202,
      await requestCancel(engine, runId, { ...body, ...(ifMatch === undefined ? {} : { ifMatch }) }),
    );
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
  problems: ["RunNotFound", "RunFinished", "StaleRevision", "WriteConflict"],
  async handle(engine, { params, query, body, ifMatch }) {
    const state = await patchState(engine, params.runId!, { patch: body, step: query.step, ifMatch });
    return runAnswer(engine, 200, state);
  },
});
