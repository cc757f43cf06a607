/**
 * Which event may come in which phase of a run: one literal table, enumerated by one test. The fold refuses the
 * rest as `IllegalEvent`: a journal that holds one was not written by this engine's rules.
 */
import type { EventType } from "./events.ts";

/**
 * `absent`: before event 0. `created`: nobody has claimed it yet. `leased`: an owner advances it. `parked`: rows
 * only. `finished`.
 */
export type Phase = "absent" | "created" | "leased" | "parked" | "finished";

const outside: Phase[] = ["created", "leased", "parked"];
const owner: Phase[] = ["leased"];

export const legality: Record<EventType, readonly Phase[]> = {
  RunCreated: ["absent"],
  // outside
  SignalReceived: outside,
  CancelRequested: outside,
  StatePatched: outside,
  ChildFinished: [...outside, "finished"],
  GateDecided: outside,
  CallbackUsed: outside,
  CallbackBeaten: outside,
  PauseRequested: outside,
  ResumeRequested: outside,
  RunRedriven: ["finished"],
  // leg
  LegStarted: outside,
  LegParked: owner,
  RunStalled: owner,
  EffectsDone: ["leased", "finished"],
  // deliveries and bookkeeping
  StepCompleted: owner,
  StepFailed: owner,
  StepAttemptFailed: owner,
  TurnAnswered: owner,
  TurnUnanswered: owner,
  StepRetried: owner,
  TimerFired: owner,
  SignalDelivered: owner,
  SignalRejected: owner,
  SignalTimedOut: owner,
  ChildSettled: owner,
  GateSettled: owner,
  GateTimedOut: owner,
  CallbackSettled: owner,
  CallbackTimedOut: owner,
  CallbackSent: owner,
  ConditionTimedOut: owner,
  ConditionUnmet: owner,
  PatchDelivered: owner,
  CancelDelivered: owner,
  DeadlineReached: owner,
  LateResultRecorded: owner,
  // commands
  StepStarted: owner,
  TurnStarted: owner,
  TimerStarted: owner,
  SignalAwaited: owner,
  ChildStarted: owner,
  GateOpened: owner,
  CallbackCreated: owner,
  ConditionStarted: owner,
  CompensationStarted: owner,
  PatchMarked: owner,
  RunContinued: owner,
  BranchesStarted: owner,
  BranchesSettled: owner,
  OperationCancelled: owner,
  StateSet: owner,
  RunCompleted: owner,
  RunFailed: owner,
  RunCancelled: owner,
  RunTimedOut: owner,
};
