/**
 * Tells the outside that a run's status has changed.
 *
 * 1. `publish` resolves when every change is accepted, and otherwise rejects with a `PortError` (part of them may have
 *    been accepted: every change is safe to publish twice, by its id).
 * 2. They may be seen late, twice and out of order: `revision` orders those of a run.
 * 3. What nobody is told of need not be published: `tells` says so, and costs nothing.
 */
import type { RunStatus } from "../core/events.ts";

export interface StatusChange {
  /** The same for the same change, and for no other. */
  id: string;
  runId: string;
  workflow: string;
  version: number;
  status: RunStatus;
  previous?: RunStatus;
  /** Epoch ms. */
  at: number;
  /** The sequence of the entry that made it so. */
  revision: number;
  owner?: string;
  tags?: Record<string, string>;
  /** The code of what a run failed with. */
  error?: string;
}

export interface Publisher {
  tells(status: RunStatus): boolean;
  publish(changes: readonly StatusChange[]): Promise<void>;
}
