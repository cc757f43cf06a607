/**
 * Runs that a warm process keeps in memory between two legs, and the legs that it runs now.
 *
 * What is kept is only ever a shortcut: a leg that takes a resident checks it against the journal's tail first, and
 * a claim proves it. Evicting one loses nothing.
 */
import type { Entry } from "../core/events.ts";
import type { Execution } from "../core/execution.ts";
import type { RunState } from "../core/state.ts";
import type { Header } from "../ports/journal.ts";

/** A run as this process knows it. */
export interface Resident {
  header: Header;
  entries: Entry[];
  state: RunState;
  /** The suspended function, which has gone through `replayed` happenings of `state.history`. */
  execution?: Execution;
  replayed?: number;
  /** Effects that this process knows to be done, and the journal may not. */
  effectsDone: Set<string>;
}

/** A leg that runs in this process. */
export interface ActiveLeg {
  readonly inc: string;
  readonly generation: number;
  readonly until: number;
  knows(event: string | undefined): boolean;
  /** A wake for the lease's end is on its way already. */
  covered: boolean;
  /** Makes it read the journal's tail. */
  poke(): void;
}

export class Residents {
  readonly #max: number;
  readonly #kept = new Map<string, Resident>();
  readonly active = new Map<string, ActiveLeg>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Takes it out: one holder at a time. */
  take(runId: string): Resident | undefined {
    const resident = this.#kept.get(runId);
    this.#kept.delete(runId);
    return resident;
  }

  keep(runId: string, resident: Resident): void {
    if (this.#max === 0) return;
    this.#kept.delete(runId);
    this.#kept.set(runId, resident);
    if (this.#kept.size > this.#max) this.#kept.delete(this.#kept.keys().next().value as string);
  }

  evict(runId: string): void {
    this.#kept.delete(runId);
  }
}
