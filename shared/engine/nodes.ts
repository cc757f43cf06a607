/**
 * The runs of a map's tree, as their parents deal with them: started, redriven, cancelled, paused, and heard.
 *
 * 1. A node is one run through all of its parent's redrives. Each request of a parent carries the round, or the
 *    entry, that it is of: what comes late is void.
 * 2. A node that ends reports to its parent, and what the parent then waits for decides: it takes the end, or the
 *    node is redriven for the parent's present round. So no order of ends and redrives loses one.
 */

import type { RunError } from "../core/errors.ts";
import { StepfoldError } from "../core/errors.ts";
import type { ChildFinished, MapNode } from "../core/events.ts";
import { sha256 } from "../core/ids.ts";
import { hasUndoable } from "../core/nodes.ts";
import { redrivePoint } from "../core/redrive.ts";
import type { Effect, Operation, RunState } from "../core/state.ts";
import { loadRun } from "./load.ts";
import { appendOutside, type OutsideDecision } from "./outside.ts";
import { endOf } from "./reports.ts";
import type { Engine } from "./settings.ts";
import { create } from "./start.ts";
import { sendWake, wakeOf } from "./wake.ts";

/** Starts a node, or lets one that is there go on for this round. */
export async function startNode(engine: Engine, state: RunState, id: string): Promise<void> {
  const operation = state.operations.get(id);
  if (operation?.childRunId === undefined) return;
  const isNew = operation.round === 0 || !(await exists(engine, operation.childRunId));
  if (isNew && (await created(engine, state, operation))) return;
  const node = await loadRun(engine, operation.childRunId, { consistent: true });
  if (node === undefined) return;
  if (node.state.finished !== undefined) return reportNode(engine, node.state);
  // What it stalled over may not be in its parent's journal any more.
  if (node.state.stalled !== undefined) return sendWake(engine, wakeOf(node.state, { retryStalled: true }));
  // Who started it, or redrove it, may have died before anything was sure to bring it back.
  if (node.state.phase === "created") return sendWake(engine, wakeOf(node.state));
  if (node.state.isRedriven) await redriveNode(engine, node.state.runId, nextRound(state, operation));
}

const exists = async (engine: Engine, runId: string): Promise<boolean> =>
  (await engine.journal.header(runId, { consistent: true })) !== undefined;

async function created(engine: Engine, state: RunState, operation: Operation): Promise<boolean> {
  const { workflow, version, owner, dryRun } = state.created;
  const definition = engine.registry.find(workflow, version);
  if (definition === undefined)
    throw new StepfoldError(
      "WorkflowNotFound",
      `There is no workflow ${JSON.stringify(workflow)} of version ${version} to work on a map of run ${state.runId}.`,
    );
  const runId = operation.childRunId!;
  const { created: isCreated } = await create(engine, runId, sha256(`node ${runId}`), definition, {
    workflow,
    version,
    owner,
    dryRun,
    origin: "map",
    parent: { runId: state.runId, operation: operation.id },
    node: nodeOf(state, operation),
  });
  return isCreated;
}

/** What a node needs to know: the same of the whole tree, but for its part. */
function nodeOf({ operations, created, inc }: RunState, { node, parent, round }: Operation): MapNode {
  const ofRound = round === 0 || round === undefined ? {} : { round };
  const { id, name, tree, sequence } = operations.get(parent!)!;
  // The map is the run's own, or the run is a node itself.
  if (tree !== undefined)
    return { name, inc, operation: id, sequence: sequence!, tree, ...node!, ...ofRound };
  const { concurrency: _all, round: _before, ...own } = created.node!;
  return { ...own, mapper: own.mapper ?? created.parent!.runId, ...node!, ...ofRound };
}

/** Has a node undo what it has done. One that is still at work is asked when it reports its end. */
export async function undoNode(engine: Engine, state: RunState, id: string): Promise<void> {
  const undo = state.operations.get(id);
  const node = await loadRun(engine, undo?.childRunId ?? "", { consistent: true });
  if (node?.state.finished !== undefined) return reportNode(engine, node.state);
  // So may who asked it.
  if (node?.state.undoing === id)
    return requestUndo(engine, node.state.runId, {
      round: roundOf(state, undo?.of),
      order: state.pausedIn,
      undo: id,
    });
  if (node !== undefined) return;
  const error: RunError = {
    code: "OutcomeUnknown",
    name: "OutcomeUnknown",
    message: `The run ${undo?.childRunId} is no longer there: nobody knows what it has done.`,
  };
  const end = {
    type: "ChildFinished",
    childRunId: undo!.childRunId!,
    operation: id,
    status: "failed",
    error,
  } as const;
  await appendOutside(engine, state.runId, (present) => {
    const isAwaited = present.open.has(id) && !present.childEnds.has(id);
    return { events: isAwaited ? [end] : [], wake: `child:${id}` };
  });
}

/** Tells the parent of a node's end, or has the node do what the parent waits for: its items again, or undo them. */
export async function reportNode(engine: Engine, state: RunState): Promise<void> {
  const { runId, operation } = state.created.parent!;
  const end = await endOf(engine, state, runId, operation);
  const isWhole = end.status === "completed" && end.failedItems === undefined;
  let next: NextRound | NextUndo | undefined;
  await ifThere(
    appendOutside(engine, runId, (parent) => {
      next = undefined;
      const undo = parent.open.get(`${operation}~`);
      const waiting = undo ?? parent.open.get(operation);
      if (parent.finished !== undefined || waiting?.childRunId !== state.runId) return nothing;
      const wake = `child:${waiting.id}`;
      if (parent.childEnds.has(waiting.id)) return { events: [], wake };
      if (undo !== undefined) {
        // One of an earlier round may be redriven at this moment: only its own journal says that it is not.
        const round = roundOf(parent, operation);
        if (state.round === round && (state.undoing === undo.id || !hasUndoable(state)))
          return { events: [undoneOf(state, undo.id)], wake };
        next = { round, order: parent.pausedIn, undo: undo.id };
        return nothing;
      }
      const afresh = waiting.afresh === true;
      if ((isWhole && !afresh) || waiting.round === state.round) return { events: [end], wake };
      if (waiting.round! > state.round) next = nextRound(parent, waiting);
      return nothing;
    }),
  );
  if (next === undefined) return;
  if ("undo" in next) await requestUndo(engine, state.runId, next);
  else await redriveNode(engine, state.runId, next);
}

function undoneOf({ runId, uncompensated }: RunState, operation: string): ChildFinished {
  const end = { type: "ChildFinished", childRunId: runId, operation } as const;
  if (uncompensated.length === 0) return { ...end, status: "completed" };
  const message = `${uncompensated.length} of what the run ${runId} has done could not be undone: see its uncompensated.`;
  const code = "Uncompensated";
  return { ...end, status: "failed", error: { code, name: code, message, data: { runId } } };
}

function requestUndo(
  engine: Engine,
  runId: string,
  { round, order, undo: operation }: NextUndo,
): Promise<void> {
  const requestId = `undo:${round}`;
  const ofRound = { ...(round === 0 ? {} : { round }), ...(order === 0 ? {} : { order }) };
  return ifThere(
    appendOutside(engine, runId, (node) => {
      const wake = `redrive:${requestId}`;
      if (node.undoing === operation && node.round === round)
        return { events: [], wake: node.finished === undefined ? wake : undefined };
      if (node.finished === undefined || node.round > round) return nothing;
      const requested = { type: "UndoRequested", requestId, operation, ...ofRound } as const;
      return { events: [requested], wake, changesStatus: true };
    }),
  );
}

/** What a node is redriven for: the entry is that of its mapping run in which the map has begun. */
interface NextRound {
  round: number;
  /** The parent's last entry that paused or resumed it: what it has sent on before is void. */
  order: number;
  afresh: boolean;
  sequence: number;
}

const nextRound = (parent: RunState, operation: Operation): NextRound => ({
  round: operation.round!,
  order: parent.pausedIn,
  afresh: operation.afresh === true,
  sequence: nodeOf(parent, operation).sequence,
});

/** The parent's redrives when it last asked for a node. */
const roundOf = ({ operations }: RunState, operation: string | undefined): number =>
  operations.get(operation ?? "")?.round ?? 0;

/** What a node is to undo, as the parent's operation. */
interface NextUndo {
  round: number;
  order: number;
  undo: string;
}

function redriveNode(
  engine: Engine,
  runId: string,
  { round, order, afresh, sequence }: NextRound,
): Promise<void> {
  const requestId = `round:${round}`;
  return ifThere(
    appendOutside(engine, runId, (node) => {
      const wake = `redrive:${requestId}`;
      if (node.round >= round) return { events: [], wake: node.finished === undefined ? wake : undefined };
      if (node.finished === undefined) return nothing;
      const { name, sequence: before } = node.created.node!;
      const moved = sequence === before ? {} : { sequence };
      const ofOrder = order === 0 ? {} : { order };
      // One that was cancelled before it began has nothing of the map's to begin afresh.
      const hasBegun = [...node.operations.values()].some((operation) => operation.name === name);
      const from = afresh && hasBegun ? name : undefined;
      const point = redrivePoint(node, from, sequence !== before);
      // What one that has not come to the map had kept of it is begun afresh, too.
      const keep = point.keep && (!afresh || hasBegun);
      const redriven = {
        type: "RunRedriven",
        requestId,
        ...point,
        keep,
        round,
        ...ofOrder,
        ...moved,
      } as const;
      return { events: [redriven], wake, changesStatus: true };
    }),
  );
}

/** Cancels a node for its parent's sake. */
export function cancelNode(
  engine: Engine,
  state: RunState,
  { childRunId, round = 0 }: Effect & { kind: "cancelChild" },
): Promise<void> {
  const requestId = `parent:${round}`;
  return ifThere(
    appendOutside(engine, childRunId, (node) => {
      if (node.round > round) return nothing;
      const wake = `request:${requestId}`;
      if (node.requests.has(requestId))
        return { events: [], wake: node.finished === undefined ? wake : undefined };
      // It may be redriven for this round at that moment.
      if (node.finished !== undefined && node.round < round)
        return { events: [{ type: "CancelRequested", requestId, round }], wake: undefined };
      if (node.finished !== undefined) return nothing;
      const reason = "its parent no longer needs it";
      const cancel = { type: "CancelRequested", requestId, reason, by: state.runId } as const;
      return { events: [cancel], wake, changesStatus: node.pause !== undefined };
    }),
  );
}

/** Lets a pause of the parent, or its end, reach a node. */
export function steerNode(
  engine: Engine,
  state: RunState,
  { childRunId, order, paused }: Effect & { kind: "steerNode" },
): Promise<void> {
  const requestId = `order:${order}`;
  const type = paused ? "PauseRequested" : "ResumeRequested";
  return ifThere(
    appendOutside(engine, childRunId, (node) => {
      if (node.finished !== undefined || node.order > order) return nothing;
      const wake = `request:${requestId}`;
      if (node.requests.has(requestId)) return { events: [], wake };
      const reason = paused ? "its parent is paused" : "its parent goes on";
      const event = { type, requestId, reason, by: state.runId, order } as const;
      return { events: [event], wake, changesStatus: paused || node.pause !== undefined };
    }),
  );
}

const nothing: OutsideDecision = { events: [], wake: undefined };

/** A node, or a parent, that is no longer there needs nothing. */
async function ifThere(appended: Promise<unknown>): Promise<void> {
  try {
    await appended;
  } catch (error) {
    if (!(error instanceof StepfoldError) || error.code !== "RunNotFound") throw error;
  }
}
