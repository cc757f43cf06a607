/** What managed and mirrored runs are told by their owner, by outside workers, by another system. */
import * as z from "zod";
import type { Json } from "../../core/json.ts";
import { ITEMS_AT_ONCE_MAX, LEASE_MS_MAX } from "../../core/limits.ts";
import {
  components,
  duration,
  json,
  jsonObject,
  limit,
  name,
  page,
  prose,
  runError,
  runId,
  sequence,
  text,
  time,
  utc,
} from "./common.ts";
import { operation } from "./details.ts";

const TEXT_LENGTH_MAX = 256;
const PROSE_LENGTH_MAX = 16_384;
const COUNT_MAX = 1_000_000_000;

/** A text is its message. */
export const givenError = z.union(
  [
    prose(PROSE_LENGTH_MAX),
    z.strictObject({
      code: text(TEXT_LENGTH_MAX).optional(),
      name: text(TEXT_LENGTH_MAX).optional(),
      message: prose(PROSE_LENGTH_MAX),
      operation: name.optional(),
      attempts: z.number().int().min(0).max(COUNT_MAX).optional(),
      data: json.optional(),
      cause: runError.optional(),
    }),
  ],
  "expected a text, or an object with a message and the other fields of an error",
);
components.add(givenError, { id: "GivenError" });

export const waitBody = z.strictObject({
  wait: z
    .custom<Json>((value) => value !== undefined && value !== null, "expected what the run waits for")
    .meta({ not: { type: "null" } })
    .describe("What the run waits for, in its owner's words."),
  step: name.optional(),
});
export type WaitBody = z.infer<typeof waitBody>;

export const continueBody = z
  .strictObject({ patch: jsonObject.optional(), step: name.optional() })
  .optional();
export type ContinueBody = z.infer<typeof continueBody>;

export const finishBody = z
  .strictObject({ patch: jsonObject.optional(), output: json.optional() })
  .optional();
export type FinishBody = z.infer<typeof finishBody>;

export const failBody = z.strictObject({ error: givenError, patch: jsonObject.optional() });
export type FailBody = z.infer<typeof failBody>;

export const openGateBody = z.strictObject({
  name,
  prompt: prose(PROSE_LENGTH_MAX).optional(),
  timeout: duration.optional(),
});
export type OpenGateBody = z.infer<typeof openGateBody>;

const token = text(TEXT_LENGTH_MAX).min(1);

/** The document shows the plain forms: no pattern can tell every text of up to a year. */
const TTL_PATTERN =
  "^([1-9][0-9]{0,3} ?(ms|s|seconds?)|[1-9][0-9]{0,2} ?(m|minutes?)|[1-9][0-9]{0,2} ?(h|hours?)|[1-9][0-9]? ?(d|days?)|[1-9] ?(w|weeks?))$";
const ttl = z.union([
  z.number().meta({ minimum: 0.001, maximum: LEASE_MS_MAX / 1_000 }),
  z.string().meta({ pattern: TTL_PATTERN }),
]);
export const leaseBody = z.strictObject({
  token: token.describe("The worker's own: who has it holds the lease."),
  ttl: ttl.describe(`A duration above 0 and up to a year, such as "30s" or "2 h".`),
});
export type LeaseBody = z.infer<typeof leaseBody>;
export const leaseQuery = z.strictObject({ token });
export type LeaseQuery = z.infer<typeof leaseQuery>;

export const lease = z.object({
  generation: z.number().int(),
  until: utc,
  cancel: z
    .object({ reason: z.string().optional(), by: z.string().optional(), at: utc })
    .optional()
    .describe("The run was asked to end."),
});
components.add(lease, { id: "Lease" });
export type LeaseView = z.infer<typeof lease>;

const retryCount = z.number().int().min(0).max(COUNT_MAX);
export const stepBody = z.strictObject({
  name,
  role: text(TEXT_LENGTH_MAX).optional(),
  position: z.number().optional(),
  iteration: z.number().int().min(0).max(COUNT_MAX).optional(),
  canCommit: z.boolean().optional(),
  retryCount: retryCount.optional().describe("With it the step is running; without it, pending."),
});
export type StepBody = z.infer<typeof stepBody>;

const reportedStatus = z.enum([
  "pending",
  "running",
  "sleeping",
  "waiting",
  "completed",
  "failed",
  "skipped",
  "cancelled",
]);
export const stepChangeBody = z.strictObject({
  status: reportedStatus,
  output: json.optional().describe("Of a failed step by default its error."),
  structuredOutput: json.optional(),
  markers: json.optional(),
  context: json.optional(),
  error: givenError.optional(),
  retryCount: retryCount.optional(),
  childRunId: runId.optional(),
});
export type StepChangeBody = z.infer<typeof stepChangeBody>;

export const step = operation.extend({ stepId: z.string() });
components.add(step, { id: "Step" });
export type StepView = z.infer<typeof step>;

const itemStatuses = ["pending", "running", "completed", "failed", "skipped"] as const;
const itemStatus = z.enum(itemStatuses);
export const itemsBody = z
  .array(
    z.strictObject({
      type: text(TEXT_LENGTH_MAX).min(1),
      id: text(TEXT_LENGTH_MAX).min(1),
      ref: json.optional(),
      context: json.optional(),
    }),
  )
  .min(1)
  .max(ITEMS_AT_ONCE_MAX);
export type ItemsBody = z.infer<typeof itemsBody>;

export const itemChangesBody = z
  .array(
    z.strictObject({
      itemId: text(TEXT_LENGTH_MAX).min(1),
      status: itemStatus,
      output: json.optional(),
      error: givenError.optional(),
      childRunId: runId.optional(),
    }),
  )
  .min(1)
  .max(ITEMS_AT_ONCE_MAX);
export type ItemChangesBody = z.infer<typeof itemChangesBody>;

export const item = z.object({
  itemId: z.string(),
  type: z.string(),
  id: z.string().describe("The worker's own name for it."),
  ref: json.optional(),
  context: json.optional(),
  status: itemStatus,
  output: json.optional(),
  error: runError.optional(),
  childRunId: z.string().optional(),
});
components.add(item, { id: "Item" });
export type ItemView = z.infer<typeof item>;
export const items = z.object({ items: z.array(item) });
export const itemPage = page(item);

const statusWords = itemStatuses.join("|");
export const itemsQuery = z.strictObject({
  status: z
    .string()
    .regex(
      new RegExp(`^(${statusWords})(,(${statusWords}))*$`),
      `expected statuses of ${itemStatuses.join(" ")}`,
    )
    .optional()
    .describe("Several by comma."),
  limit,
  cursor: sequence.optional(),
});
export type ItemsQuery = z.infer<typeof itemsQuery>;

export const observationBody = z.strictObject({
  name,
  status: reportedStatus,
  output: json.optional(),
  error: givenError.optional(),
  sessionKey: text(TEXT_LENGTH_MAX).optional(),
  at: time.optional().describe("When it was so, by the other system's clock; by default now."),
});
export type ObservationBody = z.infer<typeof observationBody>;
