/**
 * Runs that a warm process keeps in memory between two legs, and the legs that it runs now.
 *
 * What is kept is only ever a shortcut: a leg that takes a resident checks it against the journal's tail first, and
 * a claim proves it. Evicting one loses nothing.
 */
import type { RunEvent } from "../core/events.ts";
import type { Execution } from "../core/execution.ts";
import type { Operation, RunState } from "../core/state.ts";
import type { Header } from "../ports/journal.ts";
import type { Packed } from "./segments.ts";

/** A run as this process knows it. */
export interface Resident {
  header: Header;
  state: RunState;
  /** The suspended function, which has gone through all but `state.history`. */
  execution?: Execution;
  /** What its code was told is not in memory any more: `state.history` is not the whole. */
  hasLetGo: boolean;
  /** How far the journal is packed. */
  packed: Packed;
  /** Read units that it took to read what a segment could have held, and no entry has told yet. */
  reread: number;
  /** Effects that this process knows to be done, and the journal may not. */
  effectsDone: Set<string>;
}

/** A leg that runs in this process. */
export interface ActiveLeg {
  readonly inc: string;
  readonly generation: number;
  readonly until: number;
  knows(event: string | undefined): boolean;
  /** Makes it read the journal's tail. */
  poke(): void;
}

export class Residents {
  readonly #runsMax: number;
  readonly #eventsMax: number;
  readonly #kept = new Map<string, { run: Resident; events: number }>();
  #events = 0;
  readonly active = new Map<string, ActiveLeg>();

  /** Bounded by how many there are and by how much they hold: a long run alone may be too much. */
  constructor(runsMax: number, eventsMax: number) {
    this.#runsMax = runsMax;
    this.#eventsMax = eventsMax;
  }

  get size(): { runs: number; events: number } {
    return { runs: this.#kept.size, events: this.#events };
  }

  /** Takes it out: one holder at a time. */
  take(runId: string): Resident | undefined {
    const kept = this.#kept.get(runId);
    this.evict(runId);
    return kept?.run;
  }

  /** Keeps it, and lets go of those that were kept longest ago. */
  keep(runId: string, run: Resident): void {
    this.evict(runId);
    const events = eventsIn(run);
    if (this.#runsMax === 0 || events > this.#eventsMax) return;
    this.#kept.set(runId, { run, events });
    this.#events += events;
    while (this.#kept.size > this.#runsMax || this.#events > this.#eventsMax)
      this.evict(this.#kept.keys().next().value as string);
  }

  /** Another read of it took so many units that segments would have saved. */
  tell(runId: string, reread: number): void {
    const kept = this.#kept.get(runId);
    if (kept !== undefined) kept.run.reread += reread;
  }

  evict(runId: string): void {
    this.#events -= this.#kept.get(runId)?.events ?? 0;
    this.#kept.delete(runId);
  }
}

const EVENT_BYTES = 500;

/** About how much memory it takes, in things that each take some hundred bytes. */
const eventsIn = ({ state, execution }: Resident): number =>
  1 +
  state.operations.size +
  state.signals.size +
  state.history.length +
  state.patches.length +
  Math.ceil((execution?.heldBytes ?? 0) / EVENT_BYTES);

/** Lets go of what only a replay would need: the code has been told. */
export function letGo(run: Resident, settled: Iterable<Operation | undefined>): void {
  run.hasLetGo = true;
  forgetTold(run.state, settled);
}

/** The operations that an entry's events name. */
export const settledBy = (state: RunState, events: readonly RunEvent[]): (Operation | undefined)[] =>
  events.map((event) => ("operation" in event ? state.operations.get(event.operation ?? "") : undefined));

/** As `letGo`, for a state that nobody replays. */
export function forgetTold(state: RunState, settled: Iterable<Operation | undefined>): void {
  state.history = [];
  for (const operation of settled) {
    if (operation === undefined || state.open.has(operation.id)) continue;
    operation.output = undefined;
    const signal = state.signals.get(operation.signalId ?? "");
    if (signal !== undefined) signal.payload = undefined;
  }
}
