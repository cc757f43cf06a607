/**
 * `run.map`: the same code over many items, in the leg or spread over a tree of runs.
 *
 * 1. Few items are scopes of the run itself. Many are cut into leaves of `batch` items, each a child run; where a
 *    run would have more than `fanOut` children, runs that only start others come between.
 * 2. Neither items nor code travel: a leaf takes both from its mapping run, replayed (`MapSite`). So what the items
 *    are made of must be the run's input and results, and a digest in the journal holds the code to that.
 * 3. In a leaf each item is an operation with a result of its own, which a redrive keeps.
 * 4. How a map is spread is decided once and journaled (R2).
 */
import { createHash } from "node:crypto";
import type { MapCounts, MapOptions, RunContext } from "./context.ts";
import { OperationError, type RunError, StepfoldError, toRunError } from "./errors.ts";
import type { MapNode, MapPart, MapTree } from "./events.ts";
import type { Execution } from "./execution.ts";
import { mapped, toleranceExceeded, toleratedOf } from "./forks.ts";
import { nodeRunId } from "./ids.ts";
import { type Json, type JsonObject, toJson } from "./json.ts";
import { MAP_BATCH, MAP_BATCH_MAX, MAP_FAN_OUT_MAX, MAP_IN_LEG_MAX } from "./limits.ts";
import { Scope } from "./scope.ts";

/** From how many items on, and how, maps are spread. */
export interface MapLimits {
  inLegMax: number;
  batch: number;
  fanOut: number;
}
export const mapLimits: MapLimits = {
  inLegMax: MAP_IN_LEG_MAX,
  batch: MAP_BATCH,
  fanOut: MAP_FAN_OUT_MAX,
};

export type ItemWork = (run: RunContext, item: never, index: number) => unknown;

/** A call of `run.map`, as its run's code made it. */
export interface MapCall {
  name: string;
  items: readonly unknown[];
  work: ItemWork;
  options: MapOptions;
}

/** What a leaf needs of the run that maps. */
export interface MapSite extends MapCall {
  digest: string;
  /** The published state as the map began. */
  state: JsonObject;
}

/** What a node answers to its parent. */
export type NodeOutput = { results?: Json[]; failed: number; error?: RunError; undoable?: true };

type Begun = { operation: string; name: string; parent?: string };
export type ScopedRunOf = (scope: Scope) => RunContext;

/** A map of the run's own. */
export async function mapItems(
  execution: Execution,
  begun: Begun,
  call: MapCall,
  scoped: ScopedRunOf,
): Promise<unknown> {
  const tree = treeOf(execution, begun.operation, call);
  if (tree === undefined) return mapInLeg(execution, begun, call, scoped);
  const { items, work, options } = call;
  execution.issue({ type: "BranchesStarted", ...begun, kind: "map", branches: [], tree });
  const { digest } = tree;
  execution.sites.set(begun.operation, {
    name: begun.name,
    items,
    work,
    options,
    digest,
    state: execution.visible,
  });
  const whole = { from: 0, to: tree.count, ...shareOf(tree.concurrency) };
  const { results = [], failed } = await mapParts(execution, begun, tree, whole);
  return tree.counts ? ({ completed: tree.count - failed, failed } satisfies MapCounts) : results;
}

/** Undefined for a map that runs in the leg. */
function treeOf(execution: Execution, operation: string, call: MapCall): MapTree | undefined {
  const { items, name, options } = call;
  const tolerated = toleratedOf(name, items.length, options.tolerate ?? 0);
  const { concurrency, batch, checkpoint, result } = options;
  checkWhole(name, "batch", batch, MAP_BATCH_MAX);
  checkWhole(name, "checkpoint", checkpoint, MAP_BATCH_MAX);
  if (items.length > 0) checkWhole(name, "concurrency", concurrency);
  if (result !== undefined && result !== "inline" && result !== "counts")
    throw new StepfoldError(
      "InvalidOptions",
      `Expected the result of map ${JSON.stringify(name)} to be "inline" or "counts", got ${JSON.stringify(result)}.`,
    );
  const recorded = execution.options.recordedMap?.(operation);
  if (recorded === "inLeg") return undefined;
  if (recorded !== undefined) return { ...recorded, count: items.length, digest: digestOf(items) };
  const limits = execution.options.mapLimits ?? mapLimits;
  const isMany = items.length > limits.inLegMax || batch !== undefined || checkpoint !== undefined;
  if (!isMany || items.length === 0) return undefined;
  return {
    count: items.length,
    digest: digestOf(items),
    batch: batch ?? limits.batch,
    fanOut: limits.fanOut,
    tolerated,
    ...shareOf(concurrency),
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(result === "counts" ? { counts: true } : {}),
  };
}

function checkWhole(name: string, option: string, value: number | undefined, max?: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= 1 && value <= (max ?? value))) return;
  const range = max === undefined ? "from 1" : `from 1 to ${max}`;
  throw new StepfoldError(
    "InvalidOptions",
    `Expected the ${option} of map ${JSON.stringify(name)} to be a whole number ${range}, got ${value}.`,
  );
}

/** Of the items as JSON; what has no JSON counts by its place alone. */
function digestOf(items: readonly unknown[]): string {
  const hash = createHash("sha256");
  for (const item of items) hash.update(`${jsonOf(item)}\n`);
  return hash.digest("base64url").slice(0, 22);
}

function jsonOf(item: unknown): string {
  try {
    return JSON.stringify(item, (_key, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
  } catch {
    return "?";
  }
}

async function mapInLeg(
  execution: Execution,
  begun: Begun,
  { name, items, work, options }: MapCall,
  scoped: ScopedRunOf,
): Promise<unknown> {
  const tolerated = toleratedOf(name, items.length, options.tolerate ?? 0);
  execution.issue({ type: "BranchesStarted", ...begun, kind: "map", branches: [] });
  execution.openFork(begun.operation);
  const scopes = items.map((_item, index) => new Scope(`${begun.operation}/${index}/`, begun.operation));
  const one = async (at: number) => work(scoped(scopes[at]!), items[at] as never, at);
  const isCut = execution.watchFork(begun.operation);
  try {
    const { results, failures } = await mapped(
      items.length,
      one,
      options.concurrency,
      tolerated,
      name,
      isCut,
    );
    execution.closeScopes(begun.operation, scopes);
    if (options.result !== "counts") return results;
    const failed = failures.length;
    return { completed: items.length - failed, failed } satisfies MapCounts;
  } catch (thrown) {
    execution.closeScopes(begun.operation, scopes, toRunError(thrown));
    throw thrown;
  }
}

// ——— a tree's runs ———

/** The work of a run of a map's tree. */
export async function workNode(
  execution: Execution,
  node: MapNode,
  site: MapSite | undefined,
  scoped: ScopedRunOf,
): Promise<NodeOutput> {
  const begun = { operation: "1", name: node.name };
  execution.issue({ type: "BranchesStarted", ...begun, kind: "map", branches: [] });
  const output =
    site === undefined
      ? await mapParts(execution, begun, node.tree, node)
      : await mapLeaf(execution, begun, node, site, scoped);
  return execution.ledger.isEmpty ? output : { ...output, undoable: true };
}

export const isLeaf = ({ from, to, tree }: MapNode): boolean => to - from <= tree.batch;

/** The children that items are divided among: as few levels as the fan-out allows. */
export function partsOf(
  { from, to }: MapPart,
  { batch, fanOut }: Pick<MapTree, "batch" | "fanOut">,
): MapPart[] {
  let span = batch;
  while (to - from > span * fanOut) span *= fanOut;
  const parts: MapPart[] = [];
  for (let at = from; at < to; at += span) parts.push({ from: at, to: Math.min(to, at + span) });
  return parts;
}

/** How many of the parts run at once, each with what share of the concurrency. */
export function sharesOf(
  parts: readonly MapPart[],
  concurrency: number | undefined,
): { atOnce: number; share: number | undefined } {
  if (concurrency === undefined) return { atOnce: parts.length, share: undefined };
  const span = parts[0]!.to - parts[0]!.from;
  const atOnce = Math.min(parts.length, Math.ceil(concurrency / span));
  return { atOnce, share: Math.floor(concurrency / atOnce) };
}

const shareOf = (concurrency: number | undefined): { concurrency?: number } =>
  concurrency === undefined ? {} : { concurrency };

async function mapParts(
  execution: Execution,
  begun: Begun,
  tree: MapTree,
  whole: MapPart,
): Promise<NodeOutput> {
  const parts = partsOf(whole, tree);
  const { atOnce, share } = sharesOf(parts, whole.concurrency);
  const outputs: NodeOutput[] = [];
  execution.openFork(begun.operation);
  const isCut = execution.watchFork(begun.operation);
  let [next, failed] = [0, 0];
  let error: RunError | undefined;
  const worker = async (): Promise<void> => {
    while (next < parts.length) {
      const at = next++;
      const output = await partOf(execution, begun, tree, { ...parts[at]!, ...shareOf(share) }, isCut);
      outputs[at] = output;
      failed += output.failed;
      error = output.error ?? error;
      if (failed > tree.tolerated) throw toleranceExceeded(begun.name, failed, tree.tolerated, error);
    }
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, worker));
    execution.closeTree(begun.operation);
  } catch (thrown) {
    execution.closeTree(begun.operation, toRunError(thrown));
    throw thrown;
  }
  return joinedOutput(outputs, parts, tree, failed, error);
}

/** One child's output. A child that failed as a whole counts as all its items failed, or as many as it had counted. */
async function partOf(
  execution: Execution,
  begun: Begun,
  tree: MapTree,
  part: MapPart,
  isCut: () => boolean,
): Promise<NodeOutput> {
  const { definition, options } = execution;
  const operation = `${begun.operation}/${part.from}-${part.to - 1}`;
  const name = `${begun.name}[${part.from}-${part.to - 1}]`;
  const childRunId = nodeRunId(options.inc, operation, tree.digest);
  execution.issue({
    type: "ChildStarted",
    operation,
    name,
    parent: begun.operation,
    workflow: definition.name,
    version: definition.version,
    childRunId,
    node: part,
  });
  try {
    execution.ledger.begin(operation, { name, childRunId });
    return await execution.pend<NodeOutput>(operation, new Scope("", begun.operation));
  } catch (thrown) {
    if (isCut()) throw thrown;
    const error = toRunError(thrown);
    const exceeded = error.cause?.code === "ToleranceExceeded" ? error.cause : undefined;
    const counted = (exceeded?.data as { failed?: number } | undefined)?.failed;
    return { failed: counted ?? part.to - part.from, error: exceeded?.cause ?? error };
  }
}

function joinedOutput(
  outputs: readonly NodeOutput[],
  parts: readonly MapPart[],
  tree: MapTree,
  failed: number,
  error: RunError | undefined,
): NodeOutput {
  const last = error === undefined ? {} : { error };
  if (tree.counts) return { failed, ...last };
  const results = outputs.flatMap(
    ({ results }, at) => results ?? new Array<Json>(parts[at]!.to - parts[at]!.from).fill(null),
  );
  return { results, failed, ...last };
}

async function mapLeaf(
  execution: Execution,
  begun: Begun,
  node: MapNode,
  site: MapSite,
  scoped: ScopedRunOf,
): Promise<NodeOutput> {
  const { from, to, tree, name } = node;
  execution.openFork(begun.operation);
  const isCut = execution.watchFork(begun.operation);
  const scopes: Scope[] = [];
  const one = (at: number): Promise<Json> => {
    const operation = `${begun.operation}/${from + at}`;
    const scope = new Scope(`${operation}/`, operation);
    scopes.push(scope);
    return itemOf(
      execution,
      { operation, name: `${name}[${from + at}]`, parent: begun.operation },
      isCut,
      () => site.work(scoped(scope), plainCopy(site.items[from + at]) as never, from + at),
    );
  };
  const close = (error?: RunError): void => {
    for (const scope of scopes) scope.closed = true;
    execution.closeTree(begun.operation, error);
  };
  try {
    const { results, failures } = await mapped(to - from, one, node.concurrency, tree.tolerated, name, isCut);
    close();
    const failed = failures.length;
    const last = failed === 0 ? {} : { error: failures.at(-1)! };
    return tree.counts ? { failed, ...last } : { results, failed, ...last };
  } catch (thrown) {
    close(toRunError(thrown));
    throw thrown;
  }
}

/** One item as an operation. What a cancel cuts off is settled by nothing but the end of the map. */
async function itemOf(
  execution: Execution,
  begun: Required<Begun>,
  isCut: () => boolean,
  work: () => unknown,
): Promise<Json> {
  const { operation, name } = begun;
  execution.issue({ type: "ItemStarted", ...begun });
  if (execution.options.isKept?.(operation))
    return (await execution.pend<Json | undefined>(operation, new Scope("", begun.parent))) ?? null;
  execution.openFork(operation);
  try {
    const output = toJson(await work(), `the result of item ${JSON.stringify(name)}`);
    if (!execution.closeFork(operation))
      throw new OperationError({
        code: "OperationCancelled",
        name: "OperationCancelled",
        message: `The item ${name} came too late.`,
      });
    execution.issue({
      type: "ItemSettled",
      operation,
      ...(output === undefined ? {} : { output: { v: output } }),
    });
    return output ?? null;
  } catch (thrown) {
    if (!isCut() && execution.closeFork(operation))
      execution.issue({ type: "ItemSettled", operation, error: toRunError(thrown) });
    throw thrown;
  }
}

/** Plain data by copy, so that no leaf sees what another's callback did to it; anything else as it is. What it refers to
 * twice, or in a circle, stays one. */
function plainCopy(value: unknown, copies = new Map<object, unknown>()): unknown {
  if (typeof value !== "object" || value === null) return value;
  const known = copies.get(value);
  if (known !== undefined) return known;
  if (Array.isArray(value)) {
    const list = new Array<unknown>(value.length);
    copies.set(value, list);
    value.forEach((inner, at) => {
      list[at] = plainCopy(inner, copies);
    });
    return list;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  const copy = {};
  copies.set(value, copy);
  const attributes = { writable: true, enumerable: true, configurable: true };
  for (const [key, inner] of Object.entries(value))
    Object.defineProperty(copy, key, { ...attributes, value: plainCopy(inner, copies) });
  return copy;
}
