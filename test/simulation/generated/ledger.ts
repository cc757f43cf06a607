/**
 * What the outside has seen of the runs of programs: which work was begun and ended, in which order, and what was
 * sent to whom. It stands for bank accounts and mailboxes: it outlives every process, and knows no journal.
 */
import type { Program } from "./program.ts";

/** One piece of work: when it was begun, and when it was done, if it was, in order of all that happens. */
export interface Mark {
  attempt: number;
  begun: number;
  done: number | undefined;
}

export interface Sent {
  n: number;
  name: string;
  /** When its sender was told that it is taken. */
  answeredAt: number | undefined;
  /** It came once its run had ended, and was sent again after all others. */
  cameLate?: boolean;
}

/** A run that was started from outside, with its script. */
export interface Played {
  program: Program;
  signals: Sent[];
  cancelledAt?: number | undefined;
  /** When the sender of the cancel was told so. */
  isCancelAnswered?: boolean;
  /** The run that was redriven. */
  redriven?: string;
  patchedAt?: number | undefined;
  isPatchSent?: boolean;
}

export class Ledger {
  readonly played = new Map<string, Played>();
  readonly #marks = new Map<string, Map<string, Mark[]>>();
  #order = 0;

  begin(runId: string, at: string, attempt: number): () => void {
    const mark: Mark = { attempt, begun: ++this.#order, done: undefined };
    const ofRun = this.#marks.get(runId) ?? new Map<string, Mark[]>();
    this.#marks.set(runId, ofRun);
    ofRun.set(at, [...(ofRun.get(at) ?? []), mark]);
    return () => {
      mark.done = ++this.#order;
    };
  }

  /** The work of a run, by address. */
  of(runId: string): ReadonlyMap<string, readonly Mark[]> {
    return this.#marks.get(runId) ?? new Map();
  }
}
