/**
 * A remote run's turns as the leg has them: how the runner is asked, and what its answer, or its silence, comes to.
 *
 * 1. A stored answer is never asked for again; one that was not stored is, under the same id.
 * 2. A runner that is out of reach is tried again for `RUNNER_LOST_MS_MAX`, counted from the tries and the delays
 *    between them alone: neither a pause nor our own absence uses it up. No step's retries are used.
 * 3. Whether a failed step is tried again is decided here and journaled (R2).
 */
import { type RunError, StepfoldError, toRunError } from "../core/errors.ts";
import type { StepFailed, TurnAnswered, TurnUnanswered } from "../core/events.ts";
import { digest } from "../core/ids.ts";
import type { Json } from "../core/json.ts";
import { RUNNER_LOST_MS_MAX, RUNNER_RETRY_MS, RUNNER_RETRY_MS_MAX, TURN_BYTES_MAX } from "../core/limits.ts";
import type { Ask } from "../core/remote/driver.ts";
import { failedStep } from "../core/remote/fold.ts";
import { type Answer, parseAnswer, stepErrorOf } from "../core/remote/protocol.ts";
import { retryDelayMs } from "../core/retry.ts";
import type { AnyWorkflow } from "../core/workflow.ts";
import type { AttemptResult } from "./attempts.ts";
import { payloadOf } from "./load.ts";
import type { Resident } from "./residents.ts";
import type { Engine } from "./settings.ts";

/** Another turn after each redrive: what a runner has kept of an earlier one is not its answer. */
const turnId = ({ state }: Resident, operation: string): string =>
  digest("turn", state.inc, operation, state.redrives);

export function asker(engine: Engine, run: Resident, { name, runner }: AnyWorkflow): Ask {
  return async ({ operation, body }, { signal }) => {
    if (runner === undefined)
      throw new StepfoldError("RunnerUnavailable", `The workflow ${JSON.stringify(name)} has no runner.`);
    if (Buffer.byteLength(body) > TURN_BYTES_MAX)
      throw new StepfoldError(
        "TurnTooLarge",
        `Expected a turn of at most ${TURN_BYTES_MAX} bytes, got ${Buffer.byteLength(body)}: let steps answer references to what they made, or share the work among several runs.`,
        { bytes: Buffer.byteLength(body), bytesMax: TURN_BYTES_MAX },
      );
    const turn = { id: turnId(run, operation), runId: run.state.runId, workflow: name, body };
    return parseAnswer(await engine.runners.ask(runner, turn, signal)) as unknown as Json;
  };
}

/** The answer as the journal has it, and the output that it reports. */
export async function answeredTurn(
  engine: Engine,
  run: Resident,
  { attempt, text }: AttemptResult & { ok: true },
  now: number,
): Promise<{ event: TurnAnswered; output: Json | undefined }> {
  const { output, ...said } = JSON.parse(text!) as Answer;
  const event: TurnAnswered = { type: "TurnAnswered", operation: attempt.operation, ...said };
  if (said.action === "fail") {
    const failures = (failedStep(run.state, said.step)?.failures ?? 0) + 1;
    const error = stepErrorOf(said.failure!, said.step!, failures);
    const delayMs = retryDelayMs(attempt.work.policy, { attempt: failures, error }, engine.clock.random());
    if (delayMs !== undefined) event.nextAttemptAt = now + delayMs;
  }
  if (output !== undefined && said.action !== "complete")
    event.output = await payloadOf(engine, run.header, output, JSON.stringify(output));
  return { event, output };
}

/** What no asking again would mend. */
const FINAL = new Set(["RunnerProtocolError", "RunnerRefused", "TurnTooLarge"]);

const PATIENCE = {
  maxAttempts: Number.POSITIVE_INFINITY,
  initialDelayMs: RUNNER_RETRY_MS,
  maxDelayMs: RUNNER_RETRY_MS_MAX,
  backoff: 2,
  jitter: "full" as const,
  nonRetryable: [],
};

export function unansweredTurn(
  engine: Engine,
  run: Resident,
  { attempt, error }: AttemptResult & { ok: false },
  now: number,
): TurnUnanswered | StepFailed {
  const { operation, attempt: number, work } = attempt;
  if (FINAL.has(error.code)) return { type: "StepFailed", operation, error };
  const turn = run.state.operations.get(operation)!;
  // A process that died had the runner asked for nobody knows how long.
  const tookMs =
    error.code === "LegCrashed" ? 0 : Math.min(Math.max(0, now - (turn.attemptAt ?? now)), work.timeoutMs);
  const lostMs = (turn.lostMs ?? 0) + tookMs;
  const delayMs = retryDelayMs(PATIENCE, { attempt: number, error }, engine.clock.random());
  const leftMs = RUNNER_LOST_MS_MAX - lostMs;
  if (delayMs === undefined || leftMs <= 0)
    return { type: "StepFailed", operation, error: outOfReach(run, error, number) };
  const waitMs = Math.min(Math.max(1, delayMs), leftMs);
  return {
    type: "TurnUnanswered",
    operation,
    attempt: number,
    error,
    nextAttemptAt: now + waitMs,
    lostMs: lostMs + waitMs,
  };
}

function outOfReach({ state }: Resident, cause: RunError, attempts: number): RunError {
  const minutes = RUNNER_LOST_MS_MAX / 60_000;
  const { code, name, message } = toRunError(
    new StepfoldError(
      "RunnerUnavailable",
      `The runner of ${JSON.stringify(state.created.workflow)} was out of reach for ${minutes} minutes: ${cause.message} Redrive the run once it is back.`,
    ),
  );
  return { code, name, message, operation: cause.operation, attempts, cause };
}
