/** Who waits for a run to change: wakes on `notify`, or when the time is over. */
import type { Clock } from "../../ports/clock.ts";

export class Watchers {
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wait(runId: string, withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(runId) ?? new Set();
      this.#waiting.set(runId, waiting);
      const wake = () => {
        cancel();
        waiting.delete(wake);
        if (waiting.size === 0 && this.#waiting.get(runId) === waiting) this.#waiting.delete(runId);
        resolve();
      };
      const cancel = this.#clock.after(withinMs, wake);
      waiting.add(wake);
    });
  }

  notify(runId: string): void {
    const waiting = this.#waiting.get(runId);
    if (waiting === undefined) return;
    for (const wake of [...waiting]) wake();
  }

  /** Ends every wait. */
  close(): void {
    for (const runId of [...this.#waiting.keys()]) this.notify(runId);
  }
}
