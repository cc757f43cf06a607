/** What the owner of a managed or mirrored run says: it waits, goes on, is finished, has failed; and asks at a gate. */
import { durationMs } from "../../core/duration.ts";
import { openGate } from "../../engine/drivers/gates.ts";
import { beginWait, continueRun, failRun, finishRun } from "../../engine/drivers/managed.ts";
import { observe } from "../../engine/drivers/mirrored.ts";
import { type Route, route } from "../route.ts";
import { msOf } from "../schemas/common.ts";
import { operation } from "../schemas/details.ts";
import * as schemas from "../schemas/driven.ts";
import { run } from "../schemas/runs.ts";
import { operationView } from "../views/operations.ts";
import { conditionsOf } from "./conditions.ts";
import { runAnswer } from "./runs.ts";

const telling: Pick<Route, "method" | "headers" | "answers" | "problems"> = {
  method: "POST",
  headers: ["Idempotency-Key", "If-Match"],
  answers: { 200: { description: "The run.", schema: run, headers: ["ETag"] } },
  problems: [
    "RunNotFound",
    "WrongDriver",
    "RunFinished",
    "CancelRequested",
    "IdempotencyConflict",
    "StaleRevision",
    "WriteConflict",
  ],
};

export const waitRun = route<undefined, schemas.WaitBody>({
  ...telling,
  path: "/runs/{runId}/wait",
  operationId: "beginWait",
  summary: "A managed or mirrored run waits for something outside.",
  body: schemas.waitBody,
  async handle(engine, request) {
    const runId = request.params.runId!;
    const state = await beginWait(engine, runId, {
      ...request.body,
      ...conditionsOf(request, "wait", runId),
    });
    return runAnswer(engine, 200, state);
  },
});

export const continueRunRoute = route<undefined, schemas.ContinueBody>({
  ...telling,
  path: "/runs/{runId}/continue",
  operationId: "continueRun",
  summary: "A managed or mirrored run goes on, with a patch of its state and at another step.",
  body: schemas.continueBody,
  async handle(engine, request) {
    const runId = request.params.runId!;
    const conditions = conditionsOf(request, "continue", runId);
    return runAnswer(engine, 200, await continueRun(engine, runId, { ...request.body, ...conditions }));
  },
});

export const finishRunRoute = route<undefined, schemas.FinishBody>({
  ...telling,
  path: "/runs/{runId}/finish",
  operationId: "finishRun",
  summary: "A managed or mirrored run is completed; its last patch is part of the same change.",
  body: schemas.finishBody,
  async handle(engine, request) {
    const runId = request.params.runId!;
    const conditions = conditionsOf(request, "finish", runId);
    return runAnswer(engine, 200, await finishRun(engine, runId, { ...request.body, ...conditions }));
  },
});

export const failRunRoute = route<undefined, schemas.FailBody>({
  ...telling,
  path: "/runs/{runId}/fail",
  operationId: "failRun",
  summary: "A managed or mirrored run has failed; its state says why, as `failure`.",
  body: schemas.failBody,
  async handle(engine, request) {
    const runId = request.params.runId!;
    const conditions = conditionsOf(request, "fail", runId);
    return runAnswer(engine, 200, await failRun(engine, runId, { ...request.body, ...conditions }));
  },
});

export const openGateRoute = route<undefined, schemas.OpenGateBody>({
  method: "POST",
  path: "/runs/{runId}/gates",
  operationId: "openGate",
  summary: "Opens a gate of a managed or mirrored run.",
  body: schemas.openGateBody,
  headers: ["Idempotency-Key", "If-Match"],
  answers: {
    201: { description: "The gate.", schema: operation },
    200: { description: "The gate that the same key has opened before.", schema: operation },
  },
  problems: [
    "RunNotFound",
    "WrongDriver",
    "RunFinished",
    "InvalidDuration",
    "IdempotencyConflict",
    "StaleRevision",
    "WriteConflict",
  ],
  async handle(engine, request) {
    const runId = request.params.runId!;
    const { timeout, ...body } = request.body;
    const { created, gate } = await openGate(engine, runId, {
      ...body,
      ...(timeout === undefined ? {} : { timeoutMs: durationMs(timeout) }),
      ...conditionsOf(request, "gates", runId),
    });
    return { status: created ? 201 : 200, body: await operationView(engine, gate) };
  },
});

export const putObservation = route<undefined, schemas.ObservationBody>({
  method: "PUT",
  path: "/runs/{runId}/observations/{externalId}",
  operationId: "putObservation",
  summary: "What another system's step does, by that system's id: what is not sent is kept.",
  body: schemas.observationBody,
  headers: ["If-Match"],
  answers: { 200: { description: "The step as it is known now.", schema: operation } },
  problems: ["RunNotFound", "WrongDriver", "StaleRevision", "WriteConflict"],
  async handle(engine, { params, body, ifMatch }) {
    const { runId, externalId } = params as { runId: string; externalId: string };
    const { at, ...given } = body;
    const observed = await observe(engine, runId, externalId, {
      ...given,
      ...(at === undefined ? {} : { observedAt: msOf(at) }),
      ...(ifMatch === undefined ? {} : { ifMatch }),
    });
    return { status: 200, body: await operationView(engine, observed) };
  },
});
