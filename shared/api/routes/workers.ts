/** Outside workers of managed runs: their lease, and what they report under its generation. */
import { durationMs } from "../../core/duration.ts";
import { StepfoldError } from "../../core/errors.ts";
import { LEASE_MS_MAX } from "../../core/limits.ts";
import { releaseLease, takeLease } from "../../engine/drivers/lease.ts";
import {
  addItems,
  addStep,
  itemsOf,
  stepOf,
  updateItems,
  updateStep,
  type WorkerWrite,
} from "../../engine/drivers/steps.ts";
import { type ApiRequest, type RouteHeader, route } from "../route.ts";
import * as schemas from "../schemas/driven.ts";
import { itemsPage, itemsView, leaseView, stepView } from "../views/driven.ts";
import { conditionsOf } from "./conditions.ts";
import { stateOf } from "./details.ts";

const conflicts = ["IdempotencyConflict", "StaleRevision", "WriteConflict"];
const workerProblems = [
  "RunNotFound",
  "WrongDriver",
  "RunFinished",
  "GenerationRequired",
  "LeaseLost",
  ...conflicts,
];
const posting: readonly RouteHeader[] = ["Stepfold-Generation", "Idempotency-Key", "If-Match"];
const patching: readonly RouteHeader[] = ["Stepfold-Generation", "If-Match"];

/** Throws `GenerationRequired`. */
function writeOf(request: ApiRequest, ...path: string[]): WorkerWrite {
  const { generation } = request;
  if (generation !== undefined) return { generation, ...conditionsOf(request, ...path) };
  throw new StepfoldError(
    "GenerationRequired",
    "Expected the header Stepfold-Generation with the generation of the worker's lease, got none.",
  );
}

function ttlOf(ttl: schemas.LeaseBody["ttl"]): number {
  const ttlMs = durationMs(ttl);
  if (ttlMs > 0 && ttlMs <= LEASE_MS_MAX) return ttlMs;
  throw new StepfoldError(
    "InvalidInput",
    `Expected a ttl above 0 and up to a year, got ${JSON.stringify(ttl)}.`,
    {
      issues: [{ path: "ttl", message: "expected more than 0 and at most 365 days" }],
    },
  );
}

export const takeLeaseRoute = route<undefined, schemas.LeaseBody>({
  method: "POST",
  path: "/runs/{runId}/lease",
  operationId: "takeLease",
  summary: "Gives a worker the lease of a managed run, or renews it for the worker that holds it.",
  body: schemas.leaseBody,
  headers: ["Idempotency-Key", "If-Match"],
  answers: { 200: { description: "The lease.", schema: schemas.lease } },
  problems: ["RunNotFound", "WrongDriver", "RunFinished", "LeaseHeld", "InvalidDuration", ...conflicts],
  async handle(engine, request) {
    const runId = request.params.runId!;
    const { token, ttl } = request.body;
    const conditions = conditionsOf(request, "lease", runId);
    const lease = await takeLease(engine, runId, { token, ttlMs: ttlOf(ttl), ...conditions });
    return { status: 200, body: leaseView(lease) };
  },
});

export const releaseLeaseRoute = route<schemas.LeaseQuery>({
  method: "DELETE",
  path: "/runs/{runId}/lease",
  operationId: "releaseLease",
  summary: "Gives the lease back; who does not hold it gives back nothing.",
  query: schemas.leaseQuery,
  headers: ["If-Match"],
  answers: { 204: { description: "The worker holds no lease." } },
  problems: ["RunNotFound", "WrongDriver", "StaleRevision", "WriteConflict"],
  async handle(engine, { params, query, ifMatch }) {
    const condition = ifMatch === undefined ? {} : { ifMatch };
    await releaseLease(engine, params.runId!, { token: query.token, ...condition });
    return { status: 204 };
  },
});

export const addStepRoute = route<undefined, schemas.StepBody>({
  method: "POST",
  path: "/runs/{runId}/steps",
  operationId: "addStep",
  summary: "Reports a step of the worker that holds the lease.",
  body: schemas.stepBody,
  headers: posting,
  answers: {
    201: { description: "The step.", schema: schemas.step },
    200: { description: "The step that the same key has reported before.", schema: schemas.step },
  },
  problems: workerProblems,
  async handle(engine, request) {
    const runId = request.params.runId!;
    const { created, step } = await addStep(engine, runId, request.body, writeOf(request, "steps", runId));
    return { status: created ? 201 : 200, body: await stepView(engine, step) };
  },
});

export const updateStepRoute = route<undefined, schemas.StepChangeBody>({
  method: "PATCH",
  path: "/runs/{runId}/steps/{stepId}",
  operationId: "updateStep",
  summary: "Says what became of a reported step; what is not sent is kept.",
  body: schemas.stepChangeBody,
  headers: patching,
  answers: { 200: { description: "The step.", schema: schemas.step } },
  problems: [...workerProblems, "OperationNotFound"],
  async handle(engine, request) {
    const { runId, stepId } = request.params as { runId: string; stepId: string };
    const step = await updateStep(engine, runId, stepId, request.body, writeOf(request));
    return { status: 200, body: await stepView(engine, step) };
  },
});

const itemsPath = "/runs/{runId}/steps/{stepId}/items";

export const addItemsRoute = route<undefined, schemas.ItemsBody>({
  method: "POST",
  path: itemsPath,
  operationId: "addItems",
  summary: "Reports items of a step, all at once.",
  body: schemas.itemsBody,
  headers: posting,
  answers: {
    201: { description: "The items, with the ids that the run gave them.", schema: schemas.items },
    200: { description: "Those that the same key has reported before.", schema: schemas.items },
  },
  problems: [...workerProblems, "OperationNotFound"],
  async handle(engine, request) {
    const { runId, stepId } = request.params as { runId: string; stepId: string };
    const write = writeOf(request, "items", runId, stepId);
    const { created, items } = await addItems(engine, runId, stepId, request.body, write);
    return { status: created ? 201 : 200, body: { items: await itemsView(engine, items) } };
  },
});

export const updateItemsRoute = route<undefined, schemas.ItemChangesBody>({
  method: "PATCH",
  path: itemsPath,
  operationId: "updateItems",
  summary: "Says what became of items of a step: of all that are named, or of none.",
  body: schemas.itemChangesBody,
  headers: patching,
  answers: { 200: { description: "Those items.", schema: schemas.items } },
  problems: [...workerProblems, "OperationNotFound"],
  async handle(engine, request) {
    const { runId, stepId } = request.params as { runId: string; stepId: string };
    const items = await updateItems(engine, runId, stepId, request.body, writeOf(request));
    return { status: 200, body: { items: await itemsView(engine, items) } };
  },
});

export const getItems = route<schemas.ItemsQuery>({
  method: "GET",
  path: itemsPath,
  operationId: "getItems",
  summary: "A step's items, in the order in which they were reported.",
  query: schemas.itemsQuery,
  answers: { 200: { description: "A page of items.", schema: schemas.itemPage } },
  problems: ["RunNotFound", "OperationNotFound"],
  async handle(engine, { params, query }) {
    const { runId, stepId } = params as { runId: string; stepId: string };
    const state = await stateOf(engine, runId);
    stepOf(state, stepId);
    return { status: 200, body: await itemsPage(engine, itemsOf(state, stepId), query) };
  },
});
