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
