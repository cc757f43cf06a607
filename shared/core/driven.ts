/**
 * The part of a run's state that only managed and mirrored runs have: what their owner says they do, who holds their
 * lease, and what was reported of steps and items.
 */
import type { RunError } from "./errors.ts";
import type { RunCreated } from "./events.ts";
import type { ItemStatus } from "./events-driven.ts";
import type { Payload } from "./json.ts";

export interface Driven {
  /** What the owner says. */
  status: "pending" | "running" | "waiting";
  /** What it waits for, in its own words. */
  wait?: Payload;
  lease?: { token: string; until: number };
  /** What requests with a key were given: leases, and the operations that they made. */
  granted: Map<string, { generation: number; until: number }>;
  answers: Map<string, string>;
  /** By step and by their own id, in order of their coming. */
  items: Map<string, Map<string, Item>>;
}

export interface Item {
  itemId: string;
  type: string;
  id: string;
  ref?: Payload;
  context?: Payload;
  status: ItemStatus;
  output?: Payload;
  error?: RunError;
  childRunId?: string;
  /** Of the request with a key that added it. */
  requestId?: string;
}

/** What an operation that was reported has beside one of the engine's own. */
export interface Reported {
  /** Absent while it has not begun. */
  startedAt?: number;
  role?: string;
  position?: number;
  iteration?: number;
  canCommit?: boolean;
  markers?: Payload;
  context?: Payload;
  structuredOutput?: Payload;
  sessionKey?: string;
  /** Of an observation: when what it says was so. */
  observedAt?: number;
}

/** Whether somebody outside advances the run, through the API: no leg ever does. */
export const isDriven = ({ driver }: Pick<RunCreated, "driver">): boolean =>
  driver === "managed" || driver === "mirrored";
