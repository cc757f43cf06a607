/** `If-Match` for writes that are no append of their own. */
import { StepfoldError } from "../../core/errors.ts";
import { loadRun } from "../../engine/load.ts";
import type { Engine } from "../../engine/settings.ts";

/** Throws `StaleRevision` unless the run, if there is one, is at the revision that the caller has seen. */
export async function checkRevision(
  engine: Engine,
  runId: string,
  ifMatch: number | undefined,
): Promise<void> {
  if (ifMatch === undefined) return;
  const run = await loadRun(engine, runId, { consistent: true });
  const found = run?.state.sequence ?? ifMatch;
  if (found === ifMatch) return;
  throw new StepfoldError(
    "StaleRevision",
    `Expected the run ${runId} at revision ${ifMatch}, got ${found}.`,
    {
      expected: ifMatch,
      found,
    },
  );
}
