/** What a run consists of: its journal, its operations, the signals that it received. */
import * as z from "zod";
import { components, json, limit, page, runError, sequence, utc } from "./common.ts";

/** Pages of what is read in the order of the journal: `after` a sequence, which a page's cursor is. */
export const afterQuery = z.strictObject({
  after: sequence.optional().describe("Only what has a later sequence."),
  cursor: sequence.optional().describe("The cursor of the page before: the same as `after`."),
  limit,
});
export type AfterQuery = z.infer<typeof afterQuery>;

export const journalEvent = z.looseObject({
  sequence: z.number().int(),
  at: utc,
  generation: z.number().int(),
  type: z.string(),
});
components.add(journalEvent, { id: "JournalEvent" });
export const journalPage = page(journalEvent);

export const operation = z.object({
  id: z.string(),
  name: z.string(),
  kind: z.enum([
    "step",
    "timer",
    "signal",
    "gate",
    "callback",
    "condition",
    "child",
    "map",
    "item",
    "all",
    "any",
    "race",
    "compensation",
    "observation",
  ]),
  parent: z.string().optional(),
  status: z.enum([
    "pending",
    "running",
    "sleeping",
    "waiting",
    "completed",
    "failed",
    "skipped",
    "cancelled",
  ]),
  attempts: z.number().int(),
  retryCount: z.number().int(),
  startedAt: utc.optional(),
  finishedAt: utc.optional(),
  durationMs: z.number().optional(),
  nextAttemptAt: utc.optional(),
  wakeAt: utc.optional(),
  output: json.optional(),
  error: runError.optional().describe("Of the last attempt, while another one follows."),
  childRunId: z.string().optional(),
  prompt: z.string().optional().describe("A gate's question."),
  decision: z
    .object({
      approved: z.boolean(),
      feedback: json.optional(),
      selections: json.optional(),
      by: z.string().optional(),
      at: utc,
    })
    .optional(),
  role: z.string().optional(),
  position: z.number().optional(),
  iteration: z.number().int().optional(),
  canCommit: z.boolean().optional(),
  markers: json.optional(),
  context: json.optional(),
  structuredOutput: json.optional(),
  sessionKey: z.string().optional(),
});
components.add(operation, { id: "Operation" });
export type OperationView = z.infer<typeof operation>;
/** A place among the operations, or places in the runs that work on its maps. */
const place = z
  .string()
  .regex(/^\d{1,10}(\.\d{1,10}){0,30}$/, "is not one that an earlier page gave")
  .optional();
export const operationsQuery = z.strictObject({ limit, cursor: place });
export const operationPage = page(operation);

export const signal = z.object({
  signalId: z.string(),
  name: z.string(),
  payload: json.optional(),
  at: utc,
  sequence: z.number().int(),
  buffered: z.boolean().describe("Not taken by a wait yet."),
});
components.add(signal, { id: "Signal" });
export type SignalView = z.infer<typeof signal>;
export const signalPage = page(signal);
export const signalId = z.object({ signalId: z.string() });
export const signalQuery = z.strictObject({
  mode: z.enum(["strict"]).optional().describe("Refuses by NotWaiting unless the run waits for that name."),
});
