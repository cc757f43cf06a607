/**
 * Virtual time and seeded chance: the same seed gives the same run of everything.
 *
 * 1. Time stands still until it is advanced. Timers are called in order of their times, those of one time in the
 *    order of their making, each at exactly its time.
 * 2. Between two timers everything that the first set going settles: promises run until none is left to run.
 *    Work outside the virtual world (sockets, files) is not waited for.
 */
import type { Clock } from "../../ports/clock.ts";
import { Heap } from "../common/heap.ts";

interface Timer {
  at: number;
  order: number;
  callback: (() => void) | undefined;
}

/** 2026-01-01T00:00:00Z. */
const EPOCH_MS = 1_767_225_600_000;

export class VirtualClock implements Clock {
  #now: number;
  #state: number;
  #order = 0;
  readonly #timers = new Heap<Timer>((left, right) =>
    left.at !== right.at ? left.at < right.at : left.order < right.order,
  );

  constructor(options: { seed?: number; now?: number } = {}) {
    this.#now = options.now ?? EPOCH_MS;
    this.#state = (options.seed ?? 1) >>> 0;
  }

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const cancel = this.after(ms, end);
      signal?.addEventListener("abort", end);
    });
  }

  after(ms: number, callback: () => void): () => void {
    const timer: Timer = { at: this.#now + Math.max(0, Math.ceil(ms)), order: this.#order++, callback };
    this.#timers.push(timer);
    return () => {
      timer.callback = undefined;
    };
  }

  /** mulberry32. */
  random(): number {
    return this.#draw() / 2 ** 32;
  }

  id(): string {
    const bytes = Buffer.alloc(16);
    for (let offset = 0; offset < 16; offset += 4) bytes.writeUInt32LE(this.#draw(), offset);
    return bytes.toString("base64url");
  }

  /** When the next timer is due. */
  nextAt(): number | undefined {
    for (;;) {
      const timer = this.#timers.peek();
      if (timer === undefined || timer.callback !== undefined) return timer?.at;
      this.#timers.pop();
    }
  }

  /** Lets `ms` pass: every timer due by then is called. */
  advance(ms: number): Promise<void> {
    return this.advanceTo(this.#now + ms);
  }

  async advanceTo(until: number): Promise<void> {
    await this.settle();
    while (this.#callNext(until)) await this.settle();
    this.#now = Math.max(this.#now, until);
  }

  /** Jumps from timer to timer until there is none left (or none due by `until`); answers whether none is left. */
  async runUntilIdle(until = Number.POSITIVE_INFINITY): Promise<boolean> {
    await this.settle();
    while (this.#callNext(until)) await this.settle();
    return this.nextAt() === undefined;
  }

  /** Lets promises run until none is left to run; no time passes. */
  settle(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  #callNext(until: number): boolean {
    const at = this.nextAt();
    if (at === undefined || at > until) return false;
    const callback = this.#timers.pop()?.callback;
    this.#now = Math.max(this.#now, at);
    callback?.();
    return true;
  }

  #draw(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}
