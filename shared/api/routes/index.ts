/** The table of routes: all that the API answers, in the order in which the document shows it. */
import { openApiDocument } from "../openapi.ts";
import { type Route, route } from "../route.ts";
import * as control from "./control.ts";
import * as decisions from "./decisions.ts";
import * as details from "./details.ts";
import * as managed from "./managed.ts";
import * as runs from "./runs.ts";
import * as workers from "./workers.ts";
import * as workflows from "./workflows.ts";

const getOpenApi = route({
  method: "GET",
  path: "/openapi.json",
  access: "everyone",
  operationId: "getOpenApi",
  summary: "This document.",
  answers: { 200: { description: "An OpenAPI 3.1 document." } },
  handle: async () => ({ status: 200, body: openApiDocument(routes) }),
});

export const routes: readonly Route[] = [
  runs.startRun,
  runs.listRuns,
  runs.bulk,
  runs.getRun,
  runs.deleteRun,
  details.getJournal,
  details.getOperations,
  details.getCancelled,
  details.getSignals,
  control.sendSignalRoute,
  control.cancelRun,
  control.pauseRun,
  control.resumeRun,
  control.redriveRun,
  control.patchRunState,
  managed.waitRun,
  managed.continueRunRoute,
  managed.finishRunRoute,
  managed.failRunRoute,
  managed.putObservation,
  workers.takeLeaseRoute,
  workers.releaseLeaseRoute,
  workers.addStepRoute,
  workers.updateStepRoute,
  workers.addItemsRoute,
  workers.updateItemsRoute,
  workers.getItems,
  managed.openGateRoute,
  decisions.getGate,
  decisions.approveGate,
  decisions.rejectGate,
  decisions.succeedCallback,
  decisions.failCallback,
  decisions.beatCallbackRoute,
  workflows.listWorkflows,
  workflows.getWorkflow,
  workflows.getHealth,
  getOpenApi,
];
