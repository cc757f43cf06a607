/**
 * What a run keeps of the child runs that work on its maps. A node is the same run after a redrive of its parent: it
 * is redriven with it, and goes on with what it has.
 *
 * 1. A node works for a round: its parent's count of redrives. What it reports of an earlier round than the one that
 *    its parent waits for counts only if all its items are done, and the redrive did not name the map or what is before.
 * 2. A node that has done all its items is not asked again: its output is in its parent's journal.
 */
import type { Effect, Operation, RunState } from "./state.ts";

/** Whether it is done with all its items, each of which has a result. */
export const isWhole = ({ node, status, failedItems }: Operation): boolean =>
  node !== undefined && status === "completed" && (failedItems ?? 0) === 0;

/** Of a run that works on a map: how many of its items have failed. */
export function failedItemsOf(state: RunState): number {
  if (state.created.node === undefined) return 0;
  let failed = 0;
  for (const { kind, status, failedItems } of state.operations.values())
    failed += failedItems ?? (kind === "item" && status === "failed" ? 1 : 0);
  return failed;
}

/** Whether a finished node has done something that could be undone, or may have: its nodes know. */
export const hasUndoable = ({ operations }: RunState): boolean =>
  [...operations.values()].some(
    ({ id, status, compensable, node }) =>
      node !== undefined || (compensable === true && status === "completed" && !operations.has(`${id}~`)),
  );

/** Asks for a node, for this round. */
export function askNode(state: RunState, operation: Operation): void {
  const { id, childRunId } = operation;
  operation.round = state.redrives;
  // It is needed again.
  for (const effect of state.effects.values())
    if (effect.kind === "cancelChild" && effect.childRunId === childRunId) state.effects.delete(effect.id);
  if (state.afresh.delete(id)) operation.afresh = true;
  if (takeKept(state, operation)) return;
  addEffect(state, { id: `start:${id}:${state.redrives}`, kind: "startNode", operation: id });
  if (state.pause !== undefined) steerNode(state, operation);
}

/** A child that had its result before a redrive has it again: it is the same run. */
export function takeKept(state: RunState, { id, childRunId }: Operation): boolean {
  const kept = state.kept.get(id);
  state.kept.delete(id);
  if (childRunId === undefined || kept?.childRunId !== childRunId) return false;
  const output = kept.output === undefined ? {} : { output: kept.output };
  state.childEnds.set(id, {
    type: "ChildFinished",
    childRunId,
    operation: id,
    status: "completed",
    ...output,
  });
  return true;
}

/** A pause, or its end, reaches the nodes. */
export function steerNodes(state: RunState): void {
  for (const operation of state.open.values())
    if (operation.node !== undefined && !state.childEnds.has(operation.id)) steerNode(state, operation);
}

function steerNode(state: RunState, { id, childRunId }: Operation): void {
  const order = state.steered;
  addEffect(state, {
    id: `steer:${id}:${order}`,
    kind: "steerNode",
    childRunId: childRunId!,
    order,
    paused: state.pause !== undefined,
  });
}

function addEffect(state: RunState, effect: Effect): void {
  state.effects.set(effect.id, effect);
}
