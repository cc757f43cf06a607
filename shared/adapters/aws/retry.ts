/**
 * The one place that decides which of AWS's failures may pass, how often and how long apart a call is repeated, and
 * what is said when it fails for good.
 *
 * 1. The SDK's own standard retry stands below this and covers single HTTP exchanges; this covers what outlasts it.
 * 2. Waits have full jitter and come from the clock.
 * 3. What still fails is a `PortError` that says what was being done to which run, and whether it may pass later.
 * Refusals that an adapter expects (a failed condition, an existing name) are caught before they come here.
 */
import { PortError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/json.ts";
import type { Clock } from "../../ports/clock.ts";

/** What the SDK's errors carry, of which nothing is certain. */
export interface AwsError extends Error {
  code?: string;
  Code?: string;
  $retryable?: { throttling?: boolean };
  $metadata?: { httpStatusCode?: number; requestId?: string };
}

/** A resource that the stack should have made: the error names by which its service says that it is not there. */
export interface MissingResource {
  errors: readonly string[];
  code: string;
  message: string;
}

/** Which call it is: `doing` completes "Could not …". */
export interface Call {
  doing: string;
  data?: JsonObject;
  missing: MissingResource;
}

export const ATTEMPTS_MAX = 4;
const BACKOFF_MS = 100;
const BACKOFF_MS_MAX = 2_000;

const THROTTLED = new Set([
  "ThrottlingException",
  "ThrottledException",
  "Throttling",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "RequestThrottled",
  "RequestThrottledException",
  "TooManyRequestsException",
  "SlowDown",
]);
/** Repeating at once is of no use, but the same call may succeed later. */
const EXHAUSTED = new Set(["ServiceQuotaExceededException", "OverLimit", "LimitExceededException"]);
const UNREACHABLE = new Set([
  "TimeoutError",
  "RequestTimeout",
  "RequestTimeoutException",
  "ECONNRESET",
  "ECONNREFUSED",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);
const CREDENTIALS = new Set([
  "CredentialsProviderError",
  "UnrecognizedClientException",
  "InvalidClientTokenId",
  "InvalidAccessKeyId",
  "ExpiredToken",
  "ExpiredTokenException",
  "SignatureDoesNotMatch",
  "InvalidSignatureException",
]);
const DENIED = new Set(["AccessDenied", "AccessDeniedException"]);

/** Full jitter: anything up to a ceiling that doubles with each attempt. */
export function backoffMs(attempt: number, clock: Clock): number {
  return clock.random() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** attempt);
}

/** Repeats `action` while it fails in a way that may pass, then throws a `PortError`. */
export async function withRetry<T>(clock: Clock, call: Call, action: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await action();
    } catch (error) {
      const fault = faultOf(error, call);
      if (!fault.repeat || attempt >= ATTEMPTS_MAX) throw toPortError(error, call, fault);
    }
    await clock.sleep(backoffMs(attempt, clock));
  }
}

/** Repeats a batch's leftovers, and only those, until none is left. `action` answers what must be sent again. */
export async function withLeftovers<T>(
  clock: Clock,
  call: Call,
  items: readonly T[],
  action: (items: T[]) => Promise<{ again: T[]; reason?: string }>,
): Promise<void> {
  let left = [...items];
  for (let attempt = 1; left.length > 0; attempt++) {
    const { again, reason } = await withRetry(clock, call, () => action(left));
    // A pass that got something done starts the count anew: a throttled partition takes a large batch bit by bit.
    if (again.length < left.length) attempt = 1;
    if (again.length > 0 && attempt >= ATTEMPTS_MAX) throw leftOver(call, again.length, reason);
    if (again.length > 0) await clock.sleep(backoffMs(attempt, clock));
    left = again;
  }
}

function leftOver(call: Call, count: number, reason = "throttled"): PortError {
  return new PortError(
    "Throttled",
    `Could not ${call.doing}: ${count} of its parts were refused ${ATTEMPTS_MAX} times (${reason}).`,
    {
      retryable: true,
      data: { ...call.data, left: count, reason },
    },
  );
}

interface Fault {
  code: string;
  hint: string;
  /** The same call may succeed later. */
  retryable: boolean;
  /** It is worth repeating here and now. */
  repeat: boolean;
}

function faultOf(thrown: unknown, call: Call): Fault {
  const error = asAwsError(thrown);
  const names = [error.name, error.code, error.Code].filter((name) => name !== undefined);
  const isOneOf = (set: ReadonlySet<string>) => names.some((name) => set.has(name));
  const status = error.$metadata?.httpStatusCode ?? 0;
  const passing = (code: string) => ({ code, hint: "", retryable: true, repeat: true });
  const lasting = (code: string, hint: string) => ({ code, hint, retryable: false, repeat: false });

  if (names.some((name) => call.missing.errors.includes(name)))
    return lasting(call.missing.code, call.missing.message);
  if (isOneOf(CREDENTIALS)) {
    return lasting(
      "NoCredentials",
      "Expected AWS credentials, got none that AWS accepts. Set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in again.",
    );
  }
  if (error.message === "Region is missing")
    return lasting("NoRegion", "Set AWS_REGION to the stack's region.");
  if (isOneOf(DENIED))
    return lasting("AccessDenied", "The role lacks a permission that the Stepfold construct grants.");
  if (isOneOf(EXHAUSTED)) return { code: "QuotaExceeded", hint: "", retryable: true, repeat: false };
  if (isOneOf(THROTTLED) || error.$retryable?.throttling || status === 429) return passing("Throttled");
  if (isOneOf(UNREACHABLE) || status >= 500 || error.$retryable !== undefined) return passing("Unavailable");
  return lasting("RequestRefused", "");
}

function toPortError(thrown: unknown, call: Call, fault: Fault): PortError {
  if (thrown instanceof PortError) return thrown;
  const error = asAwsError(thrown);
  const requestId = error.$metadata?.requestId;
  const told = error.message === "" ? error.name : `${error.name}: ${error.message}`;
  return new PortError(
    fault.code,
    `Could not ${call.doing}: ${fault.hint === "" ? told : `${fault.hint} (${told})`}`,
    {
      retryable: fault.retryable,
      cause: thrown,
      data: { ...call.data, error: error.name, ...(requestId === undefined ? {} : { requestId }) },
    },
  );
}

const asAwsError = (thrown: unknown): AwsError =>
  thrown instanceof Error ? thrown : new Error(String(thrown));

/** Whether `thrown` is the service's own exception of that name. */
export function isException(thrown: unknown, name: string): thrown is AwsError {
  return thrown instanceof Error && thrown.name === name;
}
