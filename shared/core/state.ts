/**
 * A run's state: what the fold of its journal says. Plain data and maps, no behaviour but what is derived.
 * All times are epoch milliseconds.
 */
import type { Driven, Reported } from "./driven.ts";
import type { RunError } from "./errors.ts";
import type {
  ChildFinished,
  ChildStarted,
  Command,
  Decision,
  Delivery,
  FinishedStatus,
  LateResultRecorded,
  LegStarted,
  MapPart,
  MapTree,
  RunContinued,
  RunCreated,
  RunRedriven,
  RunStalled,
  RunStatus,
  StatePatched,
  UndoRequested,
  Usage,
} from "./events.ts";
import type { Payload } from "./json.ts";
import type { Phase } from "./legality.ts";

export type OperationKind =
  | "step"
  | "turn"
  | "timer"
  | "signal"
  | "gate"
  | "callback"
  | "condition"
  | "child"
  | "map"
  | "item"
  | "all"
  | "any"
  | "race"
  | "compensation"
  | "observation";
export type OperationStatus =
  | "pending"
  | "running"
  | "sleeping"
  | "waiting"
  | "completed"
  | "failed"
  | "skipped"
  | "cancelled";

export interface Operation {
  id: string;
  name: string;
  kind: OperationKind;
  parent?: string;
  status: OperationStatus;
  /** Attempts begun; 1 for what is not a step. */
  attempts: number;
  /** The entry that began a step's present attempt. */
  attemptIn?: number;
  startedAt: number;
  finishedAt?: number;
  /** A step between two attempts. */
  nextAttemptAt?: number;
  /** A timer's end, or a wait's timeout. */
  dueAt?: number;
  output?: Payload;
  error?: RunError;
  /** The error of the last failed attempt. */
  attemptError?: RunError;
  childRunId?: string;
  signalId?: string;
  /** A gate's question, and its answer once it came. */
  prompt?: string;
  decision?: Decision & { at: number };
  /** A callback's outcome, once its token was used. */
  used?: { at: number; output?: Payload; error?: RunError };
  /** The request with a key that decided the gate or used the token. */
  requestId?: string;
  /** A callback's longest silence, and when it would be broken. */
  heartbeatMs?: number;
  beatBy?: number;
  /** A callback that was asked for after so many redrives: absent for none. */
  redrives?: number;
  /** A callback whose token has not been handed out yet. */
  unsent?: boolean;
  compensable?: boolean;
  skipped?: boolean;
  /** The step that a compensation undoes. */
  of?: string;
  /** A turn: when its present attempt began, and how long its runner has been out of reach. */
  attemptAt?: number;
  lostMs?: number;
  /** A step of a remote run: its failures since its run's last redrive, and how long it took by its runner's word. */
  failures?: number;
  durationMs?: number;
  /** What was reported of it, where it is not the engine's own. */
  reported?: Reported;
  /** A map that is spread over child runs, and the entry in which it began. */
  tree?: MapTree;
  sequence?: number;
  /** A child that works on a part of a map: its part, this run's redrives when it was asked for, and how many of its
   * items failed. */
  node?: MapPart;
  round?: number;
  /** A child that works on a part of a map, and is to do all of it again. */
  afresh?: boolean;
  failedItems?: number;
  /** An item whose result is from before a redrive. */
  kept?: boolean;
}

export interface Signal {
  signalId: string;
  name: string;
  payload?: Payload;
  at: number;
  sequence: number;
  /** Not yet delivered or rejected. */
  buffered: boolean;
}

/** What must leave the run after its entry is stored; each may be sent twice (J5, J10). The cancel of a child that may not
 * have been started holds what starts it, to have it there as one that is cancelled. */
export type Effect =
  | { id: string; kind: "startChild"; command: ChildStarted }
  | { id: string; kind: "cancelChild"; childRunId: string; round?: number; unstarted?: ChildStarted }
  | { id: string; kind: "startNode"; operation: string }
  | { id: string; kind: "undoNode"; operation: string }
  | { id: string; kind: "steerNode"; childRunId: string; order: number; paused: boolean }
  | { id: string; kind: "startSuccessor"; continued: RunContinued }
  | { id: string; kind: "tellParent"; runId: string; operation: string };

/** What a replay goes through, in order, with the time that the code saw. */
export interface Happening {
  event: Delivery | Command | LegStarted | StatePatched | LateResultRecorded | RunRedriven | UndoRequested;
  now: number;
}

export interface RunState {
  runId: string;
  inc: string;
  created: RunCreated;
  createdAt: number;
  phase: Phase;
  /** Of a managed or mirrored run. */
  driven?: Driven;
  /** The last folded entry. */
  sequence: number;
  at: number;
  /** The sequence of the present claim; 0 before the first. */
  generation: number;
  lease?: { owner: string; until: number };
  /** The owner has written something since its claim (J11). */
  progressed: boolean;
  /** The last entry of an owner's. */
  owned: number;
  startedAt?: number;
  operations: Map<string, Operation>;
  /** Operations that are not settled, in order of start. */
  open: Map<string, Operation>;
  /** Of those, the ones with a time: timers, waits with a timeout, steps between attempts. */
  timed: Map<string, Operation>;
  /** Of those, the ones that wait for a signal. */
  waits: Map<string, Operation>;
  /** Gates and callbacks whose answer is there, and the code has not been told. */
  answered: Set<string>;
  /** Compensable steps without a result of which nobody knows whether they did their work: cancelled in flight, or
   * after an attempt that was cut off. */
  inDoubt: Set<string>;
  signals: Map<string, Signal>;
  /** Ids of buffered signals, in order of arrival. */
  buffered: Set<string>;
  requests: Set<string>;
  pause?: { reason?: string; by?: string; at: number };
  /** The status that the last entry left, and the entry that made it so. */
  became: {
    readonly status: RunStatus;
    readonly previous?: RunStatus;
    readonly sequence: number;
    readonly at: number;
  };
  /** The last entry that paused the run, or let it go on; 0 if none has. */
  pausedIn: number;
  /** The sequence of the last entry from outside that may have changed what the header shows. */
  steered: number;
  /** Version gates that the run has passed on the new side. */
  markers: Set<string>;
  /** Results of completed steps that a redrive keeps, until the code asks for them again. */
  kept: Map<string, Operation>;
  redrives: number;
  /** No claim has come since its last redrive: its code has yet to say what is asked for again. */
  isRedriven: boolean;
  /** Parts of maps that a redrive keeps nothing of, until the code asks for them again. */
  afresh: Set<string>;
  /** Of a node of a map: its parent's redrives that it works for. */
  round: number;
  /** Of a node: the parent's operation as which it undoes what it had done. */
  undoing?: string;
  /** The parent's entry that last paused or resumed this run. */
  order: number;
  /** How often a step was undone before a redrive, and its compensation with it. */
  undone: Map<string, number>;
  uncompensated: { operation: string; name: string; error: RunError }[];
  continuedTo?: string;
  /** Children's ends, by operation, that the code has not been told. */
  childEnds: Map<string, ChildFinished>;
  /** The published state, as the patches that make it up: its first value, the code's own, and those from outside. */
  patches: Payload[];
  /** The index of the first and of the last patch from outside that the code may not have seen. */
  firstUndelivered?: number;
  lastPatched?: number;
  step?: string;
  cancel?: { reason?: string; by?: string; at: number; delivered: boolean };
  deadlineReached: boolean;
  /** Its journal is as long as its workflow allows, and the run is on its way to fail for it. */
  overgrown: boolean;
  stalled?: RunStalled & { at: number };
  effects: Map<string, Effect>;
  /** What a replay goes through. Of a run whose code is kept in memory: what that code has not gone through yet. */
  history: Happening[];
  finished?: { status: FinishedStatus; at: number; sequence: number; output?: Payload; error?: RunError };
  retryCount: number;
  usage: Usage;
  /** Read units spent on entries that segments could have held. */
  reread: number;
}

/** The listed status: a fact of the state alone. */
export function statusOf(state: RunState): RunStatus {
  if (state.finished) return state.finished.status;
  if (state.pause) return "paused";
  if (state.driven) return state.driven.status;
  if (state.phase === "created") return "pending";
  if (state.phase === "leased") return "running";
  let sleeping = false;
  for (const operation of state.open.values()) {
    if (operation.status === "waiting") return "waiting";
    if (operation.status === "sleeping") sleeping = true;
  }
  return sleeping ? "sleeping" : state.generation === 0 ? "pending" : "running";
}

/** The earliest time at which the run has something to do by itself, if any. */
export function wakeAtOf(state: RunState): number | undefined {
  if (state.finished || state.pause) return undefined;
  if (state.generation === 0 && state.phase !== "driven") return state.created.startAt;
  // Once it is to be cancelled, its deadline is over: what cleans up may take longer.
  const isBound = !state.deadlineReached && state.cancel === undefined;
  let wakeAt = isBound ? state.created.deadline : undefined;
  for (const operation of state.timed.values()) {
    const dueAt = dueAtOf(operation);
    if (wakeAt === undefined || dueAt < wakeAt) wakeAt = dueAt;
  }
  return wakeAt;
}

/** When a timed operation has something to do. */
export const dueAtOf = ({ nextAttemptAt, dueAt, beatBy }: Operation): number =>
  Math.min(
    nextAttemptAt ?? Number.POSITIVE_INFINITY,
    dueAt ?? Number.POSITIVE_INFINITY,
    beatBy ?? Number.POSITIVE_INFINITY,
  );

/** A request to cancel that the code has not been told. A run past its deadline is ending already: what it cleans up
 * is not interrupted once more. */
export const isToBeCancelled = ({ cancel, deadlineReached }: RunState): boolean =>
  cancel !== undefined && !cancel.delivered && !deadlineReached;

/** Its code, as it was then, no longer did what its journal says. */
export const isStalled = ({ stalled, finished }: RunState): boolean =>
  stalled !== undefined && finished === undefined;

/** Operations that hold others and have no work of their own. */
export const isFork = ({ kind }: Operation): boolean =>
  kind === "all" || kind === "any" || kind === "race" || kind === "map" || kind === "item";

/** Whether what stops a run cuts it off: forks settle as their branches do, and what was done is undone all the same. */
export const isCutOff = (operation: Operation): boolean =>
  !isFork(operation) && operation.kind !== "compensation";

/** What others are told of a kind: a turn is a step that has no name yet. */
export const shownKind = ({ kind }: Operation): Exclude<OperationKind, "turn"> =>
  kind === "turn" ? "step" : kind;

/** A remote run's step that has failed and may be reported again: open, but nothing of it is under way. */
export const isHeldFailure = ({ kind, failures }: Operation): boolean =>
  kind === "step" && failures !== undefined;

/** Operations whose work runs in legs, by attempts. */
export const isWork = ({ kind }: Operation): boolean =>
  kind === "step" || kind === "turn" || kind === "condition" || kind === "compensation";

/** Whether an attempt of it should be in flight. */
export const needsAttempt = (operation: Operation): boolean =>
  (isWork(operation) && operation.status === "running") ||
  (operation.unsent === true && operation.nextAttemptAt === undefined);
