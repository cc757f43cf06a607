/**
 * `fold(entries) → RunState`: the only way by which state comes to be. No clock, no I/O.
 *
 * 1. Sequences are contiguous from 0, or the fold refuses with `JournalGap`.
 * 2. Every event is legal in the phase that it meets (`legality.ts`) and for the operation that it names, or the
 *    fold refuses with `IllegalEvent`.
 * 3. An outside event with an id that was seen before changes nothing.
 * 4. Folding costs the same per event however long the journal is: nothing here walks what came before, but for
 *    open operations.
 */
import { isDriven } from "./driven.ts";
import { type RunError, StepfoldError } from "./errors.ts";
import type { CancelRequested, Entry, FinishedStatus, RunCreated, RunEvent, Usage } from "./events.ts";
import { applyDriven, beginDriven, decideGate, endDriven, leaveDriven } from "./fold-driven.ts";
import { illegal } from "./illegal.ts";
import type { Json, Payload } from "./json.ts";
import { legality } from "./legality.ts";
import { HEADER_EVENT_BYTES_MAX, WRITE_UNIT_BYTES } from "./limits.ts";
import { askNode, steerNodes, takeKept } from "./nodes.ts";
import { redrive } from "./redrive.ts";
import { answerTurn, beginTurn, missTurn, settleFailed, startTurn } from "./remote/fold.ts";
import {
  dueAtOf,
  type Effect,
  type Happening,
  isCutOff,
  type Operation,
  type OperationKind,
  type OperationStatus,
  type RunState,
  statusOf,
} from "./state.ts";

export interface RunIdentity {
  runId: string;
  inc: string;
}

/** The state after all of `entries`, of which the first is entry 0. */
export function fold(identity: RunIdentity, entries: readonly Entry[]): RunState {
  const first = entries[0];
  const created = first?.events[0];
  if (first === undefined || first.sequence !== 0 || created?.type !== "RunCreated")
    throw new StepfoldError(
      "JournalGap",
      `Expected the journal of run ${identity.runId} to begin with RunCreated at sequence 0, got ${created?.type ?? "nothing"}.`,
    );
  const state = initial(identity, created, first);
  for (let index = 1; index < entries.length; index++) applyEntry(state, entries[index]!);
  return state;
}

function initial(identity: RunIdentity, created: RunCreated, entry: Entry): RunState {
  const carried = (created.signals ?? []).map(
    (signal) => [signal.signalId, { ...signal, at: entry.at, sequence: 0, buffered: true }] as const,
  );
  const state: RunState = {
    runId: identity.runId,
    inc: identity.inc,
    created,
    createdAt: entry.at,
    phase: "created",
    sequence: 0,
    at: entry.at,
    generation: 0,
    progressed: false,
    owned: 0,
    afresh: new Set(),
    operations: new Map(),
    open: new Map(),
    timed: new Map(),
    waits: new Map(),
    answered: new Set(),
    inDoubt: new Set(),
    signals: new Map(carried),
    buffered: new Set(carried.map(([id]) => id)),
    requests: new Set(),
    childEnds: new Map(),
    patches: created.state === undefined ? [] : [created.state],
    step: created.step,
    deadlineReached: false,
    overgrown: false,
    effects: new Map(),
    history: [],
    markers: new Set(),
    kept: new Map(),
    became: { status: "pending", sequence: 0, at: entry.at },
    pausedIn: 0,
    steered: 0,
    redrives: 0,
    isRedriven: false,
    round: created.node?.round ?? 0,
    order: 0,
    undone: new Map(),
    uncompensated: [],
    retryCount: 0,
    usage: usageOfCreation(entry, created),
    reread: 0,
  };
  if (created.cancel !== undefined) state.cancel = { ...created.cancel, at: entry.at, delivered: false };
  if (isDriven(created)) beginDriven(state, created);
  state.became = { status: statusOf(state), sequence: 0, at: entry.at };
  return state;
}

/** A header with its rows in the indexes, the input's own item where it is large, and the first wake. */
function usageOfCreation(entry: Entry, created: RunCreated): Usage {
  const bytes = JSON.stringify(entry.events).length;
  const own = bytes > HEADER_EVENT_BYTES_MAX ? Math.ceil(bytes / WRITE_UNIT_BYTES) : 0;
  const { owner, parent, node } = created;
  // A node of a map's tree is not listed.
  const lists =
    node !== undefined ? 0 : 1 + (owner === undefined ? 0 : 1) + (parent?.operation === "" ? 1 : 0);
  const isWoken = !isDriven(created) || created.deadline !== undefined;
  return { writeUnits: 2 + lists + own, readUnits: 0, queueRequests: isWoken ? 1 : 0, schedules: 0 };
}

/** Folds one more entry into `state`, which the caller gives up: it is changed in place and answered. */
export function applyEntry(state: RunState, entry: Entry): RunState {
  openEntry(state, entry);
  const now = entry.seen ?? entry.at;
  for (const event of entry.events) applyEvent(state, event, now);
  closeEntry(state, entry);
  return state;
}

/** Begins an entry whose events are applied one by one, as an owner decides them. */
export function openEntry(state: RunState, entry: Pick<Entry, "sequence" | "at">): void {
  if (entry.sequence !== state.sequence + 1)
    throw new StepfoldError(
      "JournalGap",
      `Expected entry ${state.sequence + 1} of run ${state.runId}, got ${entry.sequence}.`,
      {
        runId: state.runId,
        expected: state.sequence + 1,
        found: entry.sequence,
      },
    );
  state.sequence = entry.sequence;
  state.at = Math.max(state.at, entry.at);
}

/** Ends an entry: what is true of it as a whole. */
export function closeEntry(state: RunState, entry: Entry): void {
  const usage = entry.usage;
  if (usage !== undefined) {
    state.usage.writeUnits += usage.writeUnits;
    state.usage.readUnits += usage.readUnits;
    state.usage.queueRequests += usage.queueRequests;
    state.usage.schedules += usage.schedules;
    state.reread += usage.reread ?? 0;
  }
  // An owner's entry beyond its claim is progress (J11). The claim's own entry is not.
  if (isOwners(entry)) {
    state.owned = entry.sequence;
    if (entry.sequence > state.generation) state.progressed = true;
  }
  const status = statusOf(state);
  if (status !== state.became.status)
    state.became = { status, previous: state.became.status, sequence: entry.sequence, at: state.at };
}

const OUTSIDE = new Set<string>([
  "SignalReceived",
  "CancelRequested",
  "StatePatched",
  "ChildFinished",
  "GateDecided",
  "CallbackUsed",
  "CallbackBeaten",
  "PauseRequested",
  "ResumeRequested",
  "RunRedriven",
  "UndoRequested",
]);
/** Whether it was written by an owner, under a claim. */
export const isOwners = (entry: Entry): boolean => !OUTSIDE.has(entry.events[0]?.type ?? "");

/** Applies one event of the open entry. `now` is what the code sees as the time. */
export function applyEvent(state: RunState, event: RunEvent, now: number): void {
  if (!legality[event.type]?.includes(state.phase))
    throw illegal(state, event.type, `in phase ${state.phase}`);
  switch (event.type) {
    case "RunCreated":
      throw illegal(state, event.type, "after sequence 0");

    case "SignalReceived":
      if (state.signals.has(event.signalId)) return;
      state.signals.set(event.signalId, { ...event, at: state.at, sequence: state.sequence, buffered: true });
      state.buffered.add(event.signalId);
      return;
    case "CancelRequested":
      state.requests.add(event.requestId);
      if (state.finished !== undefined) return passRound(state, event);
      // What is to be cancelled must move to be so.
      if (state.pause !== undefined || state.cancel === undefined) state.steered = state.sequence;
      state.cancel ??= { reason: event.reason, by: event.by, at: state.at, delivered: false };
      state.pause = undefined;
      return;
    case "StatePatched":
      if (state.requests.has(event.requestId)) return;
      state.requests.add(event.requestId);
      state.patches.push(event.patch);
      if (event.step !== undefined) state.step = event.step;
      if (state.phase === "driven") return;
      state.lastPatched = state.patches.length - 1;
      state.firstUndelivered ??= state.lastPatched;
      state.history.push({ event, now });
      return;
    case "ChildFinished": {
      const operation = state.open.get(event.operation);
      if (operation?.childRunId === event.childRunId) {
        state.childEnds.set(event.operation, event);
        operation.failedItems = event.failedItems;
      }
      return;
    }

    case "GateDecided": {
      const gate = state.open.get(event.operation);
      if (gate?.kind === "gate" && gate.decision === undefined) {
        gate.decision = { ...event.decision, at: state.at };
        if (event.requestId !== undefined) gate.requestId = event.requestId;
        if (state.phase === "driven") decideGate(state, gate, event);
        else state.answered.add(gate.id);
      }
      return;
    }
    case "CallbackUsed": {
      const callback = state.open.get(event.operation);
      if (callback?.kind === "callback" && callback.used === undefined) {
        callback.used = { at: state.at, output: event.output, error: event.error };
        if (event.requestId !== undefined) callback.requestId = event.requestId;
        state.answered.add(callback.id);
      }
      return;
    }
    case "CallbackBeaten": {
      if (event.requestId !== undefined) {
        if (state.requests.has(event.requestId)) return;
        state.requests.add(event.requestId);
      }
      const callback = state.open.get(event.operation);
      if (callback?.heartbeatMs !== undefined) callback.beatBy = state.at + callback.heartbeatMs;
      return;
    }
    case "PauseRequested":
    case "ResumeRequested":
      if (state.requests.has(event.requestId) || (event.order ?? state.order) < state.order) return;
      state.requests.add(event.requestId);
      state.order = event.order ?? state.order;
      if (event.type === "PauseRequested")
        state.pause ??= { reason: event.reason, by: event.by, at: state.at };
      else state.pause = undefined;
      state.pausedIn = state.sequence;
      state.steered = state.sequence;
      return steerNodes(state);
    case "UndoRequested":
      state.requests.add(event.requestId);
      state.steered = state.sequence;
      state.undoing = event.operation;
      state.round = event.round ?? state.round;
      state.order = Math.max(state.order, event.order ?? 0);
      // Its parent no longer waits for that end.
      for (const { id, kind } of [...state.effects.values()])
        if (kind === "tellParent") state.effects.delete(id);
      state.phase = "parked";
      state.finished = undefined;
      return remember(state, event, now);
    case "RunRedriven":
      state.steered = state.sequence;
      if (state.finished === undefined) cutStalled(state, event);
      return redrive(state, event, now);

    case "LegStarted":
      state.phase = "leased";
      state.generation = state.sequence;
      state.lease = { owner: event.owner, until: event.until };
      state.progressed = false;
      state.stalled = undefined;
      state.isRedriven = false;
      state.startedAt ??= state.at;
      state.reread += event.reread ?? 0;
      state.history.push({ event, now });
      return;
    case "LegParked":
      state.phase = "parked";
      state.lease = undefined;
      return;
    case "RunStalled":
      state.stalled = { ...event, at: state.at };
      return;
    case "EffectsDone":
      for (const effect of event.effects) state.effects.delete(effect);
      return;

    case "StepCompleted":
      settle(state, event.operation, undefined, "completed", { output: event.output });
      state.inDoubt.delete(event.operation);
      state.kept.delete(event.operation);
      if (state.operations.get(event.operation)!.skipped)
        state.operations.get(event.operation)!.status = "skipped";
      return remember(state, event, now);
    case "StepFailed": {
      const step = settle(state, event.operation, undefined, "failed", { error: event.error });
      const { kind, of, name } = step;
      if (kind === "compensation") state.uncompensated.push({ operation: of!, name, error: event.error });
      doubtAfter(state, step, event.error);
      return remember(state, event, now);
    }
    case "StepAttemptFailed": {
      const step = opened(state, event.operation, event.type);
      step.status = "sleeping";
      step.attemptError = event.error;
      doubtAfter(state, step, event.error);
      step.nextAttemptAt = event.nextAttemptAt;
      state.timed.set(step.id, step);
      return;
    }
    case "StepRetried": {
      const step = opened(state, event.operation, event.type);
      if (event.attempt !== step.attempts + 1)
        throw illegal(state, event.type, `as attempt ${event.attempt} after ${step.attempts}`);
      step.status = step.kind === "callback" ? "waiting" : "running";
      step.attempts = event.attempt;
      step.attemptIn = state.sequence;
      step.nextAttemptAt = undefined;
      if (dueAtOf(step) === Number.POSITIVE_INFINITY) state.timed.delete(step.id);
      if (step.kind === "turn") beginTurn(state, step, state.at);
      else if (step.attemptError !== undefined) state.retryCount++;
      return;
    }
    case "TurnAnswered":
      answerTurn(state, event, state.at);
      return remember(state, event, now);
    case "TurnUnanswered":
      return missTurn(state, event);
    case "TimerFired":
      settle(state, event.operation, "timer", "completed", {});
      return remember(state, event, now);
    case "SignalDelivered": {
      const signal = consume(state, event.signalId, event.type);
      settle(state, event.operation, "signal", "completed", {
        output: event.payload ?? signal.payload,
        signalId: event.signalId,
      });
      return remember(state, event, now);
    }
    case "SignalRejected":
      consume(state, event.signalId, event.type);
      return;
    case "SignalTimedOut": {
      const wait = opened(state, event.operation, event.type, "signal");
      const error = {
        code: "SignalTimeout",
        name: "SignalTimeout",
        message: `No signal ${JSON.stringify(wait.name)} came in time.`,
        operation: wait.name,
      };
      settle(state, event.operation, "signal", "failed", { error });
      return remember(state, event, now);
    }
    case "ChildSettled": {
      const end = state.childEnds.get(event.operation);
      if (end === undefined)
        throw illegal(state, event.type, `for ${event.operation}, whose child has not ended`);
      state.childEnds.delete(event.operation);
      const done = end.status === "completed";
      const { kind, of, name } = settle(state, event.operation, undefined, done ? "completed" : "failed", {
        output: end.output,
        error: end.error,
      });
      if (kind === "compensation" && !done)
        state.uncompensated.push({ operation: of!, name, error: end.error! });
      return remember(state, event, now);
    }
    case "GateSettled": {
      const { decision } = opened(state, event.operation, event.type, "gate");
      if (decision === undefined)
        throw illegal(state, event.type, `for ${event.operation}, which is not decided`);
      const { at: _at, ...verdict } = decision;
      settle(state, event.operation, "gate", "completed", { output: { v: verdict as Json } });
      return remember(state, event, now);
    }
    case "GateTimedOut":
      fail(state, event.operation, "gate", "GateTimeout", "Nobody decided in time");
      return remember(state, event, now);
    case "CallbackSettled": {
      const { used } = opened(state, event.operation, event.type, "callback");
      if (used === undefined)
        throw illegal(state, event.type, `for ${event.operation}, whose token was not used`);
      settle(state, event.operation, "callback", used.error ? "failed" : "completed", {
        output: used.output,
        error: used.error,
      });
      return remember(state, event, now);
    }
    case "CallbackTimedOut":
      fail(
        state,
        event.operation,
        "callback",
        "CallbackTimeout",
        event.heartbeat ? "No heartbeat came in time" : "The token was not used in time",
      );
      return remember(state, event, now);
    case "CallbackSent":
      opened(state, event.operation, event.type, "callback").unsent = false;
      return;
    case "ConditionUnmet": {
      const condition = opened(state, event.operation, event.type, "condition");
      condition.status = "sleeping";
      condition.nextAttemptAt = event.nextAttemptAt;
      condition.attemptError = undefined;
      state.timed.set(condition.id, condition);
      return;
    }
    case "ConditionTimedOut":
      fail(state, event.operation, "condition", "PollTimeout", "The condition did not hold in time");
      return remember(state, event, now);
    case "PatchDelivered":
      if (state.firstUndelivered !== undefined && event.count > state.firstUndelivered) {
        const later = state.lastPatched !== undefined && state.lastPatched >= event.count;
        state.firstUndelivered = later ? event.count : undefined;
      }
      return remember(state, event, now);
    case "CancelDelivered":
      if (state.cancel === undefined) throw illegal(state, event.type, "without a request");
      state.cancel.delivered = true;
      cancelOpen(state);
      return remember(state, event, now);
    case "DeadlineReached":
      state.deadlineReached = true;
      cancelOpen(state);
      return remember(state, event, now);
    case "HistoryLimitReached":
      state.overgrown = true;
      cancelOpen(state);
      return remember(state, event, now);
    case "LateResultRecorded":
      if (state.open.has(event.operation))
        throw illegal(state, event.type, `for ${event.operation}, which is not settled`);
      if (event.error === undefined || !isOutcomeUnknown(event.error)) state.inDoubt.delete(event.operation);
      return remember(state, event, now);

    case "StepStarted": {
      const step = open(state, event, "step", "running");
      step.attemptIn = state.sequence;
      if (event.compensable) step.compensable = true;
      if (event.skipped) step.skipped = true;
      return remember(state, event, now);
    }
    case "TurnStarted":
      startTurn(state, event, state.at);
      return remember(state, event, now);
    case "TimerStarted":
      timed(state, open(state, event, "timer", "sleeping"), event.dueAt);
      return remember(state, event, now);
    case "SignalAwaited": {
      const wait = open(state, event, "signal", "waiting");
      state.waits.set(wait.id, wait);
      if (event.dueAt !== undefined) timed(state, wait, event.dueAt);
      return remember(state, event, now);
    }
    case "ChildStarted": {
      const child = open(state, event, "child", "waiting");
      child.childRunId = event.childRunId;
      if (event.node !== undefined) {
        child.node = event.node;
        askNode(state, child);
        return remember(state, event, now);
      }
      if (!takeKept(state, child))
        addEffect(state, { id: `start:${event.operation}`, kind: "startChild", command: event });
      if (event.detached)
        settle(state, event.operation, "child", "completed", { output: { v: event.childRunId } });
      return remember(state, event, now);
    }
    case "GateOpened": {
      const gate = open(state, event, "gate", "waiting");
      gate.prompt = event.prompt;
      if (event.requestId !== undefined) state.driven?.answers.set(event.requestId, gate.id);
      if (event.dueAt !== undefined) timed(state, gate, event.dueAt);
      return remember(state, event, now);
    }
    case "CallbackCreated": {
      const callback = open(state, event, "callback", "waiting");
      callback.unsent = true;
      if (state.redrives > 0) callback.redrives = state.redrives;
      callback.heartbeatMs = event.heartbeatMs;
      callback.dueAt = event.dueAt;
      if (event.heartbeatMs !== undefined) callback.beatBy = state.at + event.heartbeatMs;
      if (dueAtOf(callback) < Number.POSITIVE_INFINITY) state.timed.set(callback.id, callback);
      return remember(state, event, now);
    }
    case "ConditionStarted": {
      const condition = open(state, event, "condition", "running");
      if (event.dueAt !== undefined) timed(state, condition, event.dueAt);
      return remember(state, event, now);
    }
    case "CompensationStarted": {
      const { childRunId } = event;
      const undo = open(state, event, "compensation", childRunId === undefined ? "running" : "waiting");
      undo.of = event.of;
      undo.attemptIn = state.sequence;
      if (childRunId !== undefined) {
        undo.childRunId = childRunId;
        addEffect(state, { id: `undo:${undo.id}:${state.redrives}`, kind: "undoNode", operation: undo.id });
      }
      return remember(state, event, now);
    }
    case "PatchMarked":
      state.markers.add(event.name);
      return remember(state, event, now);
    case "BranchesStarted": {
      const fork = open(state, event, event.kind, "running");
      if (event.tree !== undefined) Object.assign(fork, { tree: event.tree, sequence: state.sequence });
      return remember(state, event, now);
    }
    case "ItemStarted": {
      const item = open(state, event, "item", "running");
      const kept = state.kept.get(item.id);
      if (kept === undefined) return remember(state, event, now);
      state.kept.delete(item.id);
      item.kept = true;
      if (kept.output !== undefined) item.output = kept.output;
      return remember(state, event, now);
    }
    case "ItemKept":
      settle(state, event.operation, "item", "completed", {});
      return remember(state, event, now);
    case "ItemSettled": {
      const output = event.of === undefined ? event.output : state.operations.get(event.of)?.output;
      settle(state, event.operation, "item", event.error ? "failed" : "completed", {
        output,
        error: event.error,
      });
      return remember(state, event, now);
    }
    case "BranchesSettled": {
      const branches = opened(state, event.operation, event.type);
      settle(state, event.operation, branches.kind, event.error ? "failed" : "completed", {
        error: event.error,
      });
      return remember(state, event, now);
    }
    case "OperationCancelled": {
      const operation = opened(state, event.operation, event.type);
      cancelOperation(state, operation);
      return remember(state, event, now);
    }
    case "StateSet":
      state.patches.push(event.patch);
      return remember(state, event, now);

    case "WaitBegun":
    case "Continued":
    case "LeaseGranted":
    case "LeaseRenewed":
    case "LeaseReleased":
    case "StepReported":
    case "StepUpdated":
    case "ItemsAdded":
    case "ItemsUpdated":
    case "ObservationReported":
      return applyDriven(state, event);

    case "RunCompleted":
      if (state.phase === "driven") endDriven(state, event);
      return finish(state, "completed", event.output, undefined);
    case "RunFailed":
      if (state.phase === "driven") endDriven(state, event);
      return finish(state, "failed", undefined, event.error);
    case "RunCancelled":
      if (state.phase === "driven") endDriven(state, event);
      if (state.phase === "parked") leaveUndone(state, event);
      return finish(state, "cancelled", undefined, event.error);
    case "RunTimedOut":
      return finish(state, "timedOut", undefined, event.error);
    case "RunContinued":
      state.continuedTo = event.nextRunId;
      addEffect(state, { id: "successor", kind: "startSuccessor", continued: event });
      return finish(state, "completed", undefined, undefined);
    default:
      return never(event);
  }
}

const remember = (state: RunState, event: Happening["event"], now: number): void => {
  state.history.push({ event, now });
};

function open(
  state: RunState,
  event: { type: string; operation: string; name: string; parent?: string },
  kind: OperationKind,
  status: OperationStatus,
): Operation {
  if (state.operations.has(event.operation))
    throw illegal(state, event.type, `for ${event.operation}, which exists`);
  const operation: Operation = {
    id: event.operation,
    name: event.name,
    kind,
    status,
    attempts: 1,
    startedAt: state.at,
  };
  if (event.parent !== undefined) operation.parent = event.parent;
  // Code that takes another way after a redrive asks for something else in the place of what was kept.
  if (!isSame(state.kept.get(operation.id), operation)) state.kept.delete(operation.id);
  state.operations.set(operation.id, operation);
  state.open.set(operation.id, operation);
  return operation;
}

const isSame = (kept: Operation | undefined, { kind, name }: Operation): boolean =>
  kept?.kind === kind && kept.name === name;

function timed(state: RunState, operation: Operation, dueAt: number): void {
  operation.dueAt = dueAt;
  state.timed.set(operation.id, operation);
}

function opened(state: RunState, id: string, type: string, kind?: OperationKind): Operation {
  const operation = state.open.get(id);
  if (operation === undefined) throw illegal(state, type, `for ${id}, which is not open`);
  if (kind !== undefined && operation.kind !== kind)
    throw illegal(state, type, `for ${id}, which is a ${operation.kind}`);
  return operation;
}

function settle(
  state: RunState,
  id: string,
  kind: OperationKind | undefined,
  status: OperationStatus,
  result: Partial<Operation>,
): Operation {
  const operation = opened(state, id, status, kind);
  operation.status = status;
  operation.finishedAt = state.at;
  operation.nextAttemptAt = undefined;
  if (result.output !== undefined) operation.output = result.output;
  if (result.error !== undefined) operation.error = result.error;
  if (result.signalId !== undefined) operation.signalId = result.signalId;
  state.open.delete(id);
  state.timed.delete(id);
  state.waits.delete(id);
  state.answered.delete(id);
  state.childEnds.delete(id);
  return operation;
}

function fail(state: RunState, id: string, kind: OperationKind, code: string, what: string): void {
  const { name } = opened(state, id, code, kind);
  settle(state, id, kind, "failed", {
    error: { code, name: code, message: `${what}: ${kind} ${JSON.stringify(name)}.`, operation: name },
  });
}

function cancelOperation(state: RunState, operation: Operation): void {
  if (operation.compensable && operation.status === "running") state.inDoubt.add(operation.id);
  const wasChild = operation.kind === "child" ? operation.childRunId : undefined;
  settle(state, operation.id, operation.kind, "cancelled", {});
  // Nothing was reported by it: there is nothing to show.
  if (operation.kind === "turn") state.operations.delete(operation.id);
  if (wasChild === undefined) return;
  const start = state.effects.get(`start:${operation.id}`);
  if (start !== undefined) state.effects.delete(start.id);
  addEffect(state, {
    id: `cancel:${operation.id}:${state.redrives}`,
    kind: "cancelChild",
    childRunId: wasChild,
    ...(operation.round === undefined ? {} : { round: operation.round }),
    ...(start?.kind === "startChild" ? { unstarted: start.command } : {}),
  });
}

/** What ended an attempt without its work having said so: it may have been done. */
const UNKNOWN_OUTCOMES = new Set(["StepTimeout", "StepInterrupted", "LegCrashed", "NotSerializable"]);

const isOutcomeUnknown = ({ code }: RunError): boolean => UNKNOWN_OUTCOMES.has(code);

/** A later attempt that fails tells nothing about an earlier one: only a result ends the doubt. */
function doubtAfter(state: RunState, step: Operation, error: RunError): void {
  if (step.compensable && isOutcomeUnknown(error)) state.inDoubt.add(step.id);
}

function cancelOpen(state: RunState): void {
  for (const operation of [...state.open.values()])
    if (isCutOff(operation)) cancelOperation(state, operation);
}

/** A stalled run that is redriven from an operation gives up what is under way, as it would at its end. */
function cutStalled(state: RunState, event: RunEvent): void {
  refuseUnstalled(state, event);
  for (const operation of [...state.open.values()]) cancelOperation(state, operation);
  state.inDoubt.clear();
}

/** A stalled run that is ended has no code that could undo what was done. */
function leaveUndone(state: RunState, event: RunEvent): void {
  refuseUnstalled(state, event);
  for (const { id, name, status, compensable, node } of state.operations.values()) {
    const isDone = status === "completed" && (compensable === true || node !== undefined);
    if (!isDone || state.operations.get(`${id}~`)?.status === "completed") continue;
    const message = `The run was ended while it was stalled: its code did not undo ${JSON.stringify(name)}.`;
    const error = { code: "NotUndone", name: "NotUndone", message, operation: name };
    state.uncompensated.push({ operation: id, name, error });
  }
}

/** A node that has ended is not asked for any more in that round: a redrive for it that comes late is void. */
function passRound(state: RunState, { type, round }: CancelRequested): void {
  if (round === undefined) throw illegal(state, type, "in phase finished");
  state.round = Math.max(state.round, round);
}

function refuseUnstalled(state: RunState, { type }: RunEvent): void {
  if (state.stalled === undefined) throw illegal(state, type, "which is not stalled");
}

function consume(state: RunState, signalId: string, type: string) {
  const signal = state.signals.get(signalId);
  if (!signal?.buffered) throw illegal(state, type, `for signal ${signalId}, which is not buffered`);
  signal.buffered = false;
  state.buffered.delete(signalId);
  return signal;
}

function addEffect(state: RunState, effect: Effect): void {
  state.effects.set(effect.id, effect);
}

function finish(
  state: RunState,
  status: FinishedStatus,
  output: Payload | undefined,
  error: RunError | undefined,
): void {
  if (state.created.driver === "remote") settleFailed(state);
  for (const operation of [...state.open.values()]) cancelOperation(state, operation);
  for (const id of state.inDoubt) {
    const { name } = state.operations.get(id)!;
    const message = `The step ${JSON.stringify(name)} was interrupted: nobody knows whether it did its work.`;
    state.uncompensated.push({
      operation: id,
      name,
      error: { code: "OutcomeUnknown", name: "OutcomeUnknown", message },
    });
  }
  state.inDoubt.clear();
  leaveDriven(state);
  state.pause = undefined;
  state.stalled = undefined;
  state.phase = "finished";
  state.lease = undefined;
  state.finished = { status, at: state.at, sequence: state.sequence, output, error };
  const parent = state.created.parent;
  // Whoever waits for a run that continues as another waits for that one. A parent that was only named does not wait.
  if (parent !== undefined && parent.operation !== "" && state.continuedTo === undefined)
    addEffect(state, {
      id: `parent:${state.redrives}${state.undoing === undefined ? "" : "~"}`,
      kind: "tellParent",
      ...parent,
    });
}

function never(event: never): never {
  throw new StepfoldError("IllegalEvent", `Expected an event of this version, got ${JSON.stringify(event)}.`);
}
