/** Starting, reading, listing and removing runs. */
import { durationMs } from "../../core/duration.ts";
import { StepfoldError } from "../../core/errors.ts";
import { digest, isDerivedRunId } from "../../core/ids.ts";
import { canonicalJson, type Json } from "../../core/json.ts";
import type { RunState } from "../../core/state.ts";
import { BULK } from "../../engine/bulk.ts";
import { removeRun } from "../../engine/control.ts";
import { runsOf } from "../../engine/list.ts";
import { loadOutline } from "../../engine/load.ts";
import { runNotFound } from "../../engine/outside.ts";
import type { Engine } from "../../engine/settings.ts";
import { type StartRequest, start } from "../../engine/start.ts";
import type { Header, ListQuery } from "../../ports/journal.ts";
import { checkOwner, forbidden } from "../access.ts";
import { fitsOnWire } from "../answer.ts";
import { type ApiResponse, type Caller, route } from "../route.ts";
import { msOf } from "../schemas/common.ts";
import type { RunSummary } from "../schemas/runs.ts";
import * as schemas from "../schemas/runs.ts";
import { runSummary, runView } from "../views/run.ts";
import { checkRevision } from "./revision.ts";
import { untilFinished } from "./wait.ts";

/** An answer that is a run carries its revision. */
export async function runAnswer(
  engine: Engine,
  status: number,
  state: RunState,
  options: { header?: Header; headers?: Record<string, string> } = {},
): Promise<ApiResponse> {
  const body = await runView(engine, state, options.header);
  return { status, headers: { etag: `"${body.revision}"`, ...options.headers }, body };
}

const applied = (waitSeconds: number | undefined): Record<string, string> =>
  waitSeconds === undefined ? {} : { "preference-applied": `wait=${waitSeconds}` };

export const startRun = route<undefined, schemas.StartBody>({
  method: "POST",
  path: "/runs",
  access: "caller",
  operationId: "startRun",
  summary: "Starts a run, or answers the one that the same request has started.",
  body: schemas.startBody,
  headers: ["Idempotency-Key", "Prefer"],
  answers: {
    201: {
      description: "Started.",
      schema: schemas.run,
      headers: ["ETag", "Location", "Preference-Applied"],
    },
    200: {
      description: "The run that the same key or run id has started before.",
      schema: schemas.run,
      headers: ["ETag", "Location", "Preference-Applied"],
    },
  },
  problems: [
    "WorkflowNotFound",
    "IdempotencyConflict",
    "WrongDriver",
    "RunFinished",
    "InvalidDuration",
    "InvalidName",
    "Forbidden",
    "RunNotFound",
    "WriteConflict",
  ],
  async handle(engine, { body, idempotencyKey, waitSeconds, caller }) {
    const own = caller === undefined ? body : await ownStart(engine, body, caller);
    checkDriver(engine, own);
    const { created, state } = await start(engine, startRequest(own, idempotencyKey));
    const run = waitSeconds === undefined ? { state } : await untilFinished(engine, { state }, waitSeconds);
    return runAnswer(engine, created ? 201 : 200, run.state, {
      headers: { location: `/runs/${encodeURIComponent(state.runId)}`, ...applied(waitSeconds) },
    });
  },
});

/** A start by a caller that is confined to its own runs. */
async function ownStart(
  engine: Engine,
  body: schemas.StartBody,
  { owner }: Caller,
): Promise<schemas.StartBody> {
  if (body.owner !== undefined && body.owner !== owner)
    throw forbidden("Expected the caller as the run's owner, got another one. Leave `owner` out.");
  if (body.runId !== undefined && isDerivedRunId(body.runId))
    throw new StepfoldError(
      "InvalidInput",
      "Expected a runId of the caller's own making, got one of a form that is kept for derived ones.",
      { issues: [{ path: "runId", message: "has the form of a derived run id" }] },
    );
  if (body.parentRunId !== undefined) await checkOwner(engine, body.parentRunId, owner);
  return { ...body, owner };
}

/** Who advances a workflow's runs is the workflow's own matter: a request may only agree. */
function checkDriver({ registry }: Engine, { workflow, version, driver }: schemas.StartBody): void {
  if (driver !== "code" && driver !== "remote") return;
  const definition = registry.find(workflow, version);
  const own = definition?.driver ?? "code";
  if (definition === undefined || own === driver) return;
  throw new StepfoldError(
    "WrongDriver",
    `Expected the driver of workflow ${JSON.stringify(workflow)}, which is ${own}, got ${driver}. Leave it out.`,
    { workflow, driver, expected: [own] },
  );
}

function startRequest(body: schemas.StartBody, idempotencyKey: string | undefined): StartRequest {
  const { timeout, startAt, parentRunId, signal, driver, ...rest } = body;
  const request: StartRequest = { ...rest };
  if (driver === "managed" || driver === "mirrored") request.driver = driver;
  if (idempotencyKey !== undefined) request.idempotencyKey = idempotencyKey;
  if (timeout !== undefined) request.timeoutMs = durationMs(timeout);
  if (startAt !== undefined) request.startAt = msOf(startAt);
  if (parentRunId !== undefined) request.parent = { runId: parentRunId, operation: "" };
  if (signal !== undefined) request.signal = { ...signal, ...signalIdOf(signal, idempotencyKey) };
  return request;
}

/** A request that is sent again with its key signals once; another signal with that key is another signal. */
function signalIdOf(signal: NonNullable<schemas.StartBody["signal"]>, key: string | undefined) {
  return key === undefined
    ? {}
    : { signalId: digest("start", key, signal.name, canonicalJson(signal.payload)) };
}

export const getRun = route({
  method: "GET",
  path: "/runs/{runId}",
  operationId: "getRun",
  summary: "A run.",
  headers: ["Prefer"],
  answers: { 200: { description: "The run.", schema: schemas.run, headers: ["ETag", "Preference-Applied"] } },
  problems: ["RunNotFound"],
  async handle(engine, { params, waitSeconds }) {
    const found = await loadOutline(engine, params.runId!);
    if (found === undefined) throw runNotFound(params.runId!);
    const run = waitSeconds === undefined ? found : await untilFinished(engine, found, waitSeconds);
    return runAnswer(engine, 200, run.state, { header: run.header, headers: applied(waitSeconds) });
  },
});

export const deleteRun = route({
  method: "DELETE",
  path: "/runs/{runId}",
  operationId: "deleteRun",
  summary: "Removes a finished run and all its data.",
  headers: ["If-Match"],
  answers: { 204: { description: "Removed." } },
  problems: ["RunNotFound", "RunNotFinished", "StaleRevision"],
  async handle(engine, { params, ifMatch }) {
    await checkRevision(engine, params.runId!, ifMatch);
    await removeRun(engine, params.runId!);
    return { status: 204 };
  },
});

export const listRuns = route<schemas.ListQueryParams>({
  method: "GET",
  path: "/runs",
  access: "caller",
  operationId: "listRuns",
  summary: "Summaries of the runs that hold every filter.",
  query: schemas.listQuery,
  answers: { 200: { description: "A page of runs.", schema: schemas.runPage } },
  async handle(engine, { query, caller }) {
    const isOthers = caller !== undefined && query.owner !== undefined && query.owner !== caller.owner;
    if (isOthers) return { status: 200, body: { items: [] } };
    return { status: 200, body: await summaries(engine, listQuery({ ...query, ...caller })) };
  },
});

export const bulk = route<undefined, schemas.BulkBody>({
  method: "POST",
  path: "/runs/bulk",
  access: "caller",
  operationId: "bulk",
  summary: "Does one thing to every run that a filter holds, as a run that reports on each.",
  body: schemas.bulkBody,
  headers: ["Idempotency-Key"],
  answers: {
    202: {
      description: "The run that does it; its output is the report.",
      schema: schemas.run,
      headers: ["ETag", "Location"],
    },
    200: {
      description: "The run that the same key has started.",
      schema: schemas.run,
      headers: ["ETag", "Location"],
    },
  },
  problems: ["IdempotencyConflict", "Forbidden"],
  async handle(engine, { body, idempotencyKey, caller }) {
    const { filter, ...rest } = body;
    if (caller !== undefined && filter.owner !== undefined && filter.owner !== caller.owner)
      throw forbidden("Expected a filter of the caller's own runs, got another owner. Leave `owner` out.");
    const {
      order: _order,
      limit: _limit,
      ...own
    } = listQuery({ ...asQuery(filter), ...caller, order: "asc", limit: 1 });
    const request: StartRequest = { workflow: BULK, input: { ...rest, filter: own } as unknown as Json };
    if (caller !== undefined) request.owner = caller.owner;
    if (idempotencyKey !== undefined) request.idempotencyKey = idempotencyKey;
    const { created, state } = await start(engine, request, engine.registry.find(BULK));
    const headers = { location: `/runs/${encodeURIComponent(state.runId)}` };
    return runAnswer(engine, created ? 202 : 200, state, { headers });
  },
});

/** A page that is too large to be answered is asked for again, shorter. */
async function summaries(
  engine: Engine,
  query: ListQuery,
): Promise<{ items: RunSummary[]; cursor?: string }> {
  const { headers, cursor } = await runsOf(engine, query);
  const items = headers.map(runSummary);
  if (query.limit === 1 || fitsOnWire(JSON.stringify(items)))
    return cursor === undefined ? { items } : { items, cursor };
  return summaries(engine, { ...query, limit: Math.ceil(query.limit / 4) });
}

/** A filter in a body may say as JSON what a query says as text. */
const asQuery = ({ status, stalled, ...rest }: schemas.BulkBody["filter"]) => ({
  ...rest,
  ...(status === undefined ? {} : { status: String(status) }),
  ...(stalled === undefined ? {} : { stalled: stalled.toString() as "true" | "false" }),
});

function listQuery(query: schemas.ListQueryParams): ListQuery {
  const { status, stalled, createdAfter, createdBefore, ...rest } = query;
  const result: ListQuery = { ...rest };
  if (status !== undefined) result.status = statusesOf(status);
  if (stalled !== undefined) result.stalled = stalled === "true";
  if (createdAfter !== undefined) result.createdAfter = msOf(createdAfter);
  if (createdBefore !== undefined) result.createdBefore = msOf(createdBefore);
  return result;
}

function statusesOf(status: string): ListQuery["status"] {
  const words = status
    .split(",")
    .flatMap((word) => (word === "active" ? schemas.unfinishedStatuses : [word]));
  return [...new Set(words)] as ListQuery["status"];
}
