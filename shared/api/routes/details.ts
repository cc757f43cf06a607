/** What a run consists of: its journal, its operations, its signals, and whether it is to end. */
import type { RunState } from "../../core/state.ts";
import { loadRun } from "../../engine/load.ts";
import { runNotFound } from "../../engine/outside.ts";
import type { Engine } from "../../engine/settings.ts";
import { route } from "../route.ts";
import * as schemas from "../schemas/details.ts";
import { cancelled } from "../schemas/runs.ts";
import { journalPage } from "../views/journal.ts";
import { operationsPage, signalsPage } from "../views/operations.ts";

export async function stateOf(engine: Engine, runId: string): Promise<RunState> {
  const run = await loadRun(engine, runId, { consistent: true });
  if (run === undefined) throw runNotFound(runId);
  return run.state;
}

export const getJournal = route<schemas.AfterQuery>({
  method: "GET",
  path: "/runs/{runId}/journal",
  operationId: "getJournal",
  summary: "A run's events in their order; those of one entry share its sequence, and no page splits them.",
  query: schemas.afterQuery,
  answers: { 200: { description: "A page of events.", schema: schemas.journalPage } },
  problems: ["RunNotFound"],
  async handle(engine, { params, query }) {
    const range = { after: query.cursor ?? query.after, limit: query.limit };
    return { status: 200, body: await journalPage(engine, params.runId!, range) };
  },
});

export const getOperations = route<{ limit: number; cursor?: string }>({
  method: "GET",
  path: "/runs/{runId}/operations",
  operationId: "getOperations",
  summary: "A run's operations, flat, in their order of start.",
  query: schemas.operationsQuery,
  answers: { 200: { description: "A page of operations.", schema: schemas.operationPage } },
  problems: ["RunNotFound"],
  async handle(engine, { params, query }) {
    return { status: 200, body: await operationsPage(engine, await stateOf(engine, params.runId!), query) };
  },
});

export const getSignals = route<schemas.AfterQuery>({
  method: "GET",
  path: "/runs/{runId}/signals",
  operationId: "getSignals",
  summary: "The signals that a run has received, in their order of arrival.",
  query: schemas.afterQuery,
  answers: { 200: { description: "A page of signals.", schema: schemas.signalPage } },
  problems: ["RunNotFound"],
  async handle(engine, { params, query }) {
    const range = { after: query.cursor ?? query.after, limit: query.limit };
    return { status: 200, body: await signalsPage(engine, await stateOf(engine, params.runId!), range) };
  },
});

export const getCancelled = route({
  method: "GET",
  path: "/runs/{runId}/cancelled",
  operationId: "getCancelled",
  summary: "Whether the run was asked to end.",
  answers: { 200: { description: "The answer.", schema: cancelled } },
  problems: ["RunNotFound"],
  async handle(engine, { params }) {
    const header = await engine.journal.header(params.runId!, { consistent: true });
    if (header === undefined) throw runNotFound(params.runId!);
    if (!header.cancelRequested) return { status: 200, body: { cancelled: false } };
    const { cancel } = await stateOf(engine, params.runId!);
    return { status: 200, body: { cancelled: cancel !== undefined, reason: cancel?.reason } };
  },
});
