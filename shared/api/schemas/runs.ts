/** Runs: what starts one, what one looks like, and how they are listed. */
import * as z from "zod";
import { bulkActions } from "../../engine/bulk.ts";
import { finishedStatuses } from "../../ports/journal.ts";
import {
  components,
  duration,
  json,
  jsonObject,
  largeValue,
  limit,
  name,
  page,
  prose,
  runError,
  runId,
  text,
  time,
  utc,
} from "./common.ts";

const PROSE_LENGTH_MAX = 16_384;
const OWNER_LENGTH_MAX = 256;
const TAG_NAME_LENGTH_MAX = 128;
const TAG_LENGTH_MAX = 256;
const TAGS_MAX = 50;
/** What the journal store gives: a time of creation and a run id. */
const CURSOR = /^[0-9]{1,16}~[A-Za-z0-9._:~-]{1,128}$/;

export const unfinishedStatuses = ["pending", "running", "sleeping", "waiting", "paused"] as const;
const status = z.enum([...unfinishedStatuses, "completed", "failed", "cancelled", "timedOut"]);
const listedStatuses = [...unfinishedStatuses, ...finishedStatuses, "active"] as const;
const statusWords = listedStatuses.join("|");

const shapeOf = (schema: z.ZodType): Record<string, unknown> => {
  const { $schema: _dialect, ...shape } = z.toJSONSchema(schema);
  return shape;
};

const tagRecord = z
  .record(text(TAG_NAME_LENGTH_MAX).min(1), text(TAG_LENGTH_MAX))
  .refine((value) => Object.keys(value).length <= TAGS_MAX, `expected at most ${TAGS_MAX} tags`)
  .meta({ maxProperties: TAGS_MAX });
/** Validated as a record, and taken as they came: a record of zod's would drop a tag that is named `__proto__`. */
const tags = z
  .custom<Record<string, string>>()
  .superRefine((value, { addIssue }) => {
    for (const issue of tagRecord.safeParse(value).error?.issues ?? [])
      addIssue({ code: "custom", path: issue.path, message: issue.message });
    const hidden = Object.getOwnPropertyDescriptor(value ?? {}, "__proto__");
    if (hidden !== undefined && !text(TAG_LENGTH_MAX).safeParse(hidden.value).success)
      addIssue({ code: "custom", path: ["__proto__"], message: "expected a short text" });
  })
  .meta(shapeOf(tagRecord));

export const startBody = z.strictObject({
  workflow: name,
  input: json.optional(),
  runId: runId.optional().describe("Acts as an idempotency key."),
  version: z.number().int().min(1).optional(),
  owner: text(OWNER_LENGTH_MAX).min(1).optional(),
  tags: tags.optional(),
  goal: prose(PROSE_LENGTH_MAX).optional(),
  origin: prose(PROSE_LENGTH_MAX).optional(),
  trigger: prose(PROSE_LENGTH_MAX).optional(),
  dryRun: z.boolean().optional(),
  timeout: duration.optional(),
  startAt: time.optional(),
  driver: z
    .enum(["code", "remote", "managed", "mirrored"])
    .optional()
    .describe("Who advances the run: by default the workflow's own driver."),
  state: jsonObject.optional(),
  step: name.optional(),
  parentRunId: runId.optional(),
  externalParentId: text(OWNER_LENGTH_MAX).min(1).optional(),
  definition: json.optional(),
  signal: z
    .strictObject({ name, payload: json.optional() })
    .optional()
    .describe("Sent to the run, whether this request started it or an earlier one."),
});
components.add(startBody, { id: "Start" });
export type StartBody = z.infer<typeof startBody>;

const who = { reason: z.string().optional(), by: z.string().optional(), at: utc };

/** What lists show of a run, and every answer that is a run begins with. */
const facts = {
  runId,
  workflow: z.string(),
  version: z.number().int(),
  definitionHash: z.string().optional(),
  driver: z.enum(["code", "remote", "managed", "mirrored"]),
  status,
  revision: z.number().int().describe("The sequence of the run's last entry."),
  owner: z.string().optional(),
  tags: z.record(z.string(), z.string()).optional(),
  goal: z.string().optional(),
  origin: z.string().optional(),
  parentRunId: z.string().optional(),
  externalParentId: z.string().optional(),
  firstRunId: z.string().optional().describe("The first run of those that continued as one another."),
  continuedFrom: z.string().optional(),
  trigger: z.string().optional(),
  dryRun: z.boolean().optional(),
  step: z.string().optional(),
  wakeAt: utc.optional(),
  startAt: utc.optional(),
  createdAt: utc,
  startedAt: utc.optional(),
  updatedAt: utc,
  finishedAt: utc.optional(),
};

export const runSummary = z.object({ ...facts, stalled: z.literal(true).optional() });
components.add(runSummary, { id: "RunSummary" });
export type RunSummary = z.infer<typeof runSummary>;

const cost = z.object({
  writeUnits: z.number(),
  readUnits: z.number(),
  queueRequests: z.number(),
  schedules: z.number(),
  usd: z.number().describe("At AWS list prices."),
});

export const run = z.object({
  ...facts,
  residency: z.enum(["resident", "suspended"]),
  generation: z.number().int(),
  wait: json.optional().describe("What a managed or mirrored run waits for."),
  definition: json.optional(),
  input: json.describe("null where the run has none."),
  output: json.optional().describe("Above 5,250,000 bytes it is {$blob, bytes}."),
  error: runError.optional(),
  state: z.union([largeValue, jsonObject]).describe("What the run has published."),
  waitingFor: z.array(
    z.object({ operation: z.string(), kind: z.string(), name: z.string(), until: utc.optional() }),
  ),
  cancel: z.object(who).optional(),
  pause: z.object(who).optional(),
  continuedTo: z.string().optional(),
  uncompensated: z
    .array(z.object({ operation: z.string(), name: z.string(), error: runError }))
    .optional()
    .describe("What could not be undone."),
  stalled: z
    .object({
      code: z.string(),
      message: z.string(),
      operation: z.string().optional(),
      recorded: z.string().optional(),
      found: z.string().optional(),
      at: utc,
    })
    .optional(),
  retryCount: z.number().int(),
  cost,
});
components.add(run, { id: "Run" });
export type RunView = z.infer<typeof run>;

export const listQuery = z.strictObject({
  status: z
    .string()
    .regex(
      new RegExp(`^(${statusWords})(,(${statusWords}))*$`),
      `expected statuses of ${statusWords.replaceAll("|", " ")}`,
    )
    .optional()
    .describe("Several by comma; `active` is every unfinished one."),
  workflow: name.optional(),
  owner: text(OWNER_LENGTH_MAX).min(1).optional(),
  tag: z
    .string()
    .regex(/^[^:]+:/, "expected key:value")
    .optional()
    .describe("`key:value`"),
  parent: runId.optional().describe("The parent's run id."),
  stalled: z.enum(["true", "false"]).optional(),
  createdAfter: time.optional(),
  createdBefore: time.optional(),
  order: z.enum(["desc", "asc"]).default("desc").describe("Newest first, or oldest first."),
  limit,
  cursor: z.string().regex(CURSOR, "is not one that an earlier page gave").optional(),
});
export type ListQueryParams = z.infer<typeof listQuery>;

export const runPage = page(runSummary);

const bulkFields = {
  filter: listQuery
    .omit({ order: true, limit: true, cursor: true })
    .extend({
      status: z
        .union([listQuery.shape.status.unwrap(), z.array(z.enum(listedStatuses)).min(1)])
        .optional()
        .describe("Words by comma, or a list of them; `active` is every unfinished one."),
      stalled: z.union([listQuery.shape.stalled.unwrap(), z.boolean()]).optional(),
    })
    .describe("As of `GET /runs`; an empty one holds every run."),
  reason: prose(PROSE_LENGTH_MAX).optional(),
  by: prose(OWNER_LENGTH_MAX).optional(),
};
export const bulkBody = z.discriminatedUnion("action", [
  z.strictObject({ action: z.enum(bulkActions).exclude(["signal"]), ...bulkFields }),
  z.strictObject({
    action: z.literal("signal"),
    signal: z.strictObject({ name, payload: json.optional() }).describe("What is sent."),
    ...bulkFields,
  }),
]);
components.add(bulkBody, { id: "Bulk" });
export type BulkBody = z.infer<typeof bulkBody>;

export const requestBody = z
  .strictObject({ reason: prose(PROSE_LENGTH_MAX).optional(), by: prose(OWNER_LENGTH_MAX).optional() })
  .optional();
export type RequestBody = z.infer<typeof requestBody>;
export const cancelBody = z
  .strictObject({
    reason: prose(PROSE_LENGTH_MAX).optional(),
    by: prose(OWNER_LENGTH_MAX).optional(),
    final: z
      .boolean()
      .optional()
      .describe("Ends a managed or mirrored run, or one that is stalled, without its code."),
  })
  .optional();
export type CancelBody = z.infer<typeof cancelBody>;
export const redriveBody = z
  .strictObject({
    from: name
      .optional()
      .describe("The name of the operation that it begins at: by default the one that failed."),
  })
  .optional();
export type RedriveBody = z.infer<typeof redriveBody>;
export const patchQuery = z.strictObject({ step: name.optional().describe("Sets the run's step with it.") });

export const cancelled = z.object({ cancelled: z.boolean(), reason: z.string().optional() });
