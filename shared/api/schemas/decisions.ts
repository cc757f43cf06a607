/** What is answered to a run that asks: decisions at gates, outcomes of callbacks. */
import * as z from "zod";
import type { Json } from "../../core/json.ts";
import { INLINE_PAYLOAD_BYTES_MAX } from "../../core/limits.ts";
import { components, json, prose, text, utc } from "./common.ts";

const ID_LENGTH_MAX = 4_096;
const BY_LENGTH_MAX = 256;
const MESSAGE_LENGTH_MAX = 8_192;

/** In a path: the name of a gate, or the id of an operation, which holds the names that it is nested in. */
export const gate = text(ID_LENGTH_MAX).min(1);
export const token = z.string().min(1).max(ID_LENGTH_MAX);

/** It is kept within the entry that says so, and so bounded. */
const brief = json
  .refine(
    (value: Json) => Buffer.byteLength(JSON.stringify(value)) <= INLINE_PAYLOAD_BYTES_MAX / 2,
    `expected at most ${INLINE_PAYLOAD_BYTES_MAX / 2} bytes`,
  )
  .optional();

export const decisionBody = z
  .strictObject({ feedback: brief, selections: brief, by: prose(BY_LENGTH_MAX).optional() })
  .optional();
export type DecisionBody = z.infer<typeof decisionBody>;

export const gateView = z.object({
  state: z
    .enum(["pending", "approved", "rejected", "timedOut", "cancelled"])
    .describe("`cancelled`: nobody waits for it any more."),
  feedback: json.optional(),
  selections: json.optional(),
  by: z.string().optional(),
  at: utc.optional().describe("When it was decided, timed out or was cancelled."),
});
components.add(gateView, { id: "Gate" });
export type GateView = z.infer<typeof gateView>;

export const successBody = z.strictObject({ output: json.optional() }).optional();
export type SuccessBody = z.infer<typeof successBody>;

const failure = z.strictObject({
  code: text(BY_LENGTH_MAX).optional(),
  name: text(BY_LENGTH_MAX).optional(),
  message: prose(MESSAGE_LENGTH_MAX),
  data: brief,
});
export const failureBody = z.strictObject({
  error: z.union([prose(MESSAGE_LENGTH_MAX), failure]).describe("A text is its message."),
});
export type FailureBody = z.infer<typeof failureBody>;
