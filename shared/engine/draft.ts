/**
 * The entry that an owner is deciding: its events are applied to the state as they come, so that each decision sees
 * the ones before it, and are stored in one conditional put.
 *
 * 1. Nothing of a draft takes effect outside before it is stored (J5).
 * 2. A lost race for the sequence takes the draft back, folds the winner in, and keeps the draft: outside events touch
 *    nothing that the code has seen (J3, R2). What that costs does not grow with the journal. A winner that claims is `LeaseLost` (J4). A claim that meets an entry
 *    of the owner before it, which was late or had not been read, is `ClaimOvertaken`: it was decided on less.
 * 3. What the code saw as the time stays what it saw (`seen`), whatever time the entry ends up with (R3).
 */
import { LeaseLost, StepfoldError } from "../core/errors.ts";
import type { Entry, RunEvent, Usage } from "../core/events.ts";
import { applyEvent, closeEntry, isOwners, openEntry } from "../core/fold.ts";
import { ENTRY_OVERHEAD_BYTES, WRITE_UNIT_BYTES } from "../core/limits.ts";
import { Savepoint } from "../core/savepoint.ts";
import { addUsage, noUsage } from "../ports/meter.ts";
import { catchUp } from "./load.ts";
import type { Ports } from "./parts.ts";
import type { Resident } from "./residents.ts";

/** The former owner has gone on since the state that this claim was decided on was read: begin again. */
export class ClaimOvertaken extends StepfoldError {
  constructor(runId: string, sequence: number) {
    super("ClaimOvertaken", `The run ${runId} was moved on by its former owner at sequence ${sequence}.`, {
      runId,
      sequence,
    });
  }
}

export class Draft {
  readonly #ports: Ports;
  readonly #run: Resident;
  readonly #nonce: string;
  readonly seen: number;
  readonly events: RunEvent[] = [];
  #savepoint: Savepoint;
  #at: number;
  #usage = noUsage();
  bytes = 0;

  constructor(ports: Ports, run: Resident) {
    this.#ports = ports;
    this.#run = run;
    this.#nonce = ports.clock.id();
    this.#at = Math.max(run.state.at, ports.clock.now());
    this.seen = this.#at;
    this.#savepoint = new Savepoint(run.state);
    openEntry(run.state, { sequence: run.state.sequence + 1, at: this.#at });
  }

  push(event: RunEvent, bytes = bytesOf(event)): void {
    this.#savepoint.note(event);
    applyEvent(this.#run.state, event, this.seen);
    this.events.push(event);
    this.bytes += bytes;
  }

  /** Takes back the last event, if it is a park. */
  withoutPark(): void {
    if (this.events.at(-1)?.type !== "LegParked") return;
    this.events.pop();
    this.#savepoint.restore();
    this.#reapply();
  }

  /** Takes back a draft that holds nothing any more. */
  dropIfEmpty(): boolean {
    if (this.events.length > 0) return false;
    this.#savepoint.restore();
    return true;
  }

  /** Stores the draft. False: an outside event was first, and is folded in; decide again, then store again. */
  async store(generation: number | undefined): Promise<boolean> {
    const { state, header } = this.#run;
    this.#usage = addUsage(this.#usage, this.#ports.meter.drain(state.runId) ?? noUsage());
    const isEnd = state.finished !== undefined;
    const entry: Entry = {
      sequence: state.sequence,
      at: this.#at,
      generation: generation ?? state.sequence,
      nonce: this.#nonce,
      events: this.events,
      ...(this.seen === this.#at ? {} : { seen: this.seen }),
      usage: isEnd ? addUsage(this.#usage, usageOfEnd(this.events)) : this.#usage,
    };
    const result = await this.#ports.journal.append(header, entry, header.expiresAt);
    if (result.stored || result.own) {
      closeEntry(state, entry);
      // An end has counted itself.
      if (isEnd) this.#ports.meter.drain(state.runId);
      return true;
    }
    await this.#giveWay(generation);
    return false;
  }

  async #giveWay(generation: number | undefined): Promise<void> {
    const { header } = this.#run;
    this.#savepoint.restore();
    // Where one has come, more may have: reading the tail is cheaper than losing once for each.
    const came = await catchUp(this.#ports, this.#run);
    const claim = came.find((entry) => entry.events.some((event) => event.type === "LegStarted"));
    if (claim !== undefined) throw new LeaseLost(header.runId, generation ?? 0, claim.sequence);
    const owners = generation === undefined ? came.find(isOwners) : undefined;
    if (owners !== undefined) throw new ClaimOvertaken(header.runId, owners.sequence);
    this.#reapply();
  }

  /** Applies the draft to a state without it. */
  #reapply(): void {
    const { state } = this.#run;
    this.#savepoint = new Savepoint(state);
    this.#at = Math.max(this.#at, state.at);
    openEntry(state, { sequence: state.sequence + 1, at: this.#at });
    for (const event of this.events) {
      this.#savepoint.note(event);
      applyEvent(state, event, this.seen);
    }
  }
}

/** What a run's end costs beside what was counted before it: its own entry, the header, and its leaving the due
 * index. No later entry could tell. */
export function usageOfEnd(events: readonly RunEvent[]): Usage {
  const entry = Math.ceil(
    (Buffer.byteLength(JSON.stringify(events)) + ENTRY_OVERHEAD_BYTES) / WRITE_UNIT_BYTES,
  );
  return { ...noUsage(), writeUnits: entry + 2 };
}

/** About what an event takes that has no payload: errors may be long. */
const bytesOf = (event: RunEvent): number =>
  "error" in event && event.error !== undefined ? 100 + JSON.stringify(event.error).length : 100;
