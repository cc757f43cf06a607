/** Workflow definitions, as the host knows them. */
import * as z from "zod";
import { components, limit, page } from "./common.ts";

const span = z.union([z.number(), z.string()]).describe("A duration as it was written.");

export const workflow = z.object({
  name: z.string(),
  description: z.string().optional(),
  file: z.string().optional().describe("Where a remote workflow's source is."),
  versions: z.array(z.number().int()).describe("The latest first."),
  driver: z.enum(["code", "remote", "managed", "mirrored"]),
  input: z.unknown().optional().describe("The input's JSON Schema, where its schema has one."),
  retry: z.looseObject({}).optional(),
  maxRetries: z.number().int().optional(),
  stepTimeout: span.optional(),
  timeout: span.optional(),
  definitionHash: z.string().optional().describe("Of a declared flow's structure."),
  graph: z.unknown().optional().describe("A declared flow, to draw."),
});
components.add(workflow, { id: "Workflow" });
export type WorkflowView = z.infer<typeof workflow>;
export const workflowPage = page(workflow);
export const workflowsQuery = z.strictObject({ limit, cursor: z.string().max(1_024).optional() });
export const health = z.object({ status: z.literal("ok") });
