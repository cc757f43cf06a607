/** Values from requests as the journal keeps them: a large one is stored before the request is decided. */
import { type RunError, StepfoldError } from "../../core/errors.ts";
import type { Json, Payload } from "../../core/json.ts";
import { ENTRY_BYTES_MAX } from "../../core/limits.ts";
import { isInline, payloadOf } from "../load.ts";
import { runNotFound } from "../outside.ts";
import type { Engine } from "../settings.ts";

/** `undefined` for no value. The run's header is read only where there is a blob to put under it. */
export async function payloadFor(
  engine: Engine,
  runId: string,
  value: Json | undefined,
): Promise<Payload | undefined> {
  if (value === undefined) return undefined;
  const text = JSON.stringify(value);
  if (isInline(text)) return { v: value };
  const header = await engine.journal.header(runId, { consistent: true });
  if (header === undefined) throw runNotFound(runId);
  return payloadOf(engine, header, value, text);
}

/** An error as a caller gives it: a text, or any part of what a run's error has. */
export type GivenError = string | (Partial<RunError> & { message: string });

export function runErrorOf(given: GivenError | undefined, operation?: string): RunError | undefined {
  if (given === undefined) return undefined;
  const { code, name, ...rest } =
    typeof given === "string" ? ({ message: given } as Partial<RunError> & { message: string }) : given;
  const at = operation === undefined ? {} : { operation };
  return { code: code ?? "StepFailed", name: name ?? code ?? "Error", ...at, ...rest };
}

/** Events that one entry must hold: nothing of a refused request may be there. */
export function refuseTooLarge(what: unknown): void {
  const bytes = Buffer.byteLength(JSON.stringify(what));
  if (bytes <= ENTRY_BYTES_MAX) return;
  throw new StepfoldError(
    "PayloadTooLarge",
    `Expected what is written at once to be at most ${ENTRY_BYTES_MAX} bytes, got ${bytes}: send it in parts.`,
    { bytes, bytesMax: ENTRY_BYTES_MAX },
  );
}
