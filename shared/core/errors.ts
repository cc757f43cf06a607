/**
 * The few error classes of Stepfold. Each carries a stable `code`, the data to act on, and a sentence that says
 * what was expected, what came, and where useful what to do next. Inside a run an error is data (`RunError`):
 * `{code, name, message, operation?, attempts?, data?, cause?}`.
 */
import type { Json, JsonObject } from "./json.ts";

/** An error of Stepfold itself. `code` is stable and safe to branch on; `data` names the parts of the message. */
export class StepfoldError extends Error {
  readonly code: string;
  readonly data: JsonObject;
  constructor(code: string, message: string, data: JsonObject = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = code;
    this.code = code;
    this.data = data;
  }
}

/** Thrown by whatever holds a run when another owner has claimed it: stop, and write nothing more. */
export class LeaseLost extends StepfoldError {
  constructor(runId: string, generation: number, newer: number) {
    super(
      "LeaseLost",
      `The run ${runId} was claimed by another owner: generation ${newer} came after ${generation}.`,
      {
        runId,
        generation,
        newer,
      },
    );
  }
}

/** A failure of infrastructure (store, queue, scheduler, blobs) after the adapter's own retries.
 * `retryable` tells whether the same call may succeed later; the message says what was being done to which run. */
export class PortError extends StepfoldError {
  readonly retryable: boolean;
  constructor(
    code: string,
    message: string,
    options: { retryable: boolean; cause?: unknown; data?: JsonObject },
  ) {
    super(code, message, options.data ?? {}, { cause: options.cause });
    this.retryable = options.retryable;
  }
}

/** An error as a run keeps it and as the API shows it. */
export interface RunError {
  code: string;
  name: string;
  message: string;
  operation?: string;
  attempts?: number;
  data?: Json;
  cause?: RunError;
}

/** What a failed operation throws into a workflow: `code` tells what happened, `details` is what the run keeps. */
export class OperationError extends StepfoldError {
  readonly details: RunError;
  constructor(details: RunError) {
    super(
      details.code,
      details.message,
      {},
      details.cause ? { cause: new OperationError(details.cause) } : undefined,
    );
    this.name = details.name;
    this.details = details;
  }
}

/** Any thrown value as a `RunError`. User code's errors have code `StepFailed`; a thrown non-Error is a `NonError`. */
export function toRunError(thrown: unknown, fallbackCode = "StepFailed"): RunError {
  if (thrown instanceof OperationError) return thrown.details;
  if (thrown instanceof StepfoldError) {
    const data = Object.keys(thrown.data).length > 0 ? { data: thrown.data } : {};
    return { code: thrown.code, name: thrown.name, message: thrown.message, ...data };
  }
  if (thrown instanceof Error) {
    const cause = thrown.cause === undefined ? {} : { cause: toRunError(thrown.cause, fallbackCode) };
    return { code: fallbackCode, name: thrown.name, message: thrown.message, ...cause };
  }
  return { code: fallbackCode, name: "NonError", message: describe(thrown) };
}

function describe(thrown: unknown): string {
  if (typeof thrown === "string") return thrown;
  try {
    return JSON.stringify(thrown) ?? String(thrown);
  } catch {
    return String(thrown);
  }
}
