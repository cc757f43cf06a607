/** What the API's answers look like to a program. Times are ISO 8601, UTC. */
import type { Duration } from "../core/duration.ts";
import type { RunError } from "../core/errors.ts";
import type { RunStatus } from "../core/events.ts";
import type { Json, JsonObject } from "../core/json.ts";

export type Driver = "code" | "remote" | "managed" | "mirrored";

/** A run as lists show it. */
export interface RunSummary {
  runId: string;
  workflow: string;
  version: number;
  definitionHash?: string;
  driver: Driver;
  status: RunStatus;
  /** The sequence of the run's last entry. */
  revision: number;
  owner?: string;
  tags?: Record<string, string>;
  goal?: string;
  origin?: string;
  parentRunId?: string;
  externalParentId?: string;
  /** The first run of those that continued as one another. */
  firstRunId?: string;
  continuedFrom?: string;
  trigger?: string;
  dryRun?: boolean;
  step?: string;
  wakeAt?: string;
  startAt?: string;
  createdAt: string;
  startedAt?: string;
  updatedAt: string;
  finishedAt?: string;
  stalled?: true;
}

/** A run whose output is an `O`. */
export interface Run<O = Json> extends Omit<RunSummary, "stalled"> {
  residency: "resident" | "suspended";
  generation: number;
  /** What a managed or mirrored run waits for. */
  wait?: Json;
  definition?: Json;
  input: Json;
  output?: O;
  error?: RunError;
  state: JsonObject;
  waitingFor: { operation: string; kind: string; name: string; until?: string }[];
  cancel?: { reason?: string; by?: string; at: string };
  pause?: { reason?: string; by?: string; at: string };
  continuedTo?: string;
  /** What could not be undone. */
  uncompensated?: { operation: string; name: string; error: RunError }[];
  stalled?: {
    code: string;
    message: string;
    operation?: string;
    recorded?: string;
    found?: string;
    at: string;
  };
  retryCount: number;
  cost: { writeUnits: number; readUnits: number; queueRequests: number; schedules: number; usd: number };
}

export interface OperationView {
  id: string;
  name: string;
  kind:
    | "step"
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
  parent?: string;
  status: "pending" | "running" | "sleeping" | "waiting" | "completed" | "failed" | "skipped" | "cancelled";
  attempts: number;
  retryCount: number;
  startedAt?: string;
  finishedAt?: string;
  durationMs?: number;
  nextAttemptAt?: string;
  wakeAt?: string;
  output?: Json;
  error?: RunError;
  childRunId?: string;
  /** A gate's question. */
  prompt?: string;
  decision?: { approved: boolean; feedback?: Json; selections?: Json; by?: string; at: string };
  /** What was reported of a step of a managed run, or of an observation. */
  role?: string;
  position?: number;
  iteration?: number;
  canCommit?: boolean;
  markers?: Json;
  context?: Json;
  structuredOutput?: Json;
  sessionKey?: string;
}

/** A step that a worker has reported. */
export interface StepView extends OperationView {
  stepId: string;
}

/** A part of a reported step. `id` is the worker's name for it. */
export interface ItemView {
  itemId: string;
  type: string;
  id: string;
  ref?: Json;
  context?: Json;
  status: "pending" | "running" | "completed" | "failed" | "skipped";
  output?: Json;
  error?: RunError;
  childRunId?: string;
}

/** A worker's lease of a managed run. */
export interface Lease {
  generation: number;
  until: string;
  /** The run was asked to end. */
  cancel?: { reason?: string; by?: string; at: string };
}

/** A gate, and what was decided. */
export interface Gate {
  /** `cancelled`: nobody waits for it any more. */
  state: "pending" | "approved" | "rejected" | "timedOut" | "cancelled";
  feedback?: Json;
  selections?: Json;
  by?: string;
  at?: string;
}

export interface SignalView {
  signalId: string;
  name: string;
  payload?: Json;
  at: string;
  sequence: number;
  /** Not taken by a wait yet. */
  buffered: boolean;
}

export interface JournalEvent {
  sequence: number;
  at: string;
  generation: number;
  type: string;
  [field: string]: unknown;
}

export interface WorkflowView {
  name: string;
  description?: string;
  /** The latest first. */
  versions: number[];
  driver: Driver;
  /** Where a remote workflow's source is. */
  file?: string;
  /** The input's JSON Schema, where its schema has one. */
  input?: unknown;
  retry?: { [field: string]: unknown };
  maxRetries?: number;
  stepTimeout?: Duration;
  timeout?: Duration;
  /** Of a declared flow's structure. */
  definitionHash?: string;
  graph?: unknown;
}

export interface Page<T> {
  items: T[];
  /** Where the next page begins; absent on the last one. */
  cursor?: string;
}

export type BulkAction = "cancel" | "pause" | "resume" | "redrive" | "signal";

/** What a bulk operation has come to. */
export interface BulkReport {
  action: BulkAction;
  matched: number;
  done: number;
  refused: number;
  failed: number;
  /** Each run, or those of the last part. */
  items: {
    runId: string;
    outcome: "done" | "refused" | "failed";
    error?: { code: string; message: string };
  }[];
  /** The runs that did what came before these items: each has its own `items` in its state. */
  parts: string[];
}
