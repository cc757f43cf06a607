/**
 * The ends of leases for which this process has a wake on its way: of all the wakes that meet one lease here, one
 * sends another for its end, and that covers the rest (J9).
 *
 * It is only ever a shortcut: forgetting one costs a message.
 */
import { LEASE_ENDS_MAX } from "../core/limits.ts";
import type { RunKey } from "../ports/journal.ts";

export class LeaseEnds {
  readonly #covered = new Map<string, { inc: string; until: number; sent: Promise<void> }>();

  /** Resolves once a wake for that time is on its way: the one that `send` sends, or one from before. */
  cover({ runId, inc }: RunKey, until: number, send: () => Promise<void>): Promise<void> {
    const known = this.#covered.get(runId);
    if (known?.inc === inc && known.until === until) return known.sent;
    const covered = { inc, until, sent: send() };
    this.#covered.delete(runId);
    this.#covered.set(runId, covered);
    if (this.#covered.size > LEASE_ENDS_MAX) this.#covered.delete(this.#covered.keys().next().value!);
    covered.sent.catch(() => {
      if (this.#covered.get(runId) === covered) this.#covered.delete(runId);
    });
    return covered.sent;
  }
}
