/**
 * What requests and answers are made of. One schema validates what comes and documents it in the OpenAPI document.
 */
import * as z from "zod";
import type { Json, JsonObject } from "../../core/json.ts";
import { LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX, NAME_LENGTH_MAX, RUN_ID_LENGTH_MAX } from "../../core/limits.ts";

/** The schemas that the document names, each by its own name. */
export const components = z.registry<{ id: string }>();

const WITHOUT_CONTROL = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";
const withoutControl = new RegExp(WITHOUT_CONTROL);

/** Text without control characters that comes back from storage as it was. */
export const text = (lengthMax: number) =>
  z
    .string()
    .max(lengthMax)
    .regex(withoutControl, "expected no control characters")
    .refine((value) => value.isWellFormed(), "expected well-formed Unicode");

export const name = text(NAME_LENGTH_MAX).min(1);

export const prose = (lengthMax: number) =>
  z
    .string()
    .max(lengthMax)
    .refine((value) => value.isWellFormed(), "expected well-formed Unicode");

/** Not `.` nor `..`, which drop out of every path. */
export const runId = z
  .string()
  .min(1)
  .max(RUN_ID_LENGTH_MAX)
  .regex(
    /^(?:\.*[A-Za-z0-9_:~-][A-Za-z0-9._:~-]*|\.{3,})$/,
    "expected only A–Z a–z 0–9 . _ : ~ -, and more than . or ..",
  );

/** A value that is there. */
export const json = z.unknown() as z.ZodType<Json>;

export const jsonObject = z
  .custom<JsonObject>(
    (value) => typeof value === "object" && value !== null && !Array.isArray(value),
    "expected an object",
  )
  .meta({ type: "object", additionalProperties: true });

/** A time in a request: any offset. */
export const time = z.iso.datetime({ offset: true }).meta({ pattern: undefined });

/** A time in an answer: UTC. */
export const utc = z.string().meta({ format: "date-time" });

/** A time as epoch milliseconds. */
export const msOf = (iso: string): number => Math.max(0, Date.parse(iso));

/** What the document says of durations. The engine takes more (white space, longer numbers), and refuses the rest by
 * `InvalidDuration`. */
const DURATION_PATTERN =
  "^([0-9]{1,5}(\\.[0-9]{1,9})?|\\.[0-9]{1,9}) ?(ms|milliseconds?|s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?)?$";
const DURATION_SECONDS_MAX = 315_576_000_000;

export const duration = z
  .union([
    z.number().meta({ minimum: 0, maximum: DURATION_SECONDS_MAX }),
    z.string().meta({ pattern: DURATION_PATTERN }),
  ])
  .meta({ description: 'Seconds, or a number with a unit, such as "30s", "1.5 hours", "3 days".' });

/** A whole number in a query. */
export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, "expected a whole number")
    .transform(Number)
    .pipe(z.number().int().min(min).max(max));

export const limit = wholeNumber(1, LIST_LIMIT_MAX)
  .default(LIST_LIMIT_DEFAULT)
  .describe(`How many items at most: 1–${LIST_LIMIT_MAX}, by default ${LIST_LIMIT_DEFAULT}.`);

export const sequence = wholeNumber(0, 999_999_999_999_999);

/** A page of a list. */
export const page = <T extends z.ZodType>(item: T) =>
  z.object({
    items: z.array(item),
    cursor: z.string().optional().describe("Where the next page begins; absent on the last one."),
  });

export const runError = z
  .object({
    code: z.string(),
    name: z.string(),
    message: z.string(),
    operation: z.string().optional(),
    attempts: z.number().int().optional(),
    data: json.optional(),
    get cause() {
      return runError.optional();
    },
  })
  .describe("An error inside a run.");
components.add(runError, { id: "RunError" });

export const problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.string().describe("Stable, and safe to branch on."),
  })
  .describe("RFC 9457, with a code and the data to act on.");
components.add(problem, { id: "Problem" });

export const largeValue = z
  .object({ $blob: z.string().describe("Where the value is read."), bytes: z.number().int() })
  .describe("A value too large to be inline.");
