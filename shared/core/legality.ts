/**
 * Which event may come in which phase of a run: one literal table, enumerated by one test. The fold refuses the
 * rest as `IllegalEvent`: a journal that holds one was not written by this engine's rules.
 */
import type { EventType } from "./events.ts";

/**
 * `absent`: before event 0. `created`: nobody has claimed it yet. `leased`: an owner advances it. `parked`: rows
 * only. `driven`: managed or mirrored, and unfinished. `finished`.
 */
export type Phase = "absent" | "created" | "leased" | "parked" | "driven" | "finished";

const legs: Phase[] = ["created", "leased", "parked"];
const outside: Phase[] = [...legs, "driven"];
const owner: Phase[] = ["leased"];
const ownerOrDriver: Phase[] = ["leased", "driven"];
const driver: Phase[] = ["driven"];

export const legality: Record<EventType, readonly Phase[]> = {
  RunCreated: ["absent"],
  // outside
  SignalReceived: outside,
  // Of a finished run only where it is a node, which its parent asks for no more.
  CancelRequested: [...outside, "finished"],
  StatePatched: outside,
  ChildFinished: [...legs, "finished"],
  GateDecided: outside,
  CallbackUsed: legs,
  CallbackBeaten: legs,
  PauseRequested: outside,
  ResumeRequested: outside,
  // Of a parked run only where it is stalled.
  RunRedriven: ["parked", "finished"],
  UndoRequested: ["finished"],
  // leg
  LegStarted: legs,
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
  ItemKept: owner,
  GateSettled: owner,
  GateTimedOut: ownerOrDriver,
  CallbackSettled: owner,
  CallbackTimedOut: owner,
  CallbackSent: owner,
  ConditionTimedOut: owner,
  ConditionUnmet: owner,
  PatchDelivered: owner,
  CancelDelivered: owner,
  DeadlineReached: owner,
  HistoryLimitReached: owner,
  LateResultRecorded: owner,
  // commands
  StepStarted: owner,
  TurnStarted: owner,
  TimerStarted: owner,
  SignalAwaited: owner,
  ChildStarted: owner,
  GateOpened: ownerOrDriver,
  CallbackCreated: owner,
  ConditionStarted: owner,
  CompensationStarted: owner,
  PatchMarked: owner,
  RunContinued: owner,
  BranchesStarted: owner,
  BranchesSettled: owner,
  ItemStarted: owner,
  ItemSettled: owner,
  OperationCancelled: owner,
  StateSet: owner,
  RunCompleted: ownerOrDriver,
  RunFailed: ownerOrDriver,
  // Of a parked run only where it is stalled.
  RunCancelled: ["leased", "parked", "driven"],
  RunTimedOut: ownerOrDriver,
  // of driven runs
  WaitBegun: driver,
  Continued: driver,
  LeaseGranted: driver,
  LeaseRenewed: driver,
  LeaseReleased: driver,
  StepReported: driver,
  StepUpdated: driver,
  ItemsAdded: driver,
  ItemsUpdated: driver,
  // Another system's reports come in any order: its run's end may overtake a step's.
  ObservationReported: ["driven", "finished"],
};
