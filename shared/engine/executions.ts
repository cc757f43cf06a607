/**
 * A run's code, called anew: the execution that a leg, or whoever repeats a journal, brings to where the journal is.
 *
 * 1. A run that works on another's map has that map's items and code from there (`sites.ts`).
 * 2. What the journal says of the past is looked up in the run's present state, which a lost race for a sequence
 *    may have folded anew.
 */
import type { Log } from "../core/context.ts";
import type { Delivery } from "../core/events.ts";
import { Execution, type ExecutionOptions, type Outcome } from "../core/execution.ts";
import type { Json, Payload } from "../core/json.ts";
import { LEG_CLOSING_MS } from "../core/limits.ts";
import { isLeaf, type MapLimits } from "../core/maps.ts";
import { type Hydrate, mergedState } from "../core/replay.ts";
import type { RunState } from "../core/state.ts";
import type { AnyWorkflow, Registry } from "../core/workflow.ts";
import type { BlobStore } from "../ports/blobs.ts";
import type { JournalStore } from "../ports/journal.ts";
import { readPayload } from "./load.ts";
import { type Sites, siteOf } from "./sites.ts";

/** The part of an engine that a replay needs. */
export interface Stage {
  journal: JournalStore;
  blobs: BlobStore;
  registry: Registry;
  sites: Sites;
  log: Log;
  settings: { legMs: number; maps: MapLimits };
}

export async function newExecution(
  stage: Stage,
  definition: AnyWorkflow,
  run: { state: RunState },
  ask?: ExecutionOptions["ask"],
): Promise<Execution> {
  const { created, runId, inc, markers } = run.state;
  const { node } = created;
  const site = node !== undefined && isLeaf(node) ? await siteOf(stage, run.state, node) : undefined;
  const payload = (of: Payload | undefined) => readPayload(stage, of);
  return new Execution(definition, {
    runId,
    inc,
    dryRun: created.dryRun === true,
    input: await payload(created.input),
    state: created.state === undefined ? {} : await mergedState([created.state], { payload }),
    markers,
    legMs: stage.settings.legMs - LEG_CLOSING_MS,
    log: stage.log,
    redrivesOf: (operation) => run.state.operations.get(operation)?.redrives ?? 0,
    mapLimits: stage.settings.maps,
    ...recordedIn(run),
    ...(ask === undefined ? {} : { ask }),
    ...(node === undefined ? {} : { node: { node, site } }),
  });
}

/** What has been decided before about maps and their items. */
export const recordedIn = (run: { state: RunState }): Pick<ExecutionOptions, "recordedMap" | "isKept"> => ({
  recordedMap: (operation) => {
    const recorded = run.state.operations.get(operation);
    return recorded === undefined ? undefined : (recorded.tree ?? "inLeg");
  },
  isKept: (operation) => run.state.kept.has(operation) || run.state.operations.get(operation)?.kept === true,
});

/** What the journal's deliveries hand to the code. */
export function hydrateFrom(stage: Pick<Stage, "blobs">, run: { state: RunState }): Hydrate {
  return {
    payload: (payload) => readPayload(stage, payload),
    outcome: (event) => outcomeOf(stage, run, event),
  };
}

async function outcomeOf(
  stage: Pick<Stage, "blobs">,
  run: { state: RunState },
  event: Delivery,
): Promise<Outcome> {
  if (!("operation" in event)) return {};
  const { status, output, error } = run.state.operations.get(event.operation)!;
  if (event.type === "SignalTimedOut" || (error !== undefined && status === "failed"))
    return { error: error! };
  const value: Json | undefined =
    output === undefined || "v" in output ? output?.v : await readPayload(stage, output);
  return { value };
}
