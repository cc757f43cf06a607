/**
 * Whether a process lives, stands still, or is gone.
 *
 * 1. Of a process that is gone nothing more is heard: what it waited for never comes.
 * 2. One that stands still goes on where it was, later: its clock has moved meanwhile, and it does not know.
 */
import type { Clock } from "../../ports/clock.ts";

export const never = (): Promise<never> => new Promise(() => {});

export class Life {
  /** The last time at which it stood still came to its end then; 0 if it never has. */
  thawedAt = 0;
  readonly #clock: Clock;
  readonly #onCrash: Array<() => void> = [];
  #isOver = false;
  #frozenUntil = 0;
  #waiting: Array<() => void> = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isFrozen(): boolean {
    return this.#frozenUntil > this.#clock.now();
  }

  crash(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#waiting = [];
    for (const tell of this.#onCrash) tell();
  }

  onCrash(tell: () => void): void {
    this.#onCrash.push(tell);
  }

  freeze(ms: number): void {
    const until = this.#clock.now() + ms;
    if (this.#isOver || until <= this.#frozenUntil) return;
    this.#frozenUntil = until;
    this.#clock.after(ms, () => this.#thaw());
  }

  #thaw(): void {
    if (this.isFrozen) return;
    this.thawedAt = this.#clock.now();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }

  /** Resolves while the process moves; never once it is gone. */
  async awake(): Promise<void> {
    while (this.isFrozen && !this.#isOver)
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    if (this.#isOver) await never();
  }

  /** Calls back while the process moves; never once it is gone. */
  whenAwake(callback: () => void): void {
    if (this.#isOver) return;
    if (this.isFrozen) this.#waiting.push(() => this.whenAwake(callback));
    else callback();
  }
}
