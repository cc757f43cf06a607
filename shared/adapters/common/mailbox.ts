/**
 * One queue's messages in memory: who may see which, and when. The memory queue is this; the local queue is this
 * over a table. It stores nothing durably and knows no cost.
 *
 * 1. Letters lie in lanes: a FIFO group is a lane, and a letter of an unordered queue is a lane of its own. A lane
 *    gives letters only while none of it is out, and then in order.
 * 2. A letter that was taken is hidden for the visibility timeout, or until it is released, and then comes again
 *    in its old place.
 * 3. A letter taken `RECEIVES_MAX` times is dead: `onTaken` hears of it instead of a receiver.
 * 4. Nothing is polled: a waiting receiver is woken by what it waits for, and by one timer for the next letter.
 */
import { LEG_MS_MAX, RECEIVES_MAX } from "../../core/limits.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ReceivedMessage } from "../../ports/queue.ts";
import { Heap } from "./heap.ts";

/** While a message is out it is hidden for a leg's largest length. */
export const VISIBILITY_MS = LEG_MS_MAX;

export interface Letter {
  /** Its place in the order of sending; unique. */
  position: number;
  runId: string;
  body: string;
  group?: string;
  id?: string;
  sentAt: number;
  visibleAt: number;
  receiveCount: number;
}

interface Lane {
  key: string | number;
  letters: Letter[];
  /** Heap places of older versions are void. */
  version: number;
}

interface Place {
  lane: Lane;
  version: number;
  readyAt: number;
  position: number;
}

interface Waiter {
  max: number;
  give(letters: Letter[]): void;
}

export interface MailboxOptions {
  clock: Clock;
  visibilityMs: number;
  onTaken(taken: Letter[], dead: Letter[]): void;
}

export class Mailbox {
  readonly #options: MailboxOptions;
  readonly #letters = new Map<number, Letter>();
  readonly #lanes = new Map<string | number, Lane>();
  readonly #places = new Heap<Place>((left, right) =>
    left.readyAt !== right.readyAt ? left.readyAt < right.readyAt : left.position < right.position,
  );
  readonly #waiters = new Set<Waiter>();
  readonly #listeners = new Set<() => void>();
  #isPumpAsked = false;
  #cancelTimer: (() => void) | undefined;
  #timerAt: number | undefined;

  constructor(options: MailboxOptions) {
    this.#options = options;
  }

  /** How many there are, hidden ones too. */
  get size(): number {
    return this.#letters.size;
  }

  /** In order of sending. */
  letters(): Letter[] {
    return [...this.#letters.values()].sort((left, right) => left.position - right.position);
  }

  add(letters: Letter[]): void {
    for (const letter of letters) {
      const key = letter.group ?? letter.position;
      let lane = this.#lanes.get(key);
      if (lane === undefined) {
        lane = { key, letters: [], version: 0 };
        this.#lanes.set(key, lane);
      }
      lane.letters.push(letter);
      this.#letters.set(letter.position, letter);
      if (lane.letters.length === 1) this.#place(lane);
    }
    this.#askPump();
  }

  /** Up to `max` letters now, or as soon as there are any within `waitMs`. */
  receive(options: { max: number; waitMs: number; signal?: AbortSignal }): Promise<Letter[]> {
    const { max, waitMs, signal } = options;
    if (signal?.aborted === true) return Promise.resolve([]);
    const now = this.#waiters.size === 0 ? this.#take(max) : [];
    // Those that were taken may come again when nobody else has reason to look.
    this.#setTimer(this.nextVisibleAt());
    if (now.length > 0 || waitMs <= 0) return Promise.resolve(now);
    return new Promise((resolve) => {
      const give = (letters: Letter[]) => {
        this.#waiters.delete(waiter);
        cancel();
        signal?.removeEventListener("abort", giveUp);
        resolve(letters);
      };
      const giveUp = () => give([]);
      const waiter = { max, give };
      const cancel = this.#options.clock.after(waitMs, giveUp);
      signal?.addEventListener("abort", giveUp);
      this.#waiters.add(waiter);
      this.#askPump();
    });
  }

  /** The letter that a receipt stands for, unless it has been acknowledged or received again since. */
  find(receipt: string): Letter | undefined {
    const [position, receiveCount] = receipt.split(".").map(Number);
    const letter = this.#letters.get(position ?? -1);
    return letter?.receiveCount === receiveCount ? letter : undefined;
  }

  remove(letter: Letter): void {
    if (!this.#letters.delete(letter.position)) return;
    const lane = this.#lanes.get(letter.group ?? letter.position);
    if (lane === undefined) return;
    lane.letters.splice(lane.letters.indexOf(letter), 1);
    this.#place(lane);
    this.#askPump();
  }

  /** Makes a letter visible at a time. */
  release(letter: Letter, visibleAt: number): void {
    const lane = this.#lanes.get(letter.group ?? letter.position);
    if (lane === undefined || !this.#letters.has(letter.position)) return;
    letter.visibleAt = visibleAt;
    this.#place(lane);
    this.#askPump();
  }

  /** Calls back whenever letters may be taken, until the answer is called: take until none is left. */
  onReady(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#askPump();
    return () => this.#listeners.delete(listener);
  }

  /** When the next letter may be taken: at or before now if one may be already. */
  nextVisibleAt(): number | undefined {
    return this.#next()?.readyAt;
  }

  close(): void {
    this.#cancelTimer?.();
    this.#listeners.clear();
    for (const waiter of [...this.#waiters]) waiter.give([]);
  }

  /** Puts a lane where it now belongs in the order of readiness. */
  #place(lane: Lane): void {
    lane.version++;
    const head = lane.letters[0];
    if (head === undefined) {
      this.#lanes.delete(lane.key);
      return;
    }
    let readyAt = head.visibleAt;
    for (const letter of lane.letters) {
      if (letter.receiveCount === 0) break;
      readyAt = Math.max(readyAt, letter.visibleAt);
    }
    this.#places.push({ lane, version: lane.version, readyAt, position: head.position });
  }

  #next(): Place | undefined {
    for (;;) {
      const place = this.#places.peek();
      if (place === undefined || place.version === place.lane.version) return place;
      this.#places.pop();
    }
  }

  #take(max: number): Letter[] {
    const now = this.#options.clock.now();
    const taken: Letter[] = [];
    const dead: Letter[] = [];
    while (taken.length < max) {
      const place = this.#next();
      if (place === undefined || place.readyAt > now) break;
      this.#takeFrom(place.lane, max, taken, dead);
      this.#place(place.lane);
    }
    if (taken.length > 0 || dead.length > 0) this.#options.onTaken(taken, dead);
    return taken;
  }

  #takeFrom(lane: Lane, max: number, taken: Letter[], dead: Letter[]): void {
    const hiddenUntil = this.#options.clock.now() + this.#options.visibilityMs;
    const dying = new Set<Letter>();
    for (const letter of lane.letters) {
      if (taken.length === max) break;
      if (letter.receiveCount >= RECEIVES_MAX) {
        dying.add(letter);
        this.#letters.delete(letter.position);
        continue;
      }
      letter.receiveCount++;
      letter.visibleAt = hiddenUntil;
      taken.push(letter);
    }
    if (dying.size === 0) return;
    dead.push(...dying);
    lane.letters = lane.letters.filter((letter) => !dying.has(letter));
  }

  /** After all that happens in this turn, so that a batch is as full as it can be. */
  #askPump(): void {
    if (this.#isPumpAsked || (this.#waiters.size === 0 && this.#listeners.size === 0)) return;
    this.#isPumpAsked = true;
    queueMicrotask(() => {
      this.#isPumpAsked = false;
      this.#pump();
    });
  }

  #pump(): void {
    for (const waiter of this.#waiters) {
      const letters = this.#take(waiter.max);
      if (letters.length === 0) break;
      waiter.give(letters);
    }
    const next = this.nextVisibleAt();
    if (next !== undefined && next <= this.#options.clock.now())
      for (const listener of [...this.#listeners]) listener();
    this.#setTimer(this.nextVisibleAt());
  }

  #setTimer(at: number | undefined): void {
    const isWanted = at !== undefined && (this.#waiters.size > 0 || this.#listeners.size > 0);
    if (isWanted && this.#timerAt === at) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAt = undefined;
    const waitMs = (at ?? 0) - this.#options.clock.now();
    if (!isWanted) return;
    if (waitMs <= 0) {
      // Its time came since somebody looked, and no timer will tell those who wait.
      if (this.#waiters.size > 0) this.#askPump();
      return;
    }
    this.#timerAt = at;
    this.#cancelTimer = this.#options.clock.after(waitMs, () => {
      this.#timerAt = undefined;
      this.#askPump();
    });
  }
}

/** A letter as its receiver sees it. */
export function asMessage(letter: Letter): ReceivedMessage {
  const { position, receiveCount, body, sentAt, group, id } = letter;
  return {
    messageId: `m-${position}`,
    receipt: `${position}.${receiveCount}`,
    body,
    receiveCount,
    sentAt,
    ...(group === undefined ? {} : { group }),
    ...(id === undefined ? {} : { id }),
  };
}
