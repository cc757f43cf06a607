/**
 * The few error classes of Stepfold. Each carries a stable `code`, the data to act on, and a sentence that says
 * what was expected, what came, and where useful what to do next. Inside a run an error is data (`RunError`):
 * `{code, name, message, operation?, attempts?, data?, cause?}`.
 */
import type { Json, JsonObject } from "./json.ts";
import {
  ERROR_CAUSES_MAX,
  ERROR_DATA_TEXT_LENGTH_MAX,
  ERROR_LENGTH_MAX,
  ERROR_MESSAGE_LENGTH_MAX,
  NAME_LENGTH_MAX,
} from "./limits.ts";

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
  /** The name of the operation that failed. */
  declare readonly operation?: string;
  declare readonly attempts?: number;
  constructor(details: RunError) {
    const { code, message, data, cause, operation, attempts } = details;
    super(
      code,
      message,
      isObject(data) ? data : {},
      cause === undefined ? undefined : { cause: new OperationError(cause) },
    );
    this.name = details.name;
    this.details = details;
    if (operation !== undefined) this.operation = operation;
    if (attempts !== undefined) this.attempts = attempts;
  }
}

const isObject = (data: Json | undefined): data is JsonObject =>
  typeof data === "object" && data !== null && !Array.isArray(data);

/** Any thrown value as a `RunError`, whatever it is: users' errors may be long, or circular, or throw when they are
 * read. They have code `StepFailed`; a thrown non-Error is a `NonError`. */
export function toRunError(thrown: unknown, fallbackCode = "StepFailed"): RunError {
  return new Reading(fallbackCode).errorOf(thrown, 0);
}

/** One error being read, into no more room than an entry has for it. Read again, it stays as it is. */
class Reading {
  readonly #fallbackCode: string;
  readonly #seen = new Set<unknown>();
  #room = ERROR_LENGTH_MAX;

  constructor(fallbackCode: string) {
    this.#fallbackCode = fallbackCode;
  }

  errorOf(thrown: unknown, depth: number): RunError {
    const code = this.#fallbackCode;
    this.#seen.add(thrown);
    try {
      if (thrown instanceof OperationError) return this.#kept(thrown.details, depth);
      if (thrown instanceof StepfoldError) {
        const { code, name, message, data } = thrown;
        return this.#kept({ code, name, message, data }, depth);
      }
      if (!isError(thrown)) return { code, name: "NonError", message: this.#text(describe(thrown)) };
      return this.#kept({ code, name: thrown.name, message: thrown.message }, depth, thrown.cause);
    } catch {
      return { code, name: "NonError", message: "What was thrown cannot be read." };
    }
  }

  #kept(error: RunError, depth: number, thrownCause?: unknown): RunError {
    const { operation, attempts, data, cause } = error;
    const name = error.name === undefined ? "Error" : this.#text(error.name, NAME_LENGTH_MAX);
    const code = this.#text(error.code, NAME_LENGTH_MAX);
    const kept: RunError = { code, name, message: this.#text(error.message) };
    if (operation !== undefined) kept.operation = operation;
    if (attempts !== undefined) kept.attempts = attempts;
    const keptData = this.#data(data);
    if (keptData !== undefined) kept.data = keptData;
    const isDeep = depth === ERROR_CAUSES_MAX || this.#room === 0;
    if (isDeep) return kept;
    if (thrownCause !== undefined && !this.#seen.has(thrownCause))
      kept.cause = this.errorOf(thrownCause, depth + 1);
    else if (cause !== undefined) kept.cause = this.#kept(cause, depth + 1);
    return kept;
  }

  #text(value: unknown, max = ERROR_MESSAGE_LENGTH_MAX): string {
    const text = typeof value === "string" ? value : String(value);
    const cut = cutTo(text, Math.min(max, this.#room));
    this.#room -= cut.length;
    return cut;
  }

  /** With its texts cut short where it has no room, or else left out. */
  #data(data: Json | undefined): Json | undefined {
    if (data === undefined || (isObject(data) && Object.keys(data).length === 0)) return undefined;
    const shortened = (_key: string, value: unknown): unknown =>
      typeof value === "string" ? cutTo(value, ERROR_DATA_TEXT_LENGTH_MAX) : value;
    for (const replacer of [undefined, shortened]) {
      const text = JSON.stringify(data, replacer);
      if (text === undefined || text.length > this.#room) continue;
      this.#room -= text.length;
      return JSON.parse(text) as Json;
    }
    return undefined;
  }
}

const cutTo = (text: string, max: number): string =>
  text.length <= max ? text : max === 0 ? "" : `${text.slice(0, max - 1)}…`;

/** Also of another realm, such as a test runner's. */
const isError = (thrown: unknown): thrown is Error =>
  thrown instanceof Error || Object.prototype.toString.call(thrown) === "[object Error]";

function describe(thrown: unknown): string {
  if (typeof thrown === "string") return thrown;
  try {
    return JSON.stringify(thrown) ?? String(thrown);
  } catch {
    return String(thrown);
  }
}
