/**
 * Counts what AWS would bill, per run and in all. Adapters count; the engine drains a run's counts into its next
 * entry, so a run's cost is in its journal without a write of its own. Prices are AWS list prices (us-east-1):
 * https://aws.amazon.com/dynamodb/pricing/on-demand/, /sqs/pricing/, /eventbridge/pricing/.
 */
import type { Usage } from "../core/events.ts";

const PRICE_USD = {
  writeUnits: 0.625 / 1e6,
  readUnits: 0.125 / 1e6,
  queueRequests: 0.4 / 1e6,
  schedules: 1 / 1e6,
};

export const noUsage = (): Usage => ({ writeUnits: 0, readUnits: 0, queueRequests: 0, schedules: 0 });

export function addUsage(left: Usage, right: Usage): Usage {
  return {
    writeUnits: left.writeUnits + right.writeUnits,
    readUnits: left.readUnits + right.readUnits,
    queueRequests: left.queueRequests + right.queueRequests,
    schedules: left.schedules + right.schedules,
  };
}

/** US dollars at list price. */
export function priceOf(usage: Usage): number {
  return (
    usage.writeUnits * PRICE_USD.writeUnits +
    usage.readUnits * PRICE_USD.readUnits +
    usage.queueRequests * PRICE_USD.queueRequests +
    usage.schedules * PRICE_USD.schedules
  );
}

/** The read units that cost as much as these write units. */
export const inReadUnits = (writeUnits: number): number =>
  (writeUnits * PRICE_USD.writeUnits) / PRICE_USD.readUnits;

export class Meter {
  readonly total: Usage = noUsage();
  readonly #runs = new Map<string, Usage>();

  count(runId: string | undefined, kind: keyof Usage, units: number): void {
    this.total[kind] += units;
    if (runId === undefined) return;
    let usage = this.#runs.get(runId);
    if (usage === undefined) {
      // Runs that no leg of this process drains (started here, advanced elsewhere) must not pile up.
      if (this.#runs.size >= 10_000) this.#runs.delete(this.#runs.keys().next().value as string);
      usage = noUsage();
      this.#runs.set(runId, usage);
    }
    usage[kind] += units;
  }

  /** What the run used since the last drain, which stays to be drained. */
  pending(runId: string): Readonly<Usage> {
    return this.#runs.get(runId) ?? noUsage();
  }

  /** What the run used since the last drain. */
  drain(runId: string): Usage | undefined {
    const usage = this.#runs.get(runId);
    if (usage !== undefined) this.#runs.delete(runId);
    return usage;
  }
}
