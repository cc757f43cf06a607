/** Why a request from outside is refused, beside the end of its run: each throws, or makes, the error that says so. */
import { StepfoldError } from "../core/errors.ts";
import type { RunState } from "../core/state.ts";

export function refuseStale(state: RunState, ifMatch: number | undefined): void {
  if (ifMatch === undefined || ifMatch === state.sequence) return;
  throw new StepfoldError(
    "StaleRevision",
    `Expected the run ${state.runId} at revision ${ifMatch}, got ${state.sequence}.`,
    { expected: ifMatch, found: state.sequence },
  );
}

export function notWaiting(state: RunState, what: string): StepfoldError {
  const waitingFor = [...state.open.values()]
    .filter(({ status }) => status === "waiting")
    .map(({ name, kind }) => ({ name, kind }));
  return new StepfoldError("NotWaiting", `The run ${state.runId} does not wait for ${what}.`, {
    runId: state.runId,
    waitingFor,
  });
}
