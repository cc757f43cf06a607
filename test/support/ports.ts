/**
 * What the conformance suites share: how an adapter is opened for one case, and how a case is skipped, only with its
 * reason.
 */
import { describe, expect, it } from "vitest";
import type { Entry } from "../../shared/core/events.ts";
import type { BlobStore } from "../../shared/ports/blobs.ts";
import type { Clock } from "../../shared/ports/clock.ts";
import type { JournalStore, NewRun, RunKey } from "../../shared/ports/journal.ts";
import type { Meter } from "../../shared/ports/meter.ts";
import type { Queue } from "../../shared/ports/queue.ts";
import type { Registers } from "../../shared/ports/registers.ts";
import type { Scheduler } from "../../shared/ports/scheduler.ts";
import { aNewRun, anEntry } from "./builders.ts";

export { aNewRun, anEntry, freshRunId, noise } from "./builders.ts";

interface AllPorts {
  journal: JournalStore;
  queue: Queue;
  scheduler: Scheduler;
  blobs: BlobStore;
  registers: Registers;
  clock: Clock;
  meter: Meter;
}

/** Ports over an empty store, made for one case. `advance` lets time pass: virtual, or by waiting. */
export type Opened<Kind extends keyof AllPorts> = Pick<AllPorts, Kind | "clock" | "meter"> & {
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
};

export interface SuiteOptions {
  /** Cases that this adapter cannot pass, each with the reason. */
  skip?: Record<string, string>;
  /** Several cases at a time, for adapters that mostly wait. */
  concurrent?: boolean;
}

type Case<Port> = (name: string, body: (port: Port) => Promise<void>) => void;

/** Declares a suite whose every case gets a freshly opened adapter and closes it. */
export function declareSuite<Port extends { close(): Promise<void> }>(
  name: string,
  open: () => Promise<Port>,
  options: SuiteOptions,
  cases: (test: Case<Port>) => void,
): void {
  const skips = new Map(Object.entries(options.skip ?? {}));
  describe(name, { concurrent: options.concurrent ?? false }, () => {
    cases((caseName, body) => {
      const reason = skips.get(caseName);
      skips.delete(caseName);
      if (reason !== undefined) return it.skip(`${caseName} — skipped: ${reason}`, () => {});
      it(caseName, async () => {
        const port = await open();
        try {
          await body(port);
        } finally {
          await port.close();
        }
      });
    });
    if (skips.size > 0)
      throw new Error(`Expected skips to name cases of ${name}, got: ${[...skips.keys()].join("; ")}`);
  });
}

/** Real time passing, for adapters without a virtual clock. */
export const realTime = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Creates a run, with entries 1 to `last` behind its header. */
export async function aStoredRun(
  port: Opened<"journal">,
  change: Partial<NewRun> & { last?: number } = {},
): Promise<{ run: NewRun; key: RunKey; entries: Entry[] }> {
  const { last = 0, ...fields } = change;
  const run = aNewRun(port.clock, fields);
  expect(await port.journal.create(run)).toMatchObject({ created: true });
  const key = { runId: run.runId, inc: run.inc };
  const entries = Array.from({ length: last }, (_, index) => anEntry(port.clock, index + 1));
  const answers = await Promise.all(entries.map((entry) => port.journal.append(key, entry, run.expiresAt)));
  expect(answers.every((answer) => answer.stored)).toBe(true);
  return { run, key, entries };
}

/** What `work` adds to the meter's total of one kind. */
export async function costOf(
  meter: Meter,
  kind: "writeUnits" | "readUnits" | "queueRequests" | "schedules",
  work: () => Promise<unknown>,
): Promise<number> {
  const before = meter.total[kind];
  await work();
  return meter.total[kind] - before;
}
