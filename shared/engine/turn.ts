/**
 * A run of the engine's own that waits for another run's end, and then starts the next: how a schedule's time waits
 * its turn. It looks more and more seldom, and goes on with a fresh journal before that grows long.
 */
import { type AnyWorkflow, workflow } from "../core/workflow.ts";
import { loadRun } from "./load.ts";
import type { Engine } from "./settings.ts";
import { type StartRequest, start } from "./start.ts";

export const TURN = "stepfold.turn";

export interface TurnInput {
  /** The run whose end is waited for. */
  after: string;
  request: StartRequest;
  /** How often it has looked already. */
  looks: number;
}

const LOOKS_PER_RUN = 200;
const LOOK_AGAIN_MS = 5_000;
const LOOK_AGAIN_MS_MAX = 5 * 60_000;
/** By which a start is refused for good. */
const REFUSALS = ["WorkflowNotFound", "InvalidInput", "InvalidName", "IdempotencyConflict"];
const patient = { maxAttempts: 1_000, initialDelay: "1s", maxDelay: "1m", backoff: 2 } as const;

export const turnWorkflow = (engine: Engine): AnyWorkflow =>
  workflow(TURN, async (run, input: TurnInput) => {
    const { after, request } = input;
    const until = input.looks + LOOKS_PER_RUN;
    for (let looks = input.looks; looks < until; looks++) {
      const isOver = await run.step("look", async () => !(await isUnfinished(engine, after)), {
        retry: patient,
      });
      if (isOver) {
        const runId = await run.step("start", async () => (await start(engine, request)).state.runId, {
          retry: { ...patient, nonRetryable: REFUSALS },
        });
        return { started: runId };
      }
      await run.sleep("wait", Math.min(LOOK_AGAIN_MS * 1.2 ** looks, LOOK_AGAIN_MS_MAX) / 1_000);
    }
    return run.continueAsNew({ ...input, looks: until });
  });

/** Whether a run, or the last of those that it continued as, is there and not finished. */
export async function isUnfinished(engine: Engine, runId: string): Promise<boolean> {
  const run = await loadRun(engine, runId, { consistent: true });
  if (run === undefined) return false;
  const { finished, continuedTo } = run.state;
  if (finished === undefined) return true;
  return continuedTo === undefined ? false : isUnfinished(engine, continuedTo);
}
