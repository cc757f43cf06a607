/**
 * What the owner of a managed or mirrored run, and the workers that it has, tell of the run through the API. Part of
 * the closed union in `events.ts`; folded in `fold-driven.ts`.
 *
 * 1. Each is one change, and the record of it: there is no other. `requestId` is of the request that asked for it.
 * 2. What a worker writes was written under its generation, which the entry carries.
 */
import type { RunError } from "./errors.ts";
import type { Payload } from "./json.ts";

/** What a reported step, item or observation may be said to be. */
export type ReportedStatus =
  | "pending"
  | "running"
  | "sleeping"
  | "waiting"
  | "completed"
  | "failed"
  | "skipped"
  | "cancelled";
export type ItemStatus = "pending" | "running" | "completed" | "failed" | "skipped";

export interface WaitBegun {
  type: "WaitBegun";
  requestId: string;
  wait: Payload;
  step?: string;
}
export interface Continued {
  type: "Continued";
  requestId: string;
  patch?: Payload;
  step?: string;
}

/** A worker claims the run: the event's sequence is its generation. `token` is a hash of what proves the worker. */
export interface LeaseGranted {
  type: "LeaseGranted";
  token: string;
  until: number;
  requestId?: string;
}
/** The worker that holds the lease holds it longer, in the same generation. */
export interface LeaseRenewed {
  type: "LeaseRenewed";
  until: number;
  requestId?: string;
}
export interface LeaseReleased {
  type: "LeaseReleased";
}

/** A worker has a step: begun, or yet to begin. */
export interface StepReported {
  type: "StepReported";
  operation: string;
  name: string;
  status: "pending" | "running";
  retryCount?: number;
  role?: string;
  position?: number;
  iteration?: number;
  canCommit?: boolean;
  requestId?: string;
}
export interface StepUpdated {
  type: "StepUpdated";
  operation: string;
  status: ReportedStatus;
  output?: Payload;
  structuredOutput?: Payload;
  markers?: Payload;
  context?: Payload;
  error?: RunError;
  retryCount?: number;
  childRunId?: string;
}

/** A step's work, in parts. `id` is the worker's name for a part, `itemId` this run's. */
export interface ItemsAdded {
  type: "ItemsAdded";
  operation: string;
  items: AddedItem[];
  requestId?: string;
}
export interface AddedItem {
  itemId: string;
  type: string;
  id: string;
  ref?: Payload;
  context?: Payload;
}
export interface ItemsUpdated {
  type: "ItemsUpdated";
  operation: string;
  items: UpdatedItem[];
}
export interface UpdatedItem {
  itemId: string;
  status: ItemStatus;
  output?: Payload;
  error?: RunError;
  childRunId?: string;
}

/** Another system tells of a step of its own. What it does not say stays as it was. */
export interface ObservationReported {
  type: "ObservationReported";
  operation: string;
  name: string;
  status: ReportedStatus;
  /** When it was so, by that system's clock. */
  observedAt?: number;
  output?: Payload;
  error?: RunError;
  sessionKey?: string;
}

export type DrivenEvent =
  | WaitBegun
  | Continued
  | LeaseGranted
  | LeaseRenewed
  | LeaseReleased
  | StepReported
  | StepUpdated
  | ItemsAdded
  | ItemsUpdated
  | ObservationReported;
