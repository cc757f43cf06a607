/**
 * What a runner is asked, and what it may answer: the words of the wire, checked and turned into the engine's own.
 *
 * An answer that does not hold is `RunnerProtocolError`, which names what is wrong with it: no further asking would
 * mend it. Nothing here asks anybody.
 */
import { type Duration, durationMs } from "../duration.ts";
import { type RunError, StepfoldError } from "../errors.ts";
import type { TurnAnswered } from "../events.ts";
import { checkName } from "../ids.ts";
import type { Json, JsonObject } from "../json.ts";

/** A step that has completed or an attempt of one that has failed, or an event that has come. */
export interface StepReport {
  step_id: string;
  name: string;
  status: "completed" | "failed";
  output?: Json;
  /** As the runner gave it. */
  error?: Json;
  /** ISO 8601, UTC. */
  started_at: string;
  completed_at: string;
  duration_ms?: number;
  retry_count: number;
}

/** What each turn sends. */
export interface TurnRequest {
  workflow_id: string;
  workflow_name: string;
  name: string;
  input: Json;
  current_step: number;
  completed_steps: StepReport[];
}

/** What a runner answers. */
export type TurnAction =
  | { action: "step_complete"; step_name: string; output?: Json; duration_ms?: number }
  | { action: "sleep"; duration: Duration }
  | { action: "wait_event"; event: string }
  | { action: "complete"; output?: Json }
  | { action: "fail"; error: Json; step_name: string };

/** A checked answer, as the journal has it. */
export type Answer = Pick<TurnAnswered, "action" | "step" | "failure" | "durationMs" | "signal"> & {
  output?: Json;
};

/** Throws `RunnerProtocolError`. */
export function parseAnswer(given: unknown): Answer {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw protocolError("action", `an object with an action, got ${shown(given)}`);
  const fields = given as JsonObject;
  const { action } = fields;
  switch (action) {
    case "step_complete":
      return {
        action,
        step: nameIn(fields, "step_name"),
        ...durationIn(fields),
        ...(fields.output === undefined ? {} : { output: fields.output }),
      };
    case "sleep":
      return { action, durationMs: sleepIn(fields) };
    case "wait_event":
      return { action, signal: nameIn(fields, "event") };
    case "complete":
      return { action, ...(fields.output === undefined ? {} : { output: fields.output }) };
    case "fail":
      return { action, step: nameIn(fields, "step_name"), failure: bounded(required(fields, "error")) };
    case undefined:
      throw protocolError("action", "a field action, got none");
    default:
      throw protocolError(
        "action",
        `an action of step_complete, sleep, wait_event, complete and fail, got ${shown(action)}`,
      );
  }
}

function required(fields: JsonObject, field: string): Json {
  const value = fields[field];
  if (value === undefined)
    throw protocolError(field, `a field ${field} with action ${String(fields.action)}, got none`);
  return value;
}

function nameIn(fields: JsonObject, field: string): string {
  const value = required(fields, field);
  try {
    return checkName(value, field);
  } catch {
    throw protocolError(
      field,
      `${field} to be a name of 1–128 characters without control characters, got ${shown(value)}`,
    );
  }
}

function sleepIn(fields: JsonObject): number {
  const value = required(fields, "duration");
  try {
    return durationMs(value as Duration);
  } catch {
    throw protocolError(
      "duration",
      `a duration such as "30s", "3 days" or a number of seconds, got ${shown(value)}`,
    );
  }
}

function durationIn({ duration_ms: value }: JsonObject): { durationMs?: number } {
  if (value === undefined || value === null) return {};
  if (typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER)
    return { durationMs: value };
  throw protocolError("duration_ms", `duration_ms to be a number of milliseconds, got ${shown(value)}`);
}

const protocolError = (field: string, expected: string): StepfoldError =>
  new StepfoldError("RunnerProtocolError", `The runner's answer does not hold: expected ${expected}.`, {
    field,
  });

const SHOWN_LENGTH_MAX = 100;
const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= SHOWN_LENGTH_MAX ? text : `${text.slice(0, SHOWN_LENGTH_MAX)}…`;
};

/** An error is kept in the journal, with each attempt: what is longer than this is cut. */
const FAILURE_LENGTH_MAX = 8_192;

function bounded(failure: Json): Json {
  const text = JSON.stringify(failure);
  if (text.length <= FAILURE_LENGTH_MAX) return failure;
  const { message } = isObject(failure) ? failure : { message: failure };
  return `${typeof message === "string" ? message.slice(0, FAILURE_LENGTH_MAX) : text.slice(0, FAILURE_LENGTH_MAX)}…`;
}

/** A failed step's error, from what its runner said: a text, or an object with a `name` and a `message`. */
export function stepErrorOf(failure: Json, step: string, attempts: number): RunError {
  const { name, message } = isObject(failure) ? failure : { name: undefined, message: failure };
  return {
    code: "StepFailed",
    name: typeof name === "string" && name !== "" ? name : "Error",
    message: typeof message === "string" ? message : JSON.stringify(failure),
    operation: step,
    attempts,
    ...(isObject(failure) ? { data: failure } : {}),
  };
}

const isObject = (value: Json): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
