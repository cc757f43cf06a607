/**
 * From what a user writes, with `EventField.fromPath("$.detail.id")` for parts of the event, to the template that the
 * triggers function fills in. It is filled in there, not by EventBridge, so that it means the same for every source,
 * and an event that lacks a part is refused by name.
 */
import { type IResolvable, Tokenization } from "aws-cdk-lib";
import { EventField } from "aws-cdk-lib/aws-events";
import { StepfoldError } from "../shared/core/errors.ts";
import { FROM, isPath, TEXT, type Template } from "../shared/engine/mapping.ts";

/** The whole event, or the part of it at a path. */
export const from = (path: string): Template => ({ [FROM]: path });

/** Throws `InvalidMapping` for what is no JSON, and for a path that cannot be followed. */
export function templateOf(value: unknown, what: string): Template {
  if (typeof value === "string") return textTemplate(value, what);
  if (value === null || typeof value === "boolean" || typeof value === "number") return value;
  if (Array.isArray(value)) return value.map((item) => templateOf(item, what));
  if (typeof value !== "object" || Tokenization.isResolvable(value))
    throw invalid(what, "JSON", Tokenization.isResolvable(value) ? "a token" : typeof value);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  for (const [key] of fields)
    if (key === FROM || key === TEXT) throw invalid(what, "EventField for parts of the event", key);
  return Object.fromEntries(fields.map(([key, field]) => [key, templateOf(field, `${what}.${key}`)]));
}

function textTemplate(text: string, what: string): Template {
  const fragments = Tokenization.reverseString(text);
  if (!fragments.tokens.some(isEventField)) return text;
  const mapped = fragments.mapTokens({
    mapToken: (token) => (isEventField(token) ? from(checkedPath(token.path, what)) : token),
  });
  if (mapped.length === 1) return mapped.firstValue as Template;
  return { [TEXT]: mapped.join({ join: (left, right) => [...[left].flat(), right] }) as Template };
}

const isEventField = (token: IResolvable): token is EventField => token instanceof EventField;

function checkedPath(path: string, what: string): string {
  if (isPath(path)) return path;
  throw invalid(what, "paths such as $.detail.id, $.items[0] and $['detail-type']", path);
}

const invalid = (what: string, expected: string, got: string) =>
  new StepfoldError("InvalidMapping", `Expected ${what} to have ${expected}, got ${got}.`, { what });
