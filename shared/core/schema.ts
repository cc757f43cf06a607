/**
 * Values checked by any Standard Schema (https://standardschema.dev: zod, valibot, arktype …).
 */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { StepfoldError, toRunError } from "./errors.ts";

/** A schema that makes a `T` of what it is given, which should be a `G`. */
export type Schema<T = unknown, G = unknown> = StandardSchemaV1<G, T>;

/** Throws `InvalidOptions` for what is no schema. */
export function checkSchema(schema: unknown, what: string): void {
  const standard = (schema as { "~standard"?: { validate?: unknown } } | null | undefined)?.["~standard"];
  if (schema === undefined || typeof standard?.validate === "function") return;
  throw new StepfoldError(
    "InvalidOptions",
    `Expected ${what} to be a Standard Schema, such as one of zod, got ${schema === null ? "null" : typeof schema}.`,
  );
}

/** What the schema makes of `value`. Throws `InvalidInput` with the paths that are wrong. */
export async function validate<T>(schema: Schema<T>, value: unknown, what: string): Promise<T> {
  const result = await resultOf(schema, value);
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map((issue) => ({ path: pathOf(issue), message: issue.message }));
  const shown = issues.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)).join("; ");
  throw new StepfoldError("InvalidInput", `Expected ${what} to hold its schema, but ${shown}`, { issues });
}

/** A schema's own code (a transform, a refinement) may throw where it meets what it did not expect: that is an issue
 * like another. */
async function resultOf<T>(schema: Schema<T>, value: unknown): Promise<StandardSchemaV1.Result<T>> {
  try {
    return await schema["~standard"].validate(value);
  } catch (thrown) {
    return { issues: [{ message: `the schema threw: ${toRunError(thrown).message}` }] };
  }
}

function pathOf(issue: StandardSchemaV1.Issue): string {
  return (issue.path ?? []).map((key) => String(typeof key === "object" ? key.key : key)).join(".");
}
