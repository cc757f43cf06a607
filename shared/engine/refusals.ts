/** Why a request from outside is refused, beside the end of its run: each throws, or makes, the error that says so. */
import { StepfoldError } from "../core/errors.ts";
import type { RunCreated } from "../core/events.ts";
import type { RunState } from "../core/state.ts";
import type { Engine } from "./settings.ts";

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

/** A call that only runs of other drivers take. */
export function refuseWrongDriver(state: RunState, expected: readonly RunCreated["driver"][]): void {
  const { driver } = state.created;
  if (expected.includes(driver)) return;
  throw new StepfoldError(
    "WrongDriver",
    `Expected the run ${state.runId} to be ${expected.join(" or ")}, got one whose driver is ${driver}.`,
    { runId: state.runId, driver, expected: [...expected] },
  );
}

/** Once it was asked to end, a driven run goes nowhere else. */
export function refuseCancelRequested(state: RunState): void {
  if (state.cancel === undefined) return;
  const { reason } = state.cancel;
  throw new StepfoldError(
    "CancelRequested",
    `The run ${state.runId} was asked to end: end it by a cancel with {"final": true}.`,
    { runId: state.runId, ...(reason === undefined ? {} : { reason }) },
  );
}

/** Who holds the lease until when; nobody, once its time is over. */
export const leaseAt = ({ driven, at }: RunState, now: number) =>
  driven?.lease !== undefined && driven.lease.until > Math.max(at, now) ? driven.lease : undefined;

export function refuseHeld(state: RunState, token: string, now: number): void {
  const lease = leaseAt(state, now);
  if (lease === undefined || lease.token === token) return;
  throw new StepfoldError(
    "LeaseHeld",
    `Another worker holds the lease of run ${state.runId} until ${new Date(lease.until).toISOString()}.`,
    { runId: state.runId, until: new Date(lease.until).toISOString() },
  );
}

/** A worker writes only under the lease that is there now: one that is over, given back or taken is lost. */
export function refuseLost(state: RunState, generation: number, now: number): void {
  const present = leaseAt(state, now) === undefined ? undefined : state.generation;
  if (present === generation) return;
  const found = present === undefined ? "no lease that is not over" : `generation ${present}`;
  throw new StepfoldError(
    "LeaseLost",
    `Expected the run ${state.runId} under generation ${generation}, got ${found}: take the lease again.`,
    { runId: state.runId, generation, present: present ?? null },
  );
}

/** Two hashes of a declared flow that differ, and what to do about it. */
export function otherDefinition(
  recorded: string | undefined,
  found: string | undefined,
): { recorded: string; found: string; message: string } | undefined {
  if (recorded === undefined || recorded === found) return undefined;
  const message = `The run was started under the definition ${recorded}, this code has ${found ?? "none"}. Put the old definition back, or give the new one another version.`;
  return { recorded, found: found ?? "none", message };
}

/** A declared flow goes on only as the flow that it was started as. */
export function refuseOtherDefinition({ registry }: Engine, { runId, created }: RunState): void {
  const definition = registry.find(created.workflow, created.version);
  if (definition === undefined) return;
  const other = otherDefinition(created.definitionHash, definition.definitionHash);
  if (other === undefined) return;
  const { message, ...hashes } = other;
  throw new StepfoldError("DefinitionMismatch", message, { runId, ...hashes });
}
