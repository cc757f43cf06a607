/** A run's operations, flat and in order of start; and the signals that it received, in order of arrival. */
import { type Operation, type RunState, type Signal, shownKind } from "../../core/state.ts";
import type { Engine } from "../../engine/settings.ts";
import type { OperationView, SignalView } from "../schemas/details.ts";
import type { Page } from "./journal.ts";
import { Budget, iso, isoIf } from "./payloads.ts";

/** The cursor is the place of the next operation in the order of start, which never changes. */
export async function operationsPage(
  engine: Engine,
  state: RunState,
  { limit, cursor = 0 }: { limit: number; cursor?: number },
): Promise<Page<OperationView>> {
  const budget = new Budget(engine);
  const rest = [...state.operations.values()].slice(cursor);
  const items: OperationView[] = [];
  for (const operation of rest) {
    const isFull =
      items.length === limit || (operation.output !== undefined && !budget.fits(operation.output));
    if (items.length > 0 && isFull) return { items, cursor: String(cursor + items.length) };
    const view = await viewOf(operation, budget);
    const hasRoom = budget.take({ ...view, output: undefined });
    if (items.length > 0 && !hasRoom) return { items, cursor: String(cursor + items.length) };
    items.push(view);
  }
  return { items };
}

export const operationView = (engine: Engine, operation: Operation): Promise<OperationView> =>
  viewOf(operation, new Budget(engine));

async function viewOf(operation: Operation, budget: Budget): Promise<OperationView> {
  const { startedAt, finishedAt, status, decision } = operation;
  return {
    id: operation.id,
    name: operation.name,
    kind: shownKind(operation),
    parent: operation.parent,
    status,
    attempts: operation.attempts,
    // A runner that is out of reach uses no retries.
    retryCount: operation.kind === "turn" ? 0 : operation.attempts - 1,
    startedAt: iso(startedAt),
    finishedAt: isoIf(finishedAt),
    durationMs: operation.durationMs ?? (finishedAt === undefined ? undefined : finishedAt - startedAt),
    nextAttemptAt: isoIf(operation.nextAttemptAt),
    wakeAt: finishedAt === undefined ? isoIf(endOf(operation)) : undefined,
    output: await budget.show(operation.output),
    error: operation.error ?? (finishedAt === undefined ? operation.attemptError : undefined),
    childRunId: operation.childRunId,
    prompt: operation.prompt,
    decision: decision && { ...decision, at: iso(decision.at) },
  };
}

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
