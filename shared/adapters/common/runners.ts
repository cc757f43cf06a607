/** How a runner's failures are told apart, whatever way leads to it. */
import { StepfoldError } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { TURN_BYTES_MAX } from "../../core/limits.ts";

/** It may be mended by asking again. */
export const unavailable = (why: string): StepfoldError =>
  new StepfoldError("RunnerUnavailable", `The runner gave no answer: ${why}.`);

/** It is not mended by asking again. */
const refused = (status: number): StepfoldError =>
  new StepfoldError(
    "RunnerRefused",
    `The runner refused the turn with status ${status}${status < 400 ? "; redirects are not followed" : ""}. Mend the runner or its definition, then redrive the run.`,
    { status },
  );

export const answerTooLarge = (): StepfoldError =>
  new StepfoldError(
    "RunnerProtocolError",
    `The runner's answer does not hold: expected at most ${TURN_BYTES_MAX} bytes, got more.`,
    { bytesMax: TURN_BYTES_MAX },
  );

/** Too early, too many, or it took too long: by their own words they may pass. */
const PASSING = new Set([408, 425, 429]);

/** Throws for every status but those of success. */
export function checkStatus(status: number): void {
  if (status >= 200 && status < 300) return;
  if (status >= 500 || PASSING.has(status)) throw unavailable(`it answered with status ${status}`);
  throw refused(status);
}

export function jsonAnswer(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw unavailable("its answer is not JSON");
  }
}
