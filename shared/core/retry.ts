/**
 * When a failed attempt is followed by another, and after how long. Pure: chance comes in as a number.
 */
import { type Duration, durationMs } from "./duration.ts";
import { type RunError, StepfoldError } from "./errors.ts";

/** A class of errors, or the `name` or `code` of one. */
export type ErrorMatcher = string | (abstract new (...args: never[]) => Error);

export interface RetryOptions {
  /** Attempts in all, the first included. Default 3. */
  maxAttempts?: number;
  /** Before the second attempt. Default 1 second. */
  initialDelay?: Duration;
  /** No delay is longer. Default 1 minute. */
  maxDelay?: Duration;
  /** Each delay is the one before times this. Default 2. */
  backoff?: number;
  /** `full` (default): uniform between 0 and the delay. `none`: the delay itself. */
  jitter?: "full" | "none";
  /** Errors that no further attempt can mend: classes, names or codes. */
  nonRetryable?: ErrorMatcher | readonly ErrorMatcher[];
}

export interface RetryPolicy {
  maxAttempts: number;
  initialDelayMs: number;
  maxDelayMs: number;
  backoff: number;
  jitter: "full" | "none";
  nonRetryable: ErrorMatcher[];
}

const NEVER_RETRIED = new Set(["NotSerializable", "InvalidDuration"]);

/** The policy of a step from its own options, over those of its workflow. Throws `InvalidOptions`. */
export function retryPolicy(...layers: (RetryOptions | undefined)[]): RetryPolicy {
  const merged: RetryOptions = Object.assign({}, ...[...layers].reverse());
  const policy: RetryPolicy = {
    maxAttempts: merged.maxAttempts ?? 3,
    initialDelayMs: durationMs(merged.initialDelay ?? 1),
    maxDelayMs: durationMs(merged.maxDelay ?? 60),
    backoff: merged.backoff ?? 2,
    jitter: merged.jitter ?? "full",
    nonRetryable: matchersOf(merged.nonRetryable),
  };
  if (!Number.isInteger(policy.maxAttempts) || policy.maxAttempts < 1)
    throw new StepfoldError(
      "InvalidOptions",
      `Expected retry.maxAttempts to be a whole number from 1, got ${policy.maxAttempts}.`,
    );
  if (!(policy.backoff >= 1))
    throw new StepfoldError(
      "InvalidOptions",
      `Expected retry.backoff to be at least 1, got ${policy.backoff}.`,
    );
  if (policy.jitter !== "full" && policy.jitter !== "none")
    throw new StepfoldError(
      "InvalidOptions",
      `Expected retry.jitter to be "full" or "none", got ${String(policy.jitter)}.`,
    );
  return policy;
}

/** Milliseconds until the next attempt, or `undefined` if there is none. `thrown` is the live error, where known. */
export function retryDelayMs(
  policy: RetryPolicy,
  failure: { attempt: number; error: RunError; thrown?: unknown },
  random: number,
): number | undefined {
  if (failure.attempt >= policy.maxAttempts) return undefined;
  if (NEVER_RETRIED.has(failure.error.code)) return undefined;
  if (policy.nonRetryable.some((matcher) => matches(matcher, failure.error, failure.thrown)))
    return undefined;
  const delayMs = Math.min(
    policy.maxDelayMs,
    backedOff(policy.initialDelayMs, policy.backoff, failure.attempt),
  );
  return Math.round(policy.jitter === "full" ? delayMs * random : delayMs);
}

/** `firstMs` after the first attempt, then each time more. No wait stays none, however often. */
export const backedOff = (firstMs: number, backoff: number, attempt: number): number =>
  firstMs === 0 ? 0 : firstMs * backoff ** (attempt - 1);

function matchersOf(given: unknown): ErrorMatcher[] {
  const matchers: unknown[] = given === undefined ? [] : Array.isArray(given) ? given : [given];
  const wrong = matchers.find((matcher) => !isMatcher(matcher));
  if (wrong === undefined && !matchers.includes(undefined)) return matchers as ErrorMatcher[];
  throw new StepfoldError(
    "InvalidOptions",
    `Expected retry.nonRetryable to hold classes of errors, their names or codes, got ${typeof wrong === "function" ? "a function that is no class" : typeof wrong}.`,
  );
}

/** An arrow function has no prototype: nothing is an instance of it. */
const isMatcher = (matcher: unknown): matcher is ErrorMatcher =>
  typeof matcher === "string" || (typeof matcher === "function" && typeof matcher.prototype === "object");

function matches(matcher: ErrorMatcher, error: RunError, thrown: unknown): boolean {
  if (typeof matcher === "string")
    return matcher === error.name || matcher === error.code || matcher === codeOf(thrown);
  return thrown instanceof matcher || matcher.name === error.name;
}

/** The code of a user's own error: of the system, of a database. */
const codeOf = (thrown: unknown): unknown =>
  thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
