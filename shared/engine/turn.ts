/**
 * A run of the engine's own that waits for others' ends, and then starts the next: how a schedule's time waits its
 * turn. It looks more and more seldom, anew from often whenever somebody before it is done, and goes on with a fresh
 * journal before that grows long.
 */
import { type AnyWorkflow, workflow } from "../core/workflow.ts";
import { loadRun } from "./load.ts";
import type { Engine } from "./settings.ts";
import { type StartRequest, start } from "./start.ts";

export const TURN = "stepfold.turn";

export interface TurnInput {
  /** The runs whose ends are waited for, one after the other. */
  after: string[];
  request: StartRequest;
  /** How often it has looked in vain for the first of them. */
  looks: number;
}

const LOOKS_PER_RUN = 200;
const LOOK_AGAIN_MS = 5_000;
const LOOK_AGAIN_MS_MAX = 5 * 60_000;
/** By which a start is refused for good. */
const REFUSALS = ["WorkflowNotFound", "InvalidInput", "InvalidName", "IdempotencyConflict"];
const patient = { maxAttempts: 1_000, initialDelay: "1s", maxDelay: "1m", backoff: 2 } as const;

export const turnWorkflow = (engine: Engine): AnyWorkflow =>
  workflow(TURN, async (run, { after, request, looks }: TurnInput) => {
    let line = after;
    let vain = looks;
    for (let look = 0; look < LOOKS_PER_RUN; look++) {
      const over = await run.step("look", () => overBefore(engine, line), { retry: patient });
      line = line.slice(over);
      if (line.length === 0) {
        const runId = await run.step("start", async () => (await start(engine, request)).state.runId, {
          retry: { ...patient, nonRetryable: REFUSALS },
        });
        return { started: runId };
      }
      vain = over === 0 ? vain + 1 : 0;
      await run.sleep("wait", Math.min(LOOK_AGAIN_MS * 1.2 ** vain, LOOK_AGAIN_MS_MAX) / 1_000);
    }
    return run.continueAsNew({ after: line, request, looks: vain });
  });

/** How many of these runs are over before the first that is not. */
export async function overBefore(engine: Engine, runIds: readonly string[]): Promise<number> {
  for (const [at, runId] of runIds.entries()) if (await isUnfinished(engine, runId)) return at;
  return runIds.length;
}

/** Whether a run, or the last of those that it continued as, is there and not finished. */
async function isUnfinished(engine: Engine, runId: string): Promise<boolean> {
  const run = await loadRun(engine, runId, { consistent: true });
  if (run === undefined) return false;
  const { finished, continuedTo } = run.state;
  if (finished === undefined) return true;
  return continuedTo === undefined ? false : isUnfinished(engine, continuedTo);
}
