/** A process' own clock: it differs from the others by `skewMs`, and stands still or ends with its process. */
import type { Clock } from "../../ports/clock.ts";
import { type Life, never } from "./life.ts";

export class SimulatedClock implements Clock {
  readonly #clock: Clock;
  readonly #life: Life;
  readonly #skewMs: number;

  constructor(clock: Clock, life: Life, skewMs: number) {
    this.#clock = clock;
    this.#life = life;
    this.#skewMs = skewMs;
  }

  now(): number {
    return this.#clock.now() + this.#skewMs;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (this.#life.isOver) return never();
    await this.#clock.sleep(ms, signal);
    await this.#life.awake();
  }

  after(ms: number, callback: () => void): () => void {
    let isWanted = true;
    const cancel = this.#clock.after(ms, () =>
      this.#life.whenAwake(() => {
        if (isWanted) callback();
      }),
    );
    return () => {
      isWanted = false;
      cancel();
    };
  }

  random(): number {
    return this.#clock.random();
  }

  id(): string {
    return this.#clock.id();
  }
}
