/** What people type for values: JSON, as text, in a file or on standard input; times; tags. */
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { InvalidArgumentError } from "commander";
import { durationMs } from "../../shared/core/duration.ts";
import { StepfoldError } from "../../shared/core/errors.ts";
import type { Json } from "../../shared/core/json.ts";

/** JSON text, `@file`, or `-` for what comes on standard input. */
export async function jsonOf(given: string | undefined, what: string): Promise<Json | undefined> {
  if (given === undefined) return undefined;
  const { source, content } = await contentOf(given, what);
  try {
    return JSON.parse(content) as Json;
  } catch (cause) {
    const shown = JSON.stringify(content.length > 60 ? `${content.slice(0, 60)}…` : content);
    const hint =
      source === undefined
        ? ` A text is written '${JSON.stringify(given)}', a file @path, standard input -.`
        : "";
    throw wrongUse(
      `Expected ${what}${source === undefined ? "" : ` in ${source}`} to be JSON, got ${shown}.${hint}`,
      cause,
    );
  }
}

async function contentOf(given: string, what: string): Promise<{ source?: string; content: string }> {
  if (given === "-") return { source: "standard input", content: await text(process.stdin) };
  if (!given.startsWith("@")) return { content: given };
  const path = given.slice(1);
  try {
    return { source: path, content: readFileSync(path, "utf8") };
  } catch (cause) {
    throw wrongUse(
      `Expected ${what} in the file ${path}, got ${(cause as NodeJS.ErrnoException).code}.`,
      cause,
    );
  }
}

const wrongUse = (message: string, cause?: unknown): StepfoldError =>
  new StepfoldError("WrongUse", message, {}, { cause });

export interface Tag {
  key: string;
  value: string;
}

/** `key=value`, or `key:value`. */
export function tagOf(given: string): Tag {
  const at = given.search(/[=:]/);
  if (at > 0) return { key: given.slice(0, at), value: given.slice(at + 1) };
  throw new InvalidArgumentError("Expected key=value.");
}

/** An option that may come again: each tag is one of the record. */
export function withTag(given: string, tags: Record<string, string> | undefined): Record<string, string> {
  const { key, value } = tagOf(given);
  return { ...tags, [key]: value };
}

const durationOf = (given: string): number | undefined => {
  try {
    return durationMs(given);
  } catch {
    return undefined;
  }
};

/** A time, or a length of time from now on (`direction` 1) or back (−1). */
export const timeOf =
  (direction: 1 | -1) =>
  (given: string): string => {
    const ms = durationOf(given);
    if (ms !== undefined) return new Date(Date.now() + direction * ms).toISOString();
    const at = /^\d{4}-\d\d-\d\d/.test(given) ? new Date(given) : new Date(Number.NaN);
    if (Number.isFinite(at.getTime())) return at.toISOString();
    const example = direction === 1 ? "2h (from now)" : "2h (ago)";
    throw new InvalidArgumentError(`Expected a time such as 2030-01-31T12:00:00Z, or ${example}.`);
  };

export function durationText(given: string): string {
  if (durationOf(given) !== undefined) return given;
  throw new InvalidArgumentError('Expected a duration such as 30s, "1.5 hours" or "3 days".');
}
