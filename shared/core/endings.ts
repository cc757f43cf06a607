/** How runs end. */
import type { RunError } from "./errors.ts";
import type { Ending } from "./events.ts";
import { successorRunId } from "./ids.ts";
import type { Json } from "./json.ts";

/** Thrown through user code by `continueAsNew`. */
export class Continuation extends Error {
  readonly input: Json | undefined;
  constructor(input: Json | undefined) {
    super("The run goes on as another: let this pass.");
    this.input = input;
  }
}

/** The run goes on as another. */
export const continued = (inc: string, input: Json | undefined): Ending => ({
  type: "RunContinued",
  nextRunId: successorRunId(inc),
  ...(input === undefined ? {} : { input: { v: input } }),
});

export const runTimedOut = (): RunError => ({
  code: "RunTimedOut",
  name: "RunTimedOut",
  message: "The run's deadline has passed.",
});

/** How a run ends whose code has ended: by what cut it short, or else by its own outcome. */
export function endingOf(
  interruption: "cancelled" | "timedOut" | undefined,
  error: RunError | undefined,
  output: Json | undefined,
): Ending {
  if (interruption === "timedOut") return { type: "RunTimedOut", error: error ?? runTimedOut() };
  if (interruption === "cancelled")
    return error === undefined || error.code === "RunCancelled"
      ? { type: "RunCancelled" }
      : { type: "RunCancelled", error };
  if (error !== undefined) return { type: "RunFailed", error };
  return output === undefined ? { type: "RunCompleted" } : { type: "RunCompleted", output: { v: output } };
}

export const historyLimitExceeded = (workflow: string, limit: number): RunError => ({
  code: "HistoryLimitExceeded",
  name: "HistoryLimitExceeded",
  message: `The run's journal has ${limit} entries, the most that the workflow ${JSON.stringify(workflow)} allows (historyLimit). Let it go on as a new run before that, by run.continueAsNew; or raise historyLimit and redrive the run.`,
  data: { limit },
});
