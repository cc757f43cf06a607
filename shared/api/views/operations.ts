/** A run's operations, flat and in order of start; and the signals that it received, in order of arrival. */
import { isWork, type Operation, type RunState, type Signal, shownKind } from "../../core/state.ts";
import { loadRun } from "../../engine/load.ts";
import type { Engine } from "../../engine/settings.ts";
import type { OperationView, SignalView } from "../schemas/details.ts";
import type { Page } from "./journal.ts";
import { Budget, iso, isoIf } from "./payloads.ts";

/** A cursor is the place of the next operation in the order of start, which never changes; in a run that works on a
 * map of this one, it is that run's place here and the operation's there. */
export async function operationsPage(
  engine: Engine,
  state: RunState,
  { limit, cursor = "0" }: { limit: number; cursor?: string },
): Promise<Page<OperationView>> {
  const budget = new Budget(engine);
  const items: OperationView[] = [];
  for await (const { operation, isHeld, place } of placedFrom(engine, state, cursor.split(".").map(Number))) {
    const isFull =
      items.length === limit || (operation.output !== undefined && !budget.fits(operation.output));
    if (items.length > 0 && isFull) return { items, cursor: place.join(".") };
    const view = isHeld ? asHeld(await viewOf(operation, budget)) : await viewOf(operation, budget);
    const hasRoom = budget.take({ ...view, output: undefined });
    if (items.length > 0 && !hasRoom) return { items, cursor: place.join(".") };
    items.push(view);
  }
  return { items };
}

interface Placed {
  operation: Operation;
  /** Its next attempt is decided, and no leg has begun it: the run was paused, or its leg had no time left. */
  isHeld: boolean;
  place: number[];
}

/** Operations from a place on. After each run that works on a map come the items and operations that it holds, under
 * the ids that they would have in the run that maps. */
async function* placedFrom(
  engine: Engine,
  state: RunState,
  [first = 0, ...below]: readonly number[],
  base?: string,
): AsyncGenerator<Placed> {
  const all = [...state.operations.values()];
  for (let at = first; at < all.length; at++) {
    const operation = base === undefined ? all[at]! : under(base, all[at]!);
    const isBegun = at === first && below.length > 0;
    if (!isBegun && operation.id !== base) {
      const isHeld = state.phase === "parked" && isWork(operation) && operation.status === "running";
      yield { operation, isHeld, place: [at] };
    }
    if (operation.node === undefined || operation.childRunId === undefined) continue;
    const node = await loadRun(engine, operation.childRunId);
    if (node === undefined) continue;
    for await (const placed of placedFrom(engine, node.state, isBegun ? below : [], operation.parent))
      yield { ...placed, place: [at, ...placed.place] };
  }
}

/** A node's only operation of its own is the map, `1`. */
function under(base: string, operation: Operation): Operation {
  const renamed = (id: string): string => base + id.slice(1);
  const { id, parent } = operation;
  return { ...operation, id: renamed(id), ...(parent === undefined ? {} : { parent: renamed(parent) }) };
}

export const operationView = (engine: Engine, operation: Operation): Promise<OperationView> =>
  viewOf(operation, new Budget(engine));

async function viewOf(operation: Operation, budget: Budget): Promise<OperationView> {
  // All at once: whoever goes on with this run may change the operation while its payloads are read.
  const { startedAt: askedAt, reported = {}, ...own } = operation;
  const { finishedAt, status, decision, output, error, childRunId, prompt } = own;
  const { markers, context, structuredOutput, role, position, iteration, canCommit, sessionKey } = reported;
  const startedAt = operation.reported === undefined ? askedAt : reported.startedAt;
  return {
    id: operation.id,
    name: operation.name,
    kind: shownKind(operation),
    parent: operation.parent,
    status,
    attempts: operation.attempts,
    // A runner that is out of reach uses no retries.
    retryCount: operation.kind === "turn" ? 0 : Math.max(0, operation.attempts - 1),
    startedAt: isoIf(startedAt),
    finishedAt: isoIf(finishedAt),
    durationMs: operation.durationMs ?? durationOf(startedAt, finishedAt),
    nextAttemptAt: isoIf(operation.nextAttemptAt),
    wakeAt: finishedAt === undefined ? isoIf(endOf(operation)) : undefined,
    error: error ?? (finishedAt === undefined ? operation.attemptError : undefined),
    childRunId,
    prompt,
    decision: decision && { ...decision, at: iso(decision.at) },
    role,
    position,
    iteration,
    canCommit,
    sessionKey,
    output: await budget.show(output),
    markers: await budget.show(markers),
    context: await budget.show(context),
    structuredOutput: await budget.show(structuredOutput),
  };
}

function asHeld(view: OperationView): OperationView {
  const attempts = view.attempts - 1;
  const startedAt = attempts === 0 ? undefined : view.startedAt;
  return { ...view, status: "pending", attempts, retryCount: Math.max(0, attempts - 1), startedAt };
}

const durationOf = (startedAt: number | undefined, finishedAt: number | undefined): number | undefined =>
  startedAt === undefined || finishedAt === undefined ? undefined : Math.max(0, finishedAt - startedAt);

/** When a timer ends, or a wait is over if nothing comes: a callback also when its silence is too long. */
export function endOf({ dueAt, beatBy }: Operation): number | undefined {
  return beatBy === undefined ? dueAt : Math.min(dueAt ?? beatBy, beatBy);
}

/** Signals of one entry share its sequence, so no page splits them. */
export async function signalsPage(
  engine: Engine,
  state: RunState,
  { limit, after = 0 }: { limit: number; after?: number },
): Promise<Page<SignalView>> {
  const budget = new Budget(engine);
  const items: SignalView[] = [];
  let last = after;
  for (const signal of state.signals.values()) {
    if (signal.sequence <= after) continue;
    const isFull = items.length >= limit || (signal.payload !== undefined && !budget.fits(signal.payload));
    if (items.length > 0 && isFull && signal.sequence > last) return { items, cursor: String(last) };
    items.push(await signalView(signal, budget));
    last = signal.sequence;
  }
  return { items };
}

const signalView = async (signal: Signal, budget: Budget): Promise<SignalView> => ({
  signalId: signal.signalId,
  name: signal.name,
  payload: await budget.show(signal.payload),
  at: iso(signal.at),
  sequence: signal.sequence,
  buffered: signal.buffered,
});
