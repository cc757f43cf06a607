/**
 * What the worker that holds a managed run's lease reports: steps, and the items of a step.
 *
 * 1. Every write names the generation that the worker has; under another one nothing is written (`LeaseLost`).
 * 2. A batch of items is one event: it is refused whole, or it is there.
 */

import type { Item } from "../../core/driven.ts";
import { StepfoldError } from "../../core/errors.ts";
import type {
  AddedItem,
  DrivenEvent,
  ItemStatus,
  ItemsAdded,
  ReportedStatus,
  StepReported,
  StepUpdated,
  UpdatedItem,
} from "../../core/events-driven.ts";
import type { Json } from "../../core/json.ts";
import type { Operation, RunState } from "../../core/state.ts";
import { appendOutside, refuseFinished } from "../outside.ts";
import { refuseLost, refuseStale, refuseWrongDriver } from "../refusals.ts";
import { type Conditions, isRepeated } from "../requests.ts";
import type { Engine } from "../settings.ts";
import { type GivenError, payloadFor, refuseTooLarge, runErrorOf } from "./payloads.ts";

/** Under which generation a worker writes. */
export interface WorkerWrite extends Conditions {
  generation: number;
}

export interface NewStep {
  name: string;
  role?: string;
  position?: number;
  iteration?: number;
  canCommit?: boolean;
  /** With it, the step is running already. */
  retryCount?: number;
}

/** `created`: whether it was not there from an earlier try of the same request. */
export async function addStep(
  engine: Engine,
  runId: string,
  step: NewStep,
  write: WorkerWrite,
): Promise<{ created: boolean; step: Operation }> {
  const { requestId } = write;
  let operation = "";
  let created = false;
  const state = await appendOutside(engine, runId, (present) => {
    refuseWrongDriver(present, ["managed"]);
    const known = answeredBy(present, requestId);
    created = known === undefined;
    operation = known ?? `s${present.sequence + 1}`;
    if (!created) return { events: [], wake: undefined };
    refuseUnowned(engine, present, write);
    const status = step.retryCount === undefined ? "pending" : "running";
    const event: StepReported = { type: "StepReported", operation, status, ...step };
    if (requestId !== undefined) event.requestId = requestId;
    return { events: [event], wake: undefined };
  });
  return { created, step: state.operations.get(operation)! };
}

export interface StepChange {
  status: ReportedStatus;
  output?: Json;
  structuredOutput?: Json;
  markers?: Json;
  context?: Json;
  error?: GivenError;
  retryCount?: number;
  childRunId?: string;
}

export async function updateStep(
  engine: Engine,
  runId: string,
  stepId: string,
  change: StepChange,
  write: WorkerWrite,
): Promise<Operation> {
  const { status, retryCount, childRunId, error } = change;
  const event: StepUpdated = { type: "StepUpdated", operation: stepId, status };
  if (retryCount !== undefined) event.retryCount = retryCount;
  if (childRunId !== undefined) event.childRunId = childRunId;
  for (const field of ["output", "structuredOutput", "markers", "context"] as const) {
    const payload = await payloadFor(engine, runId, change[field]);
    if (payload !== undefined) event[field] = payload;
  }
  const state = await written(engine, runId, write, (present) => {
    const { name } = stepOf(present, stepId);
    const given = runErrorOf(error, name);
    return given === undefined ? event : { ...event, error: given };
  });
  return state.operations.get(stepId)!;
}

export interface NewItem {
  type: string;
  id: string;
  ref?: Json;
  context?: Json;
}

export async function addItems(
  engine: Engine,
  runId: string,
  stepId: string,
  items: readonly NewItem[],
  write: WorkerWrite,
): Promise<{ created: boolean; items: Item[] }> {
  const { requestId } = write;
  const stored = await Promise.all(items.map((item) => storedItem(engine, runId, item)));
  refuseTooLarge(stored);
  let created = false;
  let added: AddedItem[] = [];
  const state = await appendOutside(engine, runId, (present) => {
    refuseWrongDriver(present, ["managed"]);
    created = answeredBy(present, requestId) === undefined;
    if (!created) return { events: [], wake: undefined };
    stepOf(present, stepId);
    refuseUnowned(engine, present, write);
    const first = itemsById(present, stepId).size + 1;
    added = stored.map((item, index) => ({ ...item, itemId: `${stepId}.${first + index}` }));
    const event: ItemsAdded = { type: "ItemsAdded", operation: stepId, items: added };
    if (requestId !== undefined) event.requestId = requestId;
    return { events: [event], wake: undefined };
  });
  if (!created)
    return { created, items: itemsOf(state, stepId).filter((item) => item.requestId === requestId) };
  const all = itemsById(state, stepId);
  return { created, items: added.map(({ itemId }) => all.get(itemId)!) };
}

async function storedItem(engine: Engine, runId: string, item: NewItem): Promise<Omit<AddedItem, "itemId">> {
  const { type, id } = item;
  const [ref, context] = [
    await payloadFor(engine, runId, item.ref),
    await payloadFor(engine, runId, item.context),
  ];
  return { type, id, ...(ref && { ref }), ...(context && { context }) };
}

export interface ItemChange {
  itemId: string;
  status: ItemStatus;
  output?: Json;
  error?: GivenError;
  childRunId?: string;
}

/** Changes all of them, or, where one is unknown, none. */
export async function updateItems(
  engine: Engine,
  runId: string,
  stepId: string,
  changes: readonly ItemChange[],
  write: WorkerWrite,
): Promise<Item[]> {
  const items = await Promise.all(changes.map((change) => storedChange(engine, runId, change)));
  refuseTooLarge(items);
  const state = await written(engine, runId, write, (present) => {
    stepOf(present, stepId);
    const known = itemsById(present, stepId);
    const unknown = items.find(({ itemId }) => !known.has(itemId));
    if (unknown !== undefined) throw itemNotFound(runId, stepId, unknown.itemId);
    return { type: "ItemsUpdated", operation: stepId, items };
  });
  const all = itemsById(state, stepId);
  const changed = new Set(changes.map(({ itemId }) => all.get(itemId)!));
  return [...changed].sort((left, right) => placeOf(left) - placeOf(right));
}

async function storedChange(engine: Engine, runId: string, change: ItemChange): Promise<UpdatedItem> {
  const { itemId, status, childRunId } = change;
  const output = await payloadFor(engine, runId, change.output);
  const error = runErrorOf(change.error);
  return {
    itemId,
    status,
    ...(output && { output }),
    ...(error && { error }),
    ...(childRunId && { childRunId }),
  };
}

const NO_ITEMS: ReadonlyMap<string, Item> = new Map();

const itemsById = (state: RunState, stepId: string): ReadonlyMap<string, Item> =>
  state.driven?.items.get(stepId) ?? NO_ITEMS;

/** In order of their coming. */
export const itemsOf = (state: RunState, stepId: string): readonly Item[] => [
  ...itemsById(state, stepId).values(),
];

const placeOf = ({ itemId }: Item): number => Number(itemId.slice(itemId.lastIndexOf(".") + 1));

/** The step that a worker has reported. Throws `OperationNotFound`. */
export function stepOf(state: RunState, stepId: string): Operation {
  const step = state.operations.get(stepId);
  if (step?.kind === "step" && step.reported !== undefined) return step;
  throw new StepfoldError(
    "OperationNotFound",
    `The run ${state.runId} has no step ${JSON.stringify(stepId)} that a worker reported.`,
    { runId: state.runId, stepId },
  );
}

const itemNotFound = (runId: string, stepId: string, itemId: string): StepfoldError =>
  new StepfoldError(
    "OperationNotFound",
    `The step ${stepId} of run ${runId} has no item ${JSON.stringify(itemId)}: nothing was changed.`,
    { runId, stepId, itemId },
  );

function written(
  engine: Engine,
  runId: string,
  write: WorkerWrite,
  eventOf: (state: RunState) => DrivenEvent,
): Promise<RunState> {
  return appendOutside(engine, runId, (state) => {
    refuseWrongDriver(state, ["managed"]);
    refuseUnowned(engine, state, write);
    return { events: [eventOf(state)], wake: undefined };
  });
}

function refuseUnowned(engine: Engine, state: RunState, { generation, ifMatch }: WorkerWrite): void {
  refuseFinished(state);
  refuseLost(state, generation, engine.clock.now());
  refuseStale(state, ifMatch);
}

/** The operation that the same request has made before. */
function answeredBy(state: RunState, requestId: string | undefined): string | undefined {
  const answers = state.driven?.answers;
  if (requestId === undefined || answers === undefined) return undefined;
  return isRepeated(state.runId, answers.keys(), requestId) ? answers.get(requestId) : undefined;
}
