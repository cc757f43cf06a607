/**
 * Rules of style that a machine can hold: each answers what it found, as sentences.
 *
 * 1. Time, chance and the environment enter in adapters and entry points only; elsewhere they are arguments.
 * 2. Every file under `shared/` begins by saying what it is for.
 * 3. A file that outgrows its limit is a reason to look for the seam.
 */
import { ambientsOf, type SourceFile } from "./source.ts";

/** Where time, chance and the environment may be touched. */
const AMBIENT_ALLOWED = ["shared/adapters/", "functions/", "cdk/app.ts", "cli/"];

/** Other files that touch them, and why they must. */
export const ambientExceptions: Record<string, { uses: string[]; because: string }> = {
  "shared/testing/work.ts": {
    uses: ["setTimeout"],
    because: "users' steps happen in real time, and virtual time waits for them",
  },
};

export const SOURCE_LINES_MAX = 400;
export const TEST_LINES_MAX = 800;

/** Files that are longer, and why they stay whole. */
export const lengthExceptions: Record<string, string> = {
  "shared/core/events.ts": "one closed union: every event in one place",
  "shared/core/fold.ts": "one exhaustive switch over every event",
  "shared/engine/leg.ts": "one state machine: what it decides, stores and begins is read together",
};

export function ambientViolations(file: SourceFile): string[] {
  if (AMBIENT_ALLOWED.some((allowed) => file.path.startsWith(allowed))) return [];
  const excepted = ambientExceptions[file.path]?.uses ?? [];
  return ambientsOf(file)
    .filter((used) => !excepted.includes(used))
    .map((used) => `${file.path} uses ${used}`);
}

export function headerViolations({ path, text }: SourceFile): string[] {
  const header = /^(?:#![^\n]*\n)?\/\*\*([\s\S]*?)\*\//.exec(text)?.[1] ?? "";
  return /[A-Za-z]{3}/.test(header) ? [] : [`${path} does not begin by saying what it is for`];
}

export function lengthViolations({ path, text }: SourceFile): string[] {
  const linesMax = path.endsWith(".test.ts") || path.startsWith("test/") ? TEST_LINES_MAX : SOURCE_LINES_MAX;
  const lines = text.trimEnd().split("\n").length;
  return lines > linesMax && !(path in lengthExceptions)
    ? [`${path} has ${lines} lines, more than ${linesMax}`]
    : [];
}

/** Written in two parts, so that this file does not find itself. */
const UNFINISHED = new RegExp(`\\b(?:${["TO", "FIX"].join("DO|")}ME|${"XX"}X)\\b`);

export function unfinishedViolations({ path, text }: SourceFile): string[] {
  return text
    .split("\n")
    .flatMap((line, index) =>
      UNFINISHED.test(line) ? [`${path}:${index + 1} is marked as unfinished`] : [],
    );
}
