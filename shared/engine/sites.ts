/**
 * Where the items of a map come from in the runs that work on it: its mapping run, replayed.
 *
 * 1. The mapping run's journal up to where the map began, fed to its code, gives the very array and callback that it
 *    called `run.map` with. Nothing of it is stored or sent; nothing is written. What came after is of no concern, even
 *    if the code would do otherwise now.
 * 2. What such a replay has brought forth takes no more operations: an item's callback has a run of its own.
 * 3. A process keeps a bounded number of sites, so that the leaves that it works on replay the mapping run once.
 */
import { StepfoldError } from "../core/errors.ts";
import type { Entry, MapNode } from "../core/events.ts";
import { fold } from "../core/fold.ts";
import type { MapSite } from "../core/maps.ts";
import { replay } from "../core/replay.ts";
import type { RunState } from "../core/state.ts";
import { hydrateFrom, newExecution, type Stage } from "./executions.ts";
import { entriesOf } from "./load.ts";

export class Sites {
  readonly #max: number;
  readonly #kept = new Map<string, Promise<MapSite>>();

  constructor(max: number) {
    this.#max = max;
  }

  /** One replay for all that ask at once. A replay that fails is kept for nobody. */
  async get(key: string, make: () => Promise<MapSite>): Promise<MapSite> {
    const site = this.#kept.get(key) ?? make();
    this.#kept.delete(key);
    this.#kept.set(key, site);
    if (this.#kept.size > this.#max) this.#kept.delete(this.#kept.keys().next().value as string);
    try {
      return await site;
    } catch (error) {
      if (this.#kept.get(key) === site) this.#kept.delete(key);
      throw error;
    }
  }
}

/** The mapping run of a node is gone, or is not the one that it was: its items cannot be told. */
export class MapSiteLost extends StepfoldError {
  constructor(runId: string, operation: string) {
    super(
      "MapSiteLost",
      `The run ${runId}, whose map ${operation} this run works on, is no longer there: without it nobody knows the items.`,
      { runId, operation },
    );
  }
}

export function siteOf(stage: Stage, state: RunState, node: MapNode): Promise<MapSite> {
  const runId = node.mapper ?? state.created.parent!.runId;
  const { inc, operation, sequence } = node;
  return stage.sites.get(JSON.stringify([runId, inc, operation, sequence]), () =>
    replayed(stage, runId, node),
  );
}

async function replayed(stage: Stage, runId: string, node: MapNode): Promise<MapSite> {
  const { operation, inc, sequence } = node;
  const header = await stage.journal.header(runId, { consistent: true });
  const entries = header?.inc === inc ? await entriesUpTo(stage, runId, sequence) : [];
  if (entries.at(-1)?.sequence !== sequence) throw new MapSiteLost(runId, operation);
  const run = { state: fold({ runId, inc }, entries) };
  const { history } = run.state;
  const begun = history.findLastIndex(
    ({ event }) => event.type === "BranchesStarted" && event.operation === operation,
  );
  run.state.history = history.slice(0, begun + 1);
  const { workflow, version } = run.state.created;
  const definition = stage.registry.find(workflow, version);
  if (definition === undefined) throw new MapSiteLost(runId, operation);
  const execution = await newExecution(stage, definition, run);
  await replay(execution, run.state, hydrateFrom(stage, run));
  execution.frozen = true;
  const site = execution.sites.get(operation);
  if (site === undefined) throw new MapSiteLost(runId, operation);
  return site;
}

async function entriesUpTo(stage: Stage, runId: string, sequence: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of entriesOf(stage, runId)) {
    entries.push(entry);
    if (entry.sequence === sequence) break;
  }
  return entries;
}
