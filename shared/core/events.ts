/**
 * The closed union of everything that can be true of a run. A journal entry holds the events that became true
 * together; a run's state is their fold (`fold.ts`), its code is replayed against them (`execution.ts`).
 *
 * Five kinds, by who writes them and what they are for:
 * - *outside* events (signals, cancel requests, patches, children's ends) are appended by anyone, unfenced. They
 *   are only ever buffered: code never sees one before an owner's event delivers it, so an outside event that
 *   wins a race for a sequence never invalidates what the owner had already decided (R2).
 * - *leg* events (claim, park, stall, effects done) are an owner's bookkeeping.
 * - *deliveries* are what an owner hands to the code, one at a time, in journal order (R1).
 * - *commands* are what the code asked for in answer; a replay must ask for the same, in the same order.
 * - what the owner of a *driven* run (managed or mirrored) says through the API is in `events-driven.ts`: no leg
 *   delivers it, so it is true at once.
 */
import type { RunError } from "./errors.ts";
import type { DrivenEvent } from "./events-driven.ts";
import type { Json, Payload } from "./json.ts";

export type FinishedStatus = "completed" | "failed" | "cancelled" | "timedOut";
export type RunStatus = "pending" | "running" | "sleeping" | "waiting" | "paused" | FinishedStatus;

/** Event 0 of every run: the header is this event. Times are epoch milliseconds. */
export interface RunCreated {
  type: "RunCreated";
  workflow: string;
  version: number;
  driver: "code" | "remote" | "managed" | "mirrored";
  /** The worker group that advances it, unless that is the default one. */
  group?: string;
  input?: Payload;
  /** The published state that the run begins with. */
  state?: Payload;
  startAt?: number;
  /** The run's deadline. */
  deadline?: number;
  owner?: string;
  tags?: Record<string, string>;
  goal?: string;
  origin?: string;
  trigger?: string;
  dryRun?: boolean;
  step?: string;
  externalParentId?: string;
  definitionHash?: string;
  definition?: Payload;
  parent?: { runId: string; operation: string };
  /** A part of another run's map: it has no input, its items come from replaying that run. */
  node?: MapNode;
  /** The run that continued as this one, the first of the chain, the signals that it had not consumed, and the request
   * to cancel that came too late to change its end. */
  continuedFrom?: string;
  firstRunId?: string;
  signals?: SignalReceived[];
  cancel?: { reason?: string; by?: string };
}

/** How a map is spread over a tree of runs: decided once, and kept (R2). */
export interface MapTree {
  count: number;
  /** Of the items: code that would map others on replay is refused. */
  digest: string;
  /** Items a leaf. */
  batch: number;
  /** Children a node. */
  fanOut: number;
  tolerated: number;
  concurrency?: number;
  /** Results that a leaf stores together. */
  checkpoint?: number;
  /** Results are counted, not kept. */
  counts?: boolean;
}
/** Items `from` up to, and without, `to`; `concurrency` is this part's share. */
export interface MapPart {
  from: number;
  to: number;
  concurrency?: number;
}
/** What a run of a map's tree works on. The mapping run, replayed up to `sequence`, has the items and their code. */
export interface MapNode extends MapPart {
  name: string;
  /** The run that maps, where that is not the parent. */
  mapper?: string;
  /** Of the run that maps: its incarnation, the map's operation, and the entry in which it began. */
  inc: string;
  operation: string;
  sequence: number;
  tree: MapTree;
  /** The parent's redrives when it was started. */
  round?: number;
}

// ——— outside ———
export interface SignalReceived {
  type: "SignalReceived";
  signalId: string;
  name: string;
  payload?: Payload;
}
export interface CancelRequested {
  type: "CancelRequested";
  requestId: string;
  reason?: string;
  by?: string;
  /** Of a node of a map that has ended: its parent's redrives in which it is not asked for any more. */
  round?: number;
}
export interface StatePatched {
  type: "StatePatched";
  requestId: string;
  patch: Payload;
  step?: string;
}
export interface ChildFinished {
  type: "ChildFinished";
  childRunId: string;
  operation: string;
  status: FinishedStatus;
  output?: Payload;
  error?: RunError;
  /** Of a node of a map: its items that failed. */
  failedItems?: number;
}

/** A gate's decision: the first one counts. */
export interface GateDecided {
  type: "GateDecided";
  operation: string;
  decision: Decision;
  /** Of a request with a key. */
  requestId?: string;
}
export interface Decision {
  approved: boolean;
  feedback?: Json;
  selections?: Json;
  by?: string;
}
/** A callback's token was used: the first outcome counts. */
export interface CallbackUsed {
  type: "CallbackUsed";
  operation: string;
  output?: Payload;
  error?: RunError;
  /** Of a request with a key. */
  requestId?: string;
}
export interface CallbackBeaten {
  type: "CallbackBeaten";
  operation: string;
  /** Of a request with a key. */
  requestId?: string;
}
export interface PauseRequested {
  type: "PauseRequested";
  requestId: string;
  reason?: string;
  by?: string;
  /** From a parent: its entry that asked. What is older than the last such is void. */
  order?: number;
}
export interface ResumeRequested {
  type: "ResumeRequested";
  requestId: string;
  reason?: string;
  by?: string;
  order?: number;
}
/** A finished run goes on: its history is cut before `cut`, and steps completed after that keep their results,
 * but for those in `again`. */
export interface RunRedriven {
  type: "RunRedriven";
  requestId: string;
  cut: number;
  from?: string;
  keep: boolean;
  again: string[];
  /** Of a node of a map: its parent's redrives. */
  round?: number;
  /** Of a node: its parent's last entry that paused or resumed it. What it asked for before is void. */
  order?: number;
  /** Of a node: the mapping run's entry in which its map has begun again since. */
  sequence?: number;
  /** What was asked for from this point of the history on keeps no result. */
  afresh?: number;
}

/** Of a node of a map, from its parent, which has failed: undo what was done, as the parent's `operation`. */
export interface UndoRequested {
  type: "UndoRequested";
  requestId: string;
  operation: string;
  /** The parent's redrives, and its last entry that paused or resumed it: what it asked for before is void. */
  round?: number;
  order?: number;
}

// ——— leg ———
/** The claim. Its sequence is the generation; `until` is when the lease ends. `cause` says what woke the run. `reread`
 * are the read units that its process took to read what a segment could have held. */
export interface LegStarted {
  type: "LegStarted";
  owner: string;
  until: number;
  codeHash: string;
  cause?: string;
  reread?: number;
}
/** The lease is given up: the run waits for something outside, or (`handover`) for its next leg. */
export interface LegParked {
  type: "LegParked";
  handover?: boolean;
}
/** Replay and journal disagree. `codeHash` is the code that stalled: only other code tries again. */
export interface RunStalled {
  type: "RunStalled";
  code: string;
  message: string;
  operation?: string;
  recorded?: string;
  found?: string;
  codeHash: string;
}
/** Effects that need not be repeated by a later leg. */
export interface EffectsDone {
  type: "EffectsDone";
  effects: string[];
}

// ——— deliveries ———
export interface StepCompleted {
  type: "StepCompleted";
  operation: string;
  output?: Payload;
}
/** The step's last attempt failed. */
export interface StepFailed {
  type: "StepFailed";
  operation: string;
  error: RunError;
}
/** One attempt failed and another follows; not handed to the code. */
export interface StepAttemptFailed {
  type: "StepAttemptFailed";
  operation: string;
  attempt: number;
  error: RunError;
  nextAttemptAt: number;
}
/** A condition was checked and does not hold yet; not handed to the code. */
export interface ConditionUnmet {
  type: "ConditionUnmet";
  operation: string;
  attempt: number;
  nextAttemptAt: number;
}
/** A callback's token has been handed out; not handed to the code. */
export interface CallbackSent {
  type: "CallbackSent";
  operation: string;
}
/** The runner was not reached, or gave no answer; not handed to the code. `lostMs` is how long that has been so. */
export interface TurnUnanswered {
  type: "TurnUnanswered";
  operation: string;
  attempt: number;
  error: RunError;
  nextAttemptAt: number;
  lostMs: number;
}
/** The next attempt begins; not handed to the code. */
export interface StepRetried {
  type: "StepRetried";
  operation: string;
  attempt: number;
}
export interface TimerFired {
  type: "TimerFired";
  operation: string;
}
/** `payload` is what the wait's schema made of the signal's, where that differs. */
export interface SignalDelivered {
  type: "SignalDelivered";
  operation: string;
  signalId: string;
  payload?: Payload;
}
/** The signal did not hold the wait's schema: it is dropped, the wait goes on; not handed to the code. */
export interface SignalRejected {
  type: "SignalRejected";
  operation: string;
  signalId: string;
  message: string;
}
export interface SignalTimedOut {
  type: "SignalTimedOut";
  operation: string;
}
export interface ChildSettled {
  type: "ChildSettled";
  operation: string;
}
/** A redriven map takes an item's result from before. */
export interface ItemKept {
  type: "ItemKept";
  operation: string;
}
export interface GateSettled {
  type: "GateSettled";
  operation: string;
}
export interface GateTimedOut {
  type: "GateTimedOut";
  operation: string;
}
export interface CallbackSettled {
  type: "CallbackSettled";
  operation: string;
}
/** No outcome in time, or (`heartbeat`) no heartbeat. */
export interface CallbackTimedOut {
  type: "CallbackTimedOut";
  operation: string;
  heartbeat?: boolean;
}
export interface ConditionTimedOut {
  type: "ConditionTimedOut";
  operation: string;
}
/** A remote run's runner has said what comes next. */
export interface TurnAnswered {
  type: "TurnAnswered";
  operation: string;
  action: "step_complete" | "sleep" | "wait_event" | "complete" | "fail";
  /** The step that it reports. */
  step?: string;
  /** The step's; a run's own is in `RunCompleted`. */
  output?: Payload;
  /** What the runner said of the failed step. */
  failure?: Json;
  /** When the runner is asked again after it; without it the step has failed for good. */
  nextAttemptAt?: number;
  /** How long the step took by the runner's word, or how long to sleep. */
  durationMs?: number;
  /** What to wait for. */
  signal?: string;
}
/** The published state as of its first `count` patches becomes what the code sees. */
export interface PatchDelivered {
  type: "PatchDelivered";
  count: number;
}
/** Every pending operation rejects with `RunCancelled`. */
export interface CancelDelivered {
  type: "CancelDelivered";
}
/** Every pending operation rejects with `RunTimedOut`. */
/** The journal is as long as its workflow allows: what is open is cancelled, what was done is undone, the run fails. */
export interface HistoryLimitReached {
  type: "HistoryLimitReached";
  limit: number;
}
export interface DeadlineReached {
  type: "DeadlineReached";
}
/** A result that came after its operation was settled: recorded, never delivered (J12). */
export interface LateResultRecorded {
  type: "LateResultRecorded";
  operation: string;
  output?: Payload;
  error?: RunError;
}

// ——— commands ———
/** A step was asked for; its first attempt begins once the entry is stored. */
export interface StepStarted {
  type: "StepStarted";
  operation: string;
  name: string;
  parent?: string;
  /** It has a compensation: should it be cancelled in flight, nobody knows whether there is something to undo. */
  compensable?: boolean;
  /** A dry run: its stand-in was given, its work is not done. */
  skipped?: boolean;
}
/** A remote run's runner is asked what comes next: now, or at `nextAttemptAt`. */
export interface TurnStarted {
  type: "TurnStarted";
  operation: string;
  name: string;
  nextAttemptAt?: number;
}
export interface TimerStarted {
  type: "TimerStarted";
  operation: string;
  name: string;
  parent?: string;
  dueAt: number;
}
export interface SignalAwaited {
  type: "SignalAwaited";
  operation: string;
  name: string;
  parent?: string;
  dueAt?: number;
}
export interface ChildStarted {
  type: "ChildStarted";
  operation: string;
  name: string;
  parent?: string;
  workflow: string;
  version: number;
  childRunId: string;
  input?: Payload;
  detached?: boolean;
  /** A part of a map's items. */
  node?: MapPart;
}
export interface BranchesStarted {
  type: "BranchesStarted";
  operation: string;
  name: string;
  parent?: string;
  kind: "all" | "any" | "race" | "map";
  branches: string[];
  /** The items are worked on by child runs. */
  tree?: MapTree;
}
/** In a leaf of a map's tree: an item's callback is called. */
export interface ItemStarted {
  type: "ItemStarted";
  operation: string;
  name: string;
  parent: string;
}
/** Its result; `of` names the item's operation whose output it is. */
export interface ItemSettled {
  type: "ItemSettled";
  operation: string;
  output?: Payload;
  of?: string;
  error?: RunError;
}
export interface BranchesSettled {
  type: "BranchesSettled";
  operation: string;
  error?: RunError;
}
export interface GateOpened {
  type: "GateOpened";
  operation: string;
  name: string;
  parent?: string;
  prompt?: string;
  dueAt?: number;
  /** Of a driven run: of the request with a key that opened it. */
  requestId?: string;
}
export interface CallbackCreated {
  type: "CallbackCreated";
  operation: string;
  name: string;
  parent?: string;
  dueAt?: number;
  heartbeatMs?: number;
}
export interface ConditionStarted {
  type: "ConditionStarted";
  operation: string;
  name: string;
  parent?: string;
  dueAt?: number;
}
/** Undoes the step `of`. */
export interface CompensationStarted {
  type: "CompensationStarted";
  operation: string;
  name: string;
  parent?: string;
  of: string;
  /** A run of a map's tree undoes what it has done. */
  childRunId?: string;
}
/** The run passed a version gate on the new side. */
export interface PatchMarked {
  type: "PatchMarked";
  name: string;
}
/** The operation lost a race, or its fork failed: its result no longer matters. */
export interface OperationCancelled {
  type: "OperationCancelled";
  operation: string;
}
export interface StateSet {
  type: "StateSet";
  patch: Payload;
}
export interface RunCompleted {
  type: "RunCompleted";
  output?: Payload;
  /** Of a driven run: the request that ended it, and the last patch of its state. */
  requestId?: string;
  patch?: Payload;
}
export interface RunFailed {
  type: "RunFailed";
  error: RunError;
  /** As of `RunCompleted`. */
  requestId?: string;
  patch?: Payload;
}
export interface RunCancelled {
  type: "RunCancelled";
  error?: RunError;
  /** Of a driven run: the request that ended it, whoever had asked for that before. */
  requestId?: string;
  reason?: string;
  by?: string;
}
export interface RunTimedOut {
  type: "RunTimedOut";
  error: RunError;
}

/** The run ends `completed`, and goes on as another with a fresh journal. */
export interface RunContinued {
  type: "RunContinued";
  input?: Payload;
  nextRunId: string;
}

export type OutsideEvent =
  | SignalReceived
  | CancelRequested
  | StatePatched
  | ChildFinished
  | GateDecided
  | CallbackUsed
  | CallbackBeaten
  | PauseRequested
  | ResumeRequested
  | RunRedriven
  | UndoRequested;
export type LegEvent = LegStarted | LegParked | RunStalled | EffectsDone;
export type Delivery =
  | StepCompleted
  | StepFailed
  | TurnAnswered
  | TimerFired
  | SignalDelivered
  | SignalTimedOut
  | ChildSettled
  | ItemKept
  | GateSettled
  | GateTimedOut
  | CallbackSettled
  | CallbackTimedOut
  | ConditionTimedOut
  | PatchDelivered
  | CancelDelivered
  | DeadlineReached
  | HistoryLimitReached;
/** An owner's facts about steps that the code never sees. */
export type Bookkeeping =
  | StepAttemptFailed
  | TurnUnanswered
  | StepRetried
  | SignalRejected
  | LateResultRecorded
  | ConditionUnmet
  | CallbackSent;
export type Ending = RunCompleted | RunFailed | RunCancelled | RunTimedOut | RunContinued;
export type Command =
  | StepStarted
  | TurnStarted
  | TimerStarted
  | SignalAwaited
  | ChildStarted
  | GateOpened
  | CallbackCreated
  | ConditionStarted
  | CompensationStarted
  | PatchMarked
  | BranchesStarted
  | BranchesSettled
  | ItemStarted
  | ItemSettled
  | OperationCancelled
  | StateSet
  | Ending;
export type RunEvent = RunCreated | OutsideEvent | LegEvent | Delivery | Bookkeeping | Command | DrivenEvent;
export type EventType = RunEvent["type"];

/** What a leg had used up when it wrote an entry, beside the entry's own write units (which follow from its size). */
export interface Usage {
  writeUnits: number;
  readUnits: number;
  queueRequests: number;
  schedules: number;
}

/** `reread` is, of an entry of a driven run, what a claim tells by its own: read units that a segment would have saved. */
export interface EntryUsage extends Usage {
  reread?: number;
}

/** One atomic write to a run's journal. */
export interface Entry {
  /** The position in the journal: contiguous from 0. */
  sequence: number;
  /** Epoch milliseconds; never before the entry in front of it (R3). */
  at: number;
  /** What `run.now()` showed to the code while this entry was decided, where that is not `at`. */
  seen?: number;
  /** The generation under which an owner wrote it; 0 for an outside event before any claim. */
  generation: number;
  /** Drawn by the writer, so that it knows its own entry again after a retry (J3). */
  nonce: string;
  events: RunEvent[];
  usage?: EntryUsage;
}
