/**
 * From an event of another service to what a run gets: a template of JSON in which `{$from: path}` stands for a part
 * of the event and `{$text: [...]}` for a text with such parts. Pure.
 *
 * 1. A path is `$`, followed by `.field`, `['field']` and `[0]`.
 * 2. What the event does not have is left out of an object, and null in a list. A text that lacks a part is refused
 *    as `MalformedMessage`, which says what was expected and what came.
 */
import { StepfoldError } from "../core/errors.ts";
import type { Json, JsonObject } from "../core/json.ts";

/** JSON whose objects `{$from}` and `{$text}` are filled in from an event. */
export type Template = Json;

export const FROM = "$from";
export const TEXT = "$text";

const PATH = /^\$(?:\.[^.[\]'\s]+|\['[^']+'\]|\[\d+\])*$/;
const PART = /\.([^.[\]'\s]+)|\['([^']+)'\]|\[(\d+)\]/g;

export const isPath = (path: string): boolean => PATH.test(path);

/** What a path leads to in an event, if it is there. */
export function at(event: Json | undefined, path: string): Json | undefined {
  let value = event;
  for (const [, field, quoted, index] of path.matchAll(PART)) {
    if (value === null || typeof value !== "object") return undefined;
    const key = field ?? quoted ?? index!;
    const isList = Array.isArray(value);
    if (isList !== (index !== undefined) || !Object.hasOwn(value, key)) return undefined;
    value = (value as JsonObject)[key];
  }
  return value;
}

/** The template with the event's parts in it; `undefined` where it is nothing but a part that is not there. */
export function mapped(template: Template, event: Json): Json | undefined {
  if (template === null || typeof template !== "object") return template;
  if (Array.isArray(template)) return template.map((item) => mapped(item, event) ?? null);
  if (typeof template[FROM] === "string") return at(event, template[FROM]);
  if (Array.isArray(template[TEXT]))
    return template[TEXT].map((part) => textOf(part, event, "a text's part")).join("");
  return Object.fromEntries(
    Object.entries(template).flatMap(([key, value]) => {
      const filled = mapped(value as Template, event);
      return filled === undefined ? [] : [[key, filled]];
    }),
  );
}

/** The template as a text that is not empty; numbers count as texts. */
export function textOf(template: Template, event: Json, what: string): string {
  const value = mapped(template, event);
  if (typeof value === "string" && value !== "") return value;
  if (typeof value === "number") return String(value);
  throw new StepfoldError(
    "MalformedMessage",
    `Expected ${what} to be a text${placeOf(template)}, got ${shown(value)} in the event ${shown(event)}.`,
  );
}

function placeOf(template: Template): string {
  if (template === null || typeof template !== "object" || Array.isArray(template)) return "";
  return typeof template[FROM] === "string" ? ` at ${template[FROM]}` : "";
}

/** JSON, cut to what a log line takes. */
export const shown = (value: Json | undefined): string =>
  value === undefined ? "nothing" : JSON.stringify(value).slice(0, 300);
