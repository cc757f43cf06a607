/** A run as the API shows it: whole from its state, in lists from its header. */
import type { Json, JsonObject, Payload } from "../../core/json.ts";
import { type RunState, statusOf, wakeAtOf } from "../../core/state.ts";
import { payloadOf, readPayload } from "../../engine/load.ts";
import { leaseAt } from "../../engine/refusals.ts";
import type { Engine } from "../../engine/settings.ts";
import type { Header } from "../../ports/journal.ts";
import { addUsage, noUsage, priceOf } from "../../ports/meter.ts";
import type { RunSummary, RunView } from "../schemas/runs.ts";
import { endOf } from "./operations.ts";
import { Budget, iso, isoIf } from "./payloads.ts";

export async function runView(engine: Engine, state: RunState, header?: Header): Promise<RunView> {
  const { created, finished } = state;
  // All at once: whoever goes on with this run may change the state while its payloads are read.
  const facts = factsOf(engine, state, header);
  const [wait, patches] = [state.driven?.wait, [...state.patches]];
  const budget = new Budget(engine);
  // In this order: the output is inline whenever it may be.
  const output = await budget.show(finished?.output);
  const input = (await budget.show(created.input)) ?? null;
  const definition = await budget.show(created.definition);
  const published = await stateView(engine, state, patches, budget);
  return { ...facts, wait: await budget.show(wait), definition, input, output, state: published };
}

type Facts = Omit<RunView, "wait" | "definition" | "input" | "output" | "state">;

function factsOf(engine: Engine, state: RunState, header: Header | undefined): Facts {
  const { created, finished } = state;
  return {
    runId: state.runId,
    workflow: created.workflow,
    version: created.version,
    definitionHash: created.definitionHash,
    driver: created.driver,
    status: statusOf(state),
    residency: residencyOf(engine, state),
    revision: state.sequence,
    generation: state.generation,
    ...givenAtStart(created),
    step: state.step,
    error: finished?.error,
    waitingFor: waitingFor(state),
    wakeAt: isoIf(wakeAtOf(state)),
    createdAt: iso(state.createdAt),
    startedAt: isoIf(state.startedAt),
    updatedAt: iso(state.at),
    finishedAt: isoIf(finished?.at),
    cancel: requestView(state.cancel),
    pause: requestView(state.pause),
    continuedTo: state.continuedTo,
    uncompensated: state.uncompensated.length > 0 ? [...state.uncompensated] : undefined,
    stalled: stalledView(state),
    retryCount: state.retryCount,
    cost: costView(state, header),
  };
}

export function runSummary(header: Header): RunSummary {
  const { created } = header;
  return {
    runId: header.runId,
    workflow: created.workflow,
    version: created.version,
    definitionHash: created.definitionHash,
    driver: created.driver,
    status: header.status,
    revision: header.headerSequence,
    ...givenAtStart(created),
    step: created.step,
    wakeAt: isoIf(header.wakeAt),
    createdAt: iso(header.createdAt),
    startedAt: isoIf(header.startedAt),
    updatedAt: iso(header.updatedAt),
    finishedAt: isoIf(header.finishedAt),
    stalled: header.stalled ? true : undefined,
  };
}

const givenAtStart = (created: RunState["created"]) => ({
  owner: created.owner,
  tags: created.tags,
  goal: created.goal,
  origin: created.origin,
  parentRunId: created.parent?.runId,
  externalParentId: created.externalParentId,
  firstRunId: created.firstRunId,
  continuedFrom: created.continuedFrom,
  trigger: created.trigger,
  dryRun: created.dryRun,
  startAt: isoIf(created.startAt),
});

const requestView = (request: { reason?: string; by?: string; at: number } | undefined) =>
  request && { reason: request.reason, by: request.by, at: iso(request.at) };

function residencyOf(engine: Engine, state: RunState): RunView["residency"] {
  const { lease, driven } = state;
  if (driven !== undefined)
    return leaseAt(state, engine.clock.now()) === undefined ? "suspended" : "resident";
  const isHeld =
    lease !== undefined && lease.until > engine.clock.now() && !engine.settings.isDead(lease.owner);
  return isHeld ? "resident" : "suspended";
}

const waitingFor = (state: RunState): RunView["waitingFor"] =>
  [...state.open.values()]
    .filter(({ status }) => status === "waiting")
    .map((operation) => ({
      operation: operation.id,
      kind: operation.kind,
      name: operation.name,
      until: isoIf(endOf(operation)),
    }));

function stalledView({ stalled }: RunState): RunView["stalled"] {
  if (stalled === undefined) return undefined;
  const { code, message, operation, recorded, found, at } = stalled;
  return { code, message, operation, recorded, found, at: iso(at) };
}

function costView(state: RunState, header: Header | undefined): RunView["cost"] {
  const usage = addUsage(state.usage, header?.usage ?? noUsage());
  return { ...usage, usd: priceOf(usage) };
}

/** What the patches of a run that is kept in memory came to when it was shown last. */
interface Merged {
  count: number;
  last: Payload;
  fields: ReadonlyMap<string, Json>;
}
const shownLast = new WeakMap<RunState, Merged>();

/** The published state: its patches, merged shallowly in their order. Each is merged once, not with every answer. */
async function merged(engine: Engine, state: RunState, patches: readonly Payload[]): Promise<JsonObject> {
  const before = shownLast.get(state);
  const first = before !== undefined && patches[before.count - 1] === before.last ? before.count : 0;
  const fields = new Map(first === 0 ? [] : before!.fields);
  let isInline = true;
  for (let at = first; at < patches.length; at++) {
    isInline &&= "v" in patches[at]!;
    const given = (await readPayload(engine, patches[at])) as JsonObject;
    for (const [field, value] of Object.entries(given)) fields.set(field, value);
  }
  // Values of blobs are not kept in memory for this.
  const last = patches.at(-1);
  if (isInline && last !== undefined) shownLast.set(state, { count: patches.length, last, fields });
  return Object.fromEntries(fields);
}

async function stateView(
  engine: Engine,
  key: RunState,
  patches: readonly Payload[],
  budget: Budget,
): Promise<RunView["state"]> {
  const published = await merged(engine, key, patches);
  if (patches.length < 100 && patches.every((patch) => "v" in patch)) return published;
  // Patches that are small each may make a state that is not.
  const payload = await payloadOf(engine, key, published, JSON.stringify(published));
  return (await budget.show(payload)) as RunView["state"];
}
