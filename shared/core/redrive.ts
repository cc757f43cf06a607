/**
 * Redrive: a finished run goes on from an earlier point of its history; so may one that is stalled.
 *
 * The history is cut before a happening. What was asked for after the cut is forgotten, and asked for again by the
 * code; what was asked for before it and settled after it is open again. Steps and children that had completed after
 * the cut keep their results, so that asking again does not do their work again (unless the redrive names a start
 * before them).
 * So do the items of a map's leaf, and the nodes of a map that have a result for each of their items; those of a map
 * that lies behind the named start do all of them again.
 */
import { isCommand } from "./commands.ts";
import { StepfoldError } from "./errors.ts";
import type { RunRedriven } from "./events.ts";
import { askNode, isWhole } from "./nodes.ts";
import { refoldTurns } from "./remote/fold.ts";
import {
  dueAtOf,
  type Effect,
  type Happening,
  isCutOff,
  isFork,
  isWork,
  type Operation,
  type RunState,
} from "./state.ts";

/** What stops a run from outside of its code, unless that has ended already. */
const STOPS = new Set<string>(["CancelDelivered", "DeadlineReached", "HistoryLimitReached"]);

/** Where a redrive begins: `from` names an operation; without it, the one that failed, or where the run was stopped.
 * A node whose map has begun again begins again, too: its items' code may see other things than before. */
export function redrivePoint(
  state: RunState,
  from: string | undefined,
  hasMapBegunAgain = false,
): Pick<RunRedriven, "cut" | "keep" | "again" | "afresh"> {
  const undone = undoneSteps(state);
  const end = endOfCode(state);
  const starts = new Map<string, number>();
  let stopped: number | undefined;
  let failed: number | undefined;
  state.history.forEach(({ event }, index) => {
    if ("operation" in event && "name" in event) starts.set(event.operation, index);
    if (event.type === "TurnAnswered" && event.action === "fail" && event.nextAttemptAt === undefined)
      failed = starts.get(event.operation);
    if (STOPS.has(event.type) && index < end) stopped ??= index;
    if (
      state.operations.get("operation" in event ? event.operation : "")?.status === "failed" &&
      isSettling(state, event)
    )
      failed = starts.get((event as { operation: string }).operation);
  });
  if (from !== undefined) {
    const first = [...state.operations.values()].find(
      ({ name, kind }) => name === from && kind !== "compensation",
    );
    if (first === undefined)
      throw new StepfoldError(
        "OperationNotFound",
        `The run ${state.runId} has no operation ${JSON.stringify(from)} of its own. What is in a map that child runs work on goes by the map's name.`,
        { runId: state.runId, from },
      );
    const afresh = starts.get(first.id)!;
    const earliest = Math.min(afresh, end, ...undone.map((id) => starts.get(id) ?? 0));
    const cut = beforeChildren(state, starts, earliest);
    if (cut === afresh) return { cut, keep: false, again: [] };
    return { cut, keep: true, again: undone, afresh };
  }
  const cut = Math.min(
    stopped ?? failed ?? end,
    ...undone.map((id) => starts.get(id) ?? 0),
    ...(hasMapBegunAgain ? ["1"] : partial(state)).map((id) => starts.get(id) ?? 0),
  );
  return { cut: beforeChildren(state, starts, cut), keep: true, again: undone };
}

/** The last that the code was told before it ended. What it has made of that, mended code may make otherwise; and what
 * follows undid what it had done. */
function endOfCode({ history }: RunState): number {
  const undoing = history.findIndex(
    ({ event: { type } }) => type === "CompensationStarted" || type === "UndoRequested",
  );
  let end = undoing === -1 ? history.length : undoing;
  while (end > 0 && isCommand(history[end - 1]!.event)) end--;
  return end;
}

/** What is to be done again for the sake of some of its items: nodes of maps that have not come to a result, and the
 * whole of a leaf, whose other items keep theirs. The map that a node works on goes on as long as its parent asks. */
function partial(state: RunState): string[] {
  const all = [...state.operations.values()];
  if (all.some(({ kind, status }) => kind === "item" && status === "failed")) return ["1"];
  return all
    .filter((operation) => {
      const { node, status, parent } = operation;
      const isOver = status === "completed" || status === "failed";
      const isOwnPart = state.created.node !== undefined && parent === "1";
      const isDone = !isOwnPart && isCompleted(state, parent);
      return node !== undefined && isOver && !isWhole(operation) && !isDone;
    })
    .map(({ id }) => id);
}

const isCompleted = (state: RunState, id: string | undefined): boolean =>
  state.operations.get(id ?? "")?.status === "completed";

const undoneSteps = (state: RunState): string[] =>
  [...state.operations.values()]
    .filter((operation) => operation.kind === "compensation" && operation.status === "completed")
    .map(({ of }) => of!);

/**
 * A child that was asked for before the cut, and of which nothing came before it, cannot be waited for again: it has
 * ended, or was cancelled with what asked for it. Another is started. Nobody waits for a detached one.
 */
function beforeChildren(state: RunState, starts: Map<string, number>, cut: number): number {
  const { settled } = askedBefore(state, cut);
  let earliest = cut;
  for (const { id, kind, node } of state.operations.values()) {
    const isAwaited = kind === "child" && node === undefined && !settled.has(id);
    if (isAwaited) earliest = Math.min(earliest, starts.get(id) ?? cut);
  }
  return earliest === cut ? cut : beforeChildren(state, starts, earliest);
}

const operationOf = ({ event }: Happening): string => ("operation" in event ? event.operation : "");

const isDetached = (event: Happening["event"] | undefined): boolean =>
  event?.type === "ChildStarted" && event.detached === true;

function isSettling(state: RunState, event: Happening["event"]): boolean {
  if (!("operation" in event) || "name" in event) return false;
  const operation = state.operations.get(event.operation);
  return operation !== undefined && operation.kind !== "compensation" && !isFork(operation);
}

/** Folds a redrive. */
export function redrive(state: RunState, event: RunRedriven, now: number): void {
  for (const id of undoneSteps(state)) state.undone.set(id, (state.undone.get(id) ?? 0) + 1);
  const afresh = askedFrom(state, event.afresh);
  const dropped = state.history.slice(event.cut);
  state.history = state.history.slice(0, event.cut);
  const { asked, settled } = askedBefore(state, event.cut);
  keepEarlier(state, event);
  const apart = new Set(dropped.flatMap((past) => (isDetached(past.event) ? [operationOf(past)] : [])));
  for (const effect of state.effects.values())
    if (!outlivesRedrive(effect, settled)) state.effects.delete(effect.id);
  state.redrives++;
  state.isRedriven = true;
  state.round = event.round ?? state.round;
  state.order = Math.max(state.order, event.order ?? 0);
  state.undoing = undefined;
  for (const operation of [...state.operations.values()]) {
    const { id } = operation;
    if (settled.has(id)) continue;
    if (operation.signalId !== undefined) state.buffered.add(operation.signalId);
    if (operation.signalId !== undefined) state.signals.get(operation.signalId)!.buffered = true;
    const mayKeep = event.keep && state.created.driver !== "remote" && !afresh.has(id) && !apart.has(id);
    if (mayKeep && keepsResult(operation, event.again, asked.has(id))) state.kept.set(id, operation);
    if (isAfresh(operation, mayKeep || asked.has(id))) state.afresh.add(id);
    state.operations.delete(id);
    if (asked.has(id)) reopen(state, operation, asked.get(id)!, now);
  }
  // What was taken back comes before what was sent after it.
  state.buffered = new Set([...state.signals.keys()].filter((id) => state.buffered.has(id)));
  if (state.created.driver === "remote") refoldTurns(state);
  for (const name of passedLater(dropped)) state.markers.delete(name);
  offerPatches(state);
  state.requests.add(event.requestId);
  state.history.push({ event, now });
  state.phase = "parked";
  state.cancel = state.finished === undefined ? untold(state) : undefined;
  state.finished = undefined;
  state.stalled = undefined;
  state.deadlineReached = false;
  state.overgrown = false;
  state.uncompensated = [];
  const { node } = state.created;
  const moved =
    node === undefined || event.sequence === undefined ? {} : { node: { ...node, sequence: event.sequence } };
  state.created = { ...state.created, ...moved, deadline: undefined };
}

/** The version gates that the code came to after something that is forgotten. Those that it came to with what it was
 * told last before the cut it comes to again as it did: it is shown as much without going on. */
function passedLater(dropped: readonly Happening[]): string[] {
  const told = dropped.findIndex(({ event }) => !isCommand(event));
  const later = told === -1 ? [] : dropped.slice(told);
  return later.flatMap(({ event }) => (event.type === "PatchMarked" ? [event.name] : []));
}

/** A request to cancel that a stalled run's code is to be told, now or again. */
function untold({ cancel, history }: RunState): RunState["cancel"] {
  const isTold = history.some(({ event }) => event.type === "CancelDelivered");
  return cancel === undefined || isTold ? undefined : { ...cancel, delivered: false };
}

/** Patches from outside that the code was told of after the cut, it is told of again. */
function offerPatches(state: RunState): void {
  let delivered = 0;
  for (const { event } of state.history) if (event.type === "PatchDelivered") delivered = event.count;
  const isBehind = state.lastPatched !== undefined && state.lastPatched >= delivered;
  state.firstUndelivered = isBehind ? delivered : undefined;
}

/** What was asked for before a point of the history, and what of that was settled, or cut off by what stopped the run. */
function askedBefore(
  { history, operations }: RunState,
  cut: number,
): { asked: Map<string, Happening>; settled: Set<string> } {
  const asked = new Map<string, Happening>();
  const settled = new Set<string>();
  for (const happening of history.slice(0, cut)) {
    const { event } = happening;
    if (STOPS.has(event.type)) {
      for (const id of asked.keys()) {
        const operation = operations.get(id);
        if (operation !== undefined && isCutOff(operation)) settled.add(id);
      }
    } else if (!("operation" in event)) continue;
    else if ("name" in event) {
      asked.set(event.operation, happening);
      // Nobody waits for a detached child: it is settled as soon as it is asked for.
      if (isDetached(event)) settled.add(event.operation);
    } else if (event.type !== "LateResultRecorded") settled.add(event.operation);
  }
  return { asked, settled };
}

/** A detached child that is asked for already is started, though the run has ended since; one that was cut off is
 * cancelled, as nobody waits for it any more. */
const outlivesRedrive = (effect: Effect, settled: ReadonlySet<string>): boolean =>
  effect.kind === "cancelChild" ||
  (effect.kind === "startChild" && effect.command.detached === true && settled.has(effect.command.operation));

/** What a redrive before this one had kept, and the code has not come to since. */
function keepEarlier(state: RunState, { keep, afresh }: RunRedriven): void {
  if (keep && afresh === undefined) return;
  for (const { id, node } of state.kept.values()) if (node !== undefined) state.afresh.add(id);
  state.kept.clear();
}

/** An item that the code has begun again before the cut goes on where it is. */
function keepsResult(operation: Operation, again: readonly string[], isAsked: boolean): boolean {
  const { id, kind, status, node } = operation;
  if (again.some((other) => other === id || other.startsWith(`${id}/`))) return false;
  if (kind === "step" || (kind === "child" && node === undefined)) return status === "completed";
  return kind === "item" ? status === "completed" && !isAsked : isWhole(operation);
}

/** Whether a part of a map is to be done again as a whole: also where a redrive before this one has not come to it. */
function isAfresh({ node, status, afresh }: Operation, mayKeep: boolean): boolean {
  const isOver = status === "completed" || status === "failed";
  return node !== undefined && (!mayKeep || (afresh === true && !isOver));
}

/** What the code asked for from a point of the history on, and what that is in. */
function askedFrom(state: RunState, from = state.history.length): Set<string> {
  const asked = new Set<string>();
  for (const { event } of state.history.slice(from)) {
    if (!("operation" in event && "name" in event)) continue;
    const { operation } = event;
    for (let end = operation.length; end > 0; end = operation.lastIndexOf("/", end - 1))
      asked.add(operation.slice(0, end));
  }
  return asked;
}

/** Nobody could answer a run that had ended: what waits for an answer waits its whole time again. */
function reopen(state: RunState, past: Operation, asked: Happening, now: number): void {
  const operation: Operation = {
    id: past.id,
    name: past.name,
    kind: past.kind,
    status: "running",
    attempts: 1,
    startedAt: past.startedAt,
  };
  for (const key of [
    "parent",
    "dueAt",
    "prompt",
    "heartbeatMs",
    "compensable",
    "childRunId",
    "tree",
    "sequence",
    "node",
  ] as const)
    if (past[key] !== undefined) Object.assign(operation, { [key]: past[key] });
  if (!isWork(operation) && !isFork(operation))
    operation.status = operation.kind === "timer" ? "sleeping" : "waiting";
  if (operation.kind === "callback") {
    operation.unsent = true;
    operation.redrives = state.redrives;
    if (operation.heartbeatMs !== undefined) operation.beatBy = now + operation.heartbeatMs;
  }
  if (operation.dueAt !== undefined && operation.kind !== "timer")
    operation.dueAt = now + wholeMs(asked, operation.dueAt);
  state.operations.set(operation.id, operation);
  state.open.set(operation.id, operation);
  if (dueAtOf(operation) < Number.POSITIVE_INFINITY) state.timed.set(operation.id, operation);
  if (operation.kind === "signal") state.waits.set(operation.id, operation);
  if (operation.node !== undefined) askNode(state, operation);
}

/** How long an operation was asked to wait. */
const wholeMs = ({ event, now }: Happening, dueAt: number): number =>
  ("dueAt" in event ? (event.dueAt ?? dueAt) : dueAt) - now;
