/**
 * What may go wrong at a port. Whoever simulates decides it, call by call; the simulated adapters carry it out.
 */

export type PortName = "journal" | "queue" | "scheduler" | "blobs" | "publisher" | "registers" | "runners";

/** One call of a port, by one process. */
export interface Call {
  process: string;
  port: PortName;
  method: string;
  runId?: string;
  /** How many things are done by it. */
  count?: number;
  /** Whether it is a read that may miss what is new. */
  mayBeStale?: boolean;
}

/**
 * - `crashBefore`, `crashAfter`: the process dies before the call is made, or once it is done and not yet answered.
 * - `lostAnswer`: it is done, the answer is lost, and the adapter makes it again: a put so meets its own entry.
 * - `failed`: it is done, and yet an error is what comes back. `throttled`: it is not done.
 * - `freezeBefore`, `freezeAfter`: the process stands still for `ms`, with the call in hand or its answer on the way.
 * - `halfDone`: of the many things that a call is to do the first half is done, and an error comes back.
 * - `staleRead`: an eventually consistent read misses the last entries, or the index the newest runs.
 * - `shortPage`: a read ends after so many entries, and says that there is more.
 *   Of a call that is no such batch or read, these are nothing.
 */
export type Fault =
  | { kind: "crashBefore" }
  | { kind: "crashAfter" }
  | { kind: "lostAnswer" }
  | { kind: "failed" }
  | { kind: "throttled" }
  | { kind: "freezeBefore"; ms: number }
  | { kind: "freezeAfter"; ms: number }
  | { kind: "halfDone" }
  | { kind: "staleRead"; missing: number }
  | { kind: "shortPage"; entries: number };

export type FaultKind = Fault["kind"];

/** How long a call's way there and back takes, and what goes wrong. */
export interface Conduct {
  requestMs: number;
  answerMs: number;
  fault?: Fault;
}

export interface Faults {
  onCall(call: Call): Conduct;
  /** How much later than asked for each copy of a message comes: none if it is lost, two if it is doubled. */
  onMessage(message: { process: string; runId: string; body: string }): number[];
  /** As `onMessage`, in ms that may be negative; the same for the same name. */
  onSchedule(name: string): number[];
  /** Whether a request that was on its way when its process died still arrives. */
  arrives(): boolean;
}
