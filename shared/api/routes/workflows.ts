/** The definitions that this host knows, and the host itself. */
import { StepfoldError } from "../../core/errors.ts";
import { route } from "../route.ts";
import * as schemas from "../schemas/workflows.ts";
import { workflowView } from "../views/workflow.ts";

export const listWorkflows = route<{ limit: number; cursor?: string }>({
  method: "GET",
  path: "/workflows",
  access: "everyone",
  operationId: "listWorkflows",
  summary: "The workflows that can be started, by name.",
  query: schemas.workflowsQuery,
  answers: { 200: { description: "A page of workflows.", schema: schemas.workflowPage } },
  async handle({ registry }, { query: { limit, cursor } }) {
    const names = registry.names().filter((name) => cursor === undefined || name > cursor);
    const shown = names.slice(0, limit);
    const items = shown.map((name) => workflowView(registry.versions(name)));
    return { status: 200, body: { items, cursor: names.length > limit ? shown.at(-1) : undefined } };
  },
});

export const getWorkflow = route({
  method: "GET",
  path: "/workflows/{name}",
  access: "everyone",
  operationId: "getWorkflow",
  summary: "A workflow.",
  answers: { 200: { description: "The workflow.", schema: schemas.workflow } },
  problems: ["WorkflowNotFound"],
  async handle({ registry }, { params }) {
    const versions = registry.versions(params.name!);
    if (versions.length > 0) return { status: 200, body: workflowView(versions) };
    throw new StepfoldError("WorkflowNotFound", `There is no workflow ${JSON.stringify(params.name)}.`, {
      workflow: params.name!,
    });
  },
});

export const getHealth = route({
  method: "GET",
  path: "/health",
  access: "everyone",
  operationId: "getHealth",
  summary: "Whether the API answers.",
  answers: { 200: { description: "It does.", schema: schemas.health } },
  handle: async () => ({ status: 200, body: { status: "ok" } }),
});
