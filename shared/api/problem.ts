/**
 * Problems (RFC 9457): which HTTP status each error code has, and how an error becomes an answer.
 *
 * 1. Whatever a caller sends is answered below 500. A 5xx says that infrastructure or Stepfold failed.
 * 2. An error that is no `StepfoldError` tells the caller nothing of its message.
 */
import type * as z from "zod";
import { PortError, StepfoldError } from "../core/errors.ts";
import { printable } from "../core/text.ts";
import type { ApiResponse } from "./route.ts";

const codesByStatus: Record<number, readonly string[]> = {
  400: ["MalformedRequest"],
  403: ["InvalidToken", "Forbidden"],
  404: ["NotFound", "RunNotFound", "WorkflowNotFound", "OperationNotFound", "BlobNotFound"],
  405: ["MethodNotAllowed"],
  409: [
    "RunFinished",
    "RunNotFinished",
    "IdempotencyConflict",
    "NotWaiting",
    "AlreadyDecided",
    "LeaseHeld",
    "LeaseLost",
    "CancelRequested",
    "WrongDriver",
    "NotRedrivable",
    "DefinitionMismatch",
    "WriteConflict",
  ],
  410: ["TokenExpired"],
  412: ["StaleRevision"],
  413: ["PayloadTooLarge", "MessageTooLarge"],
  415: ["UnsupportedMediaType"],
  422: ["InvalidInput", "InvalidDuration", "InvalidName", "NotSerializable"],
  428: ["GenerationRequired"],
  429: ["TooManyRequests"],
  503: ["Unavailable"],
};

const statusByCode = new Map(
  Object.entries(codesByStatus).flatMap(([status, codes]) =>
    codes.map((code) => [code, Number(status)] as const),
  ),
);

/** The status of an error's code, or 500. */
export const statusOfCode = (code: string): number => statusByCode.get(code) ?? 500;

const titleOf = (code: string): string =>
  code
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .replace(/^./, (first) => first.toUpperCase());

/** `application/problem+json`, with the error's code and data. */
export function problemOf(error: unknown): ApiResponse {
  if (error instanceof PortError && statusOfCode(error.code) >= 500 && error.retryable) {
    const code = error.code === "Throttled" ? "TooManyRequests" : "Unavailable";
    return problem(
      code,
      "A service that Stepfold needs did not answer: try again in a moment.",
      {},
      { "retry-after": "1" },
    );
  }
  if (error instanceof StepfoldError && statusOfCode(error.code) < 500)
    return problem(error.code, error.message, error.data, allowHeader(error));
  return problem("InternalError", "Stepfold failed to answer this request; its log says more.", {});
}

function problem(
  code: string,
  detail: string,
  data: object,
  headers: Record<string, string> = {},
): ApiResponse {
  const status = statusOfCode(code);
  return {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
    body: {
      ...data,
      type: `urn:stepfold:problem:${code}`,
      title: titleOf(code),
      status,
      detail: printable(detail),
      code,
    },
  };
}

const allowHeader = ({ code, data }: StepfoldError): Record<string, string> =>
  code === "MethodNotAllowed" && Array.isArray(data.allowed) ? { allow: data.allowed.join(", ") } : {};

export const malformed = (message: string): StepfoldError => new StepfoldError("MalformedRequest", message);

/** What a schema found wrong, with a path for each: `what` is the part of the request. */
export function invalidInput(what: string, error: z.ZodError): StepfoldError {
  const issues = error.issues.flatMap((issue) => {
    const at = issue.path.map(String);
    if (issue.code !== "unrecognized_keys") return [{ path: at.join("."), message: issue.message }];
    return issue.keys.map((key) => ({ path: [...at, key].join("."), message: "is unknown" }));
  });
  const shown = issues.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)).join("; ");
  return new StepfoldError("InvalidInput", `Expected ${what} to hold its schema, but ${shown}`, { issues });
}
