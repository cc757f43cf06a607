/** What is answered to a run that asks: decisions at its gates, outcomes of its callbacks. */
import { StepfoldError } from "../../core/errors.ts";
import type { Operation } from "../../core/state.ts";
import { beatCallback, decideGate, gateOf, useCallback } from "../../engine/decisions.ts";
import { loadRun } from "../../engine/load.ts";
import { runNotFound } from "../../engine/outside.ts";
import type { Engine } from "../../engine/settings.ts";
import { type ApiRequest, type ApiResponse, type Route, type RouteHeader, route } from "../route.ts";
import * as schemas from "../schemas/decisions.ts";
import { operation } from "../schemas/details.ts";
import { gateView } from "../views/gate.ts";
import { operationView } from "../views/operations.ts";
import { conditionsOf } from "./conditions.ts";

const headers: readonly RouteHeader[] = ["Idempotency-Key", "If-Match"];
const conflicts = ["IdempotencyConflict", "StaleRevision", "WriteConflict"];

const answerOf = async (engine: Engine, answered: Operation): Promise<ApiResponse> => ({
  status: 200,
  body: await operationView(engine, answered),
});

export const getGate = route({
  method: "GET",
  path: "/runs/{runId}/gates/{gate}",
  operationId: "getGate",
  summary:
    "What was decided at a gate: of that operation id, or of that name (the one that waits now, or the last).",
  answers: { 200: { description: "The gate.", schema: schemas.gateView } },
  problems: ["RunNotFound", "OperationNotFound"],
  async handle(engine, { params }) {
    const { runId, gate } = params as { runId: string; gate: string };
    const run = await loadRun(engine, runId, { consistent: true });
    if (run === undefined) throw runNotFound(runId);
    const found = gateOf(run.state, gate);
    if (found !== undefined) return { status: 200, body: gateView(found) };
    throw new StepfoldError(
      "OperationNotFound",
      `The run ${runId} has come to no gate ${JSON.stringify(gate)}.`,
      { runId, gate },
    );
  },
});

const deciding = (verb: "approve" | "reject", summary: string): Route =>
  route<undefined, schemas.DecisionBody>({
    method: "POST",
    path: `/runs/{runId}/gates/{gate}/${verb}`,
    operationId: `${verb}Gate`,
    summary,
    body: schemas.decisionBody,
    headers,
    answers: { 200: { description: "The gate, decided now or before.", schema: operation } },
    problems: ["RunNotFound", "NotWaiting", "AlreadyDecided", ...conflicts],
    async handle(engine, request) {
      const { runId, gate } = request.params as { runId: string; gate: string };
      const decision = { ...request.body, approved: verb === "approve" };
      const conditions = conditionsOf(request, verb, runId, gate);
      return answerOf(engine, await decideGate(engine, runId, gate, decision, conditions));
    },
  });

export const approveGate = deciding("approve", "Lets a run pass a gate. The first decision counts.");
export const rejectGate = deciding("reject", "Turns a run down at a gate. The first decision counts.");

const tokenProblems = ["InvalidToken", "TokenExpired", "AlreadyDecided", ...conflicts];
const used = { 200: { description: "The callback, answered now or before.", schema: operation } };

export const succeedCallback = route<undefined, schemas.SuccessBody>({
  method: "POST",
  path: "/callbacks/{token}/succeed",
  operationId: "succeedCallback",
  summary: "Gives a callback its output. The first outcome counts.",
  body: schemas.successBody,
  headers,
  answers: used,
  problems: tokenProblems,
  handle: (engine, request) => outcome(engine, "succeed", request, request.body ?? {}),
});

export const failCallback = route<undefined, schemas.FailureBody>({
  method: "POST",
  path: "/callbacks/{token}/fail",
  operationId: "failCallback",
  summary: "Fails a callback: the run's code is given the error as CallbackFailed. The first outcome counts.",
  body: schemas.failureBody,
  headers,
  answers: used,
  problems: tokenProblems,
  handle: (engine, request) => {
    const { error } = request.body;
    return outcome(engine, "fail", request, {
      error: typeof error === "string" ? { message: error } : error,
    });
  },
});

async function outcome(
  engine: Engine,
  verb: string,
  request: ApiRequest,
  given: Parameters<typeof useCallback>[2],
): Promise<ApiResponse> {
  const token = request.params.token!;
  return answerOf(engine, await useCallback(engine, token, given, conditionsOf(request, verb, token)));
}

export const beatCallbackRoute = route({
  method: "POST",
  path: "/callbacks/{token}/heartbeat",
  operationId: "beatCallback",
  summary: "Says that a callback is still in work.",
  headers,
  answers: { 200: { description: "The callback.", schema: operation } },
  problems: ["InvalidToken", "TokenExpired", "StaleRevision", "WriteConflict"],
  async handle(engine, request) {
    const token = request.params.token!;
    return answerOf(engine, await beatCallback(engine, token, conditionsOf(request, "heartbeat", token)));
  },
});
