/**
 * Durations as people write them: `"1.5h"`, `"3 days"`, `"250 ms"`, `90` (bare numbers are seconds). Pure.
 */
import { StepfoldError } from "./errors.ts";

/** A length of time: a number of seconds, or a number with a unit (`ms s m h d w`, or the full words). */
export type Duration = number | string;

const MS_PER_UNIT: Record<string, number> = {
  ms: 1,
  millisecond: 1,
  milliseconds: 1,
  s: 1_000,
  sec: 1_000,
  second: 1_000,
  seconds: 1_000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000,
  w: 604_800_000,
  week: 604_800_000,
  weeks: 604_800_000,
};

/** Ten thousand years: beyond it, times no longer fit a date. */
const DURATION_MS_MAX = 315_576_000_000_000;

/** Milliseconds, rounded. Throws `InvalidDuration` for anything negative, empty, endless or of an unknown unit. */
export function durationMs(duration: Duration): number {
  if (typeof duration === "number") return checked(duration * 1_000, duration);
  if (typeof duration !== "string") throw invalid(duration);
  const match = /^\s*(\d+(?:\.\d+)?|\.\d+)\s*([A-Za-z]*)\s*$/.exec(duration);
  if (match === null) throw invalid(duration);
  const unit = (match[2] ?? "").toLowerCase();
  const msPerUnit = unit === "" ? 1_000 : Object.hasOwn(MS_PER_UNIT, unit) ? MS_PER_UNIT[unit] : undefined;
  if (msPerUnit === undefined) throw invalid(duration);
  return checked(Number(match[1]) * msPerUnit, duration);
}

function checked(ms: number, given: Duration): number {
  if (!Number.isFinite(ms) || ms < 0 || ms > DURATION_MS_MAX) throw invalid(given);
  return Math.round(ms);
}

function invalid(given: unknown): StepfoldError {
  const shown = typeof given === "string" ? JSON.stringify(given) : String(given);
  return new StepfoldError(
    "InvalidDuration",
    `Expected a duration such as "30s", "1.5 hours", "3 days" or a number of seconds, got ${shown}.`,
    { given: shown },
  );
}
