/**
 * Builders of journals, named as the events: `journal([legStarted(), stepStarted("1", "charge")], [legParked()])`
 * is a run's entries from its creation on. They need no test runner.
 */
import { OperationError } from "../../shared/core/errors.ts";
import type { Entry, RunCreated, RunEvent } from "../../shared/core/events.ts";
import { fold, isOwners } from "../../shared/core/fold.ts";
import type { Json } from "../../shared/core/json.ts";
import type { RunState } from "../../shared/core/state.ts";

export const identity = { runId: "run-1", inc: "inc-1" };

type Event<Type extends RunEvent["type"]> = Extract<RunEvent, { type: Type }>;
type Change<Type extends RunEvent["type"]> = Partial<Event<Type>>;

export const anError = (name = "Refused") =>
  new OperationError({ code: "StepFailed", name, message: "no" }).details;

export const runCreated = (change: Change<"RunCreated"> = {}): RunCreated => ({
  type: "RunCreated",
  workflow: "order",
  version: 1,
  driver: "code",
  ...change,
});

// ——— outside ———
export const signalReceived = (signalId: string, name: string, payload: Json = null): RunEvent => ({
  type: "SignalReceived",
  signalId,
  name,
  payload: { v: payload },
});
export const cancelRequested = (requestId = "cancel"): RunEvent => ({ type: "CancelRequested", requestId });
export const statePatched = (requestId: string, patch: Json): RunEvent => ({
  type: "StatePatched",
  requestId,
  patch: { v: patch },
});
export const childFinished = (operation: string, change: Change<"ChildFinished"> = {}): RunEvent => ({
  type: "ChildFinished",
  operation,
  childRunId: `child-${operation}`,
  status: "completed",
  ...change,
});
export const gateDecided = (operation: string, approved = true): RunEvent => ({
  type: "GateDecided",
  operation,
  decision: { approved },
});
export const callbackUsed = (operation: string, output: Json = null): RunEvent => ({
  type: "CallbackUsed",
  operation,
  output: { v: output },
});
export const callbackBeaten = (operation: string): RunEvent => ({ type: "CallbackBeaten", operation });
export const pauseRequested = (requestId = "pause"): RunEvent => ({ type: "PauseRequested", requestId });
export const resumeRequested = (requestId = "resume"): RunEvent => ({ type: "ResumeRequested", requestId });
export const runRedriven = (cut: number, change: Change<"RunRedriven"> = {}): RunEvent => ({
  type: "RunRedriven",
  requestId: "redrive",
  cut,
  keep: true,
  again: [],
  ...change,
});

// ——— leg ———
export const legStarted = (owner = "owner-1", until = 120_000): RunEvent => ({
  type: "LegStarted",
  owner,
  until,
  codeHash: "code-1",
});
export const legParked = (): RunEvent => ({ type: "LegParked" });
export const runStalled = (): RunEvent => ({
  type: "RunStalled",
  code: "NonDeterminism",
  message: "other code",
  codeHash: "code-1",
});
export const effectsDone = (...effects: string[]): RunEvent => ({ type: "EffectsDone", effects });

// ——— deliveries and bookkeeping ———
export const stepCompleted = (operation: string, output?: Json): RunEvent => ({
  type: "StepCompleted",
  operation,
  ...(output === undefined ? {} : { output: { v: output } }),
});
export const stepFailed = (operation: string): RunEvent => ({
  type: "StepFailed",
  operation,
  error: anError(),
});
export const stepAttemptFailed = (operation: string, attempt: number, nextAttemptAt: number): RunEvent => ({
  type: "StepAttemptFailed",
  operation,
  attempt,
  nextAttemptAt,
  error: anError(),
});
export const stepRetried = (operation: string, attempt: number): RunEvent => ({
  type: "StepRetried",
  operation,
  attempt,
});
export const turnAnswered = (operation: string, change: Change<"TurnAnswered"> = {}): RunEvent => ({
  type: "TurnAnswered",
  operation,
  action: "step_complete",
  step: "charge",
  ...change,
});
export const turnUnanswered = (operation: string, attempt: number, nextAttemptAt: number): RunEvent => ({
  type: "TurnUnanswered",
  operation,
  attempt,
  nextAttemptAt,
  lostMs: 1_000,
  error: anError(),
});
export const signalDelivered = (operation: string, signalId: string): RunEvent => ({
  type: "SignalDelivered",
  operation,
  signalId,
});
export const patchDelivered = (count: number): RunEvent => ({ type: "PatchDelivered", count });
export const settled = (
  type:
    | "TimerFired"
    | "SignalTimedOut"
    | "ChildSettled"
    | "ItemKept"
    | "ItemSettled"
    | "GateSettled"
    | "GateTimedOut"
    | "CallbackSettled"
    | "CallbackTimedOut"
    | "CallbackSent"
    | "ConditionTimedOut"
    | "LateResultRecorded"
    | "OperationCancelled"
    | "BranchesSettled",
  operation: string,
): RunEvent => ({ type, operation });
export const cancelDelivered = (): RunEvent => ({ type: "CancelDelivered" });
export const historyLimitReached = (limit = 10): RunEvent => ({ type: "HistoryLimitReached", limit });
export const deadlineReached = (): RunEvent => ({ type: "DeadlineReached" });

// ——— commands ———
export const stepStarted = (operation: string, name: string): RunEvent => ({
  type: "StepStarted",
  operation,
  name,
});
export const turnStarted = (operation: string, nextAttemptAt?: number): RunEvent => ({
  type: "TurnStarted",
  operation,
  name: "turn",
  ...(nextAttemptAt === undefined ? {} : { nextAttemptAt }),
});
export const timerStarted = (operation: string, name: string, dueAt: number): RunEvent => ({
  type: "TimerStarted",
  operation,
  name,
  dueAt,
});
export const signalAwaited = (operation: string, name: string, dueAt?: number): RunEvent => ({
  type: "SignalAwaited",
  operation,
  name,
  ...(dueAt === undefined ? {} : { dueAt }),
});
export const childStarted = (operation: string, change: Change<"ChildStarted"> = {}): RunEvent => ({
  type: "ChildStarted",
  operation,
  name: "child",
  workflow: "order",
  version: 1,
  childRunId: `child-${operation}`,
  ...change,
});
export const gateOpened = (operation: string, name: string): RunEvent => ({
  type: "GateOpened",
  operation,
  name,
});
export const callbackCreated = (operation: string, name: string): RunEvent => ({
  type: "CallbackCreated",
  operation,
  name,
});
export const conditionStarted = (operation: string, name: string): RunEvent => ({
  type: "ConditionStarted",
  operation,
  name,
});
export const branchesStarted = (operation: string, kind: "all" | "any" | "race"): RunEvent => ({
  type: "BranchesStarted",
  operation,
  name: kind,
  kind,
  branches: ["a", "b"],
});
export const itemStarted = (operation: string): RunEvent => ({
  type: "ItemStarted",
  operation,
  name: `each[${operation}]`,
  parent: "fork",
});
export const stateSet = (patch: Json): RunEvent => ({ type: "StateSet", patch: { v: patch } });
export const runCompleted = (output?: Json): RunEvent => ({
  type: "RunCompleted",
  ...(output === undefined ? {} : { output: { v: output } }),
});
export const runFailed = (): RunEvent => ({ type: "RunFailed", error: anError() });
export const runCancelled = (): RunEvent => ({ type: "RunCancelled" });

// ——— driven runs ———
export const runManaged = (change: Change<"RunCreated"> = {}): RunCreated =>
  runCreated({ driver: "managed", ...change });
export const runMirrored = (change: Change<"RunCreated"> = {}): RunCreated =>
  runCreated({ driver: "mirrored", ...change });
export const waitBegun = (requestId: string, wait: Json, step?: string): RunEvent => ({
  type: "WaitBegun",
  requestId,
  wait: { v: wait },
  ...(step === undefined ? {} : { step }),
});
export const continued = (requestId: string, patch?: Json, step?: string): RunEvent => ({
  type: "Continued",
  requestId,
  ...(patch === undefined ? {} : { patch: { v: patch } }),
  ...(step === undefined ? {} : { step }),
});
export const leaseGranted = (token = "worker-1", until = 60_000): RunEvent => ({
  type: "LeaseGranted",
  token,
  until,
});
export const leaseRenewed = (until = 90_000): RunEvent => ({ type: "LeaseRenewed", until });
export const leaseReleased = (): RunEvent => ({ type: "LeaseReleased" });
export const stepReported = (operation: string, change: Change<"StepReported"> = {}): RunEvent => ({
  type: "StepReported",
  operation,
  name: operation,
  status: "pending",
  ...change,
});
export const stepUpdated = (
  operation: string,
  status: Event<"StepUpdated">["status"],
  change: Change<"StepUpdated"> = {},
): RunEvent => ({ type: "StepUpdated", operation, status, ...change });
export const itemsAdded = (operation: string, ...itemIds: string[]): RunEvent => ({
  type: "ItemsAdded",
  operation,
  items: itemIds.map((itemId) => ({ itemId, type: "line", id: `their-${itemId}` })),
});
export const itemsUpdated = (operation: string, ...items: Event<"ItemsUpdated">["items"]): RunEvent => ({
  type: "ItemsUpdated",
  operation,
  items,
});
export const observationReported = (
  operation: string,
  status: Event<"ObservationReported">["status"],
  change: Change<"ObservationReported"> = {},
): RunEvent => ({ type: "ObservationReported", operation, name: operation, status, ...change });

/** Entries that follow one another, a second apart, each under the newest claim. */
export function journal(...entries: (RunEvent | RunEvent[])[]): Entry[] {
  let generation = 0;
  const lists = entries.map((events) => (Array.isArray(events) ? events : [events]));
  const first = lists[0]?.[0]?.type === "RunCreated" ? lists : [[runCreated()], ...lists];
  return first.map((events, sequence): Entry => {
    const entry = { sequence, at: sequence * 1_000, generation, nonce: `nonce-${sequence}`, events };
    if (events.some(({ type }) => type === "LegStarted" || type === "LeaseGranted")) generation = sequence;
    return { ...entry, generation: isOwners(entry) ? generation : entry.generation };
  });
}

/** The state that such a journal folds to. */
export const stateOf = (...entries: (RunEvent | RunEvent[])[]): RunState =>
  fold(identity, journal(...entries));
