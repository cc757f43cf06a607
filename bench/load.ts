/**
 * An open load: starts at a fixed rate, whether or not earlier ones have been answered, so that a slow moment is
 * seen by every caller that meets it. Each latency counts from when its request was due, not from when it was sent.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { BenchHost } from "./host.ts";

export interface LoadOptions {
  startsPerSecond: number;
  seconds: number;
}

export interface LoadFigures {
  starts: number;
  failed: number;
  latenciesMs: number[];
  /** Runs by their status once all are over, or the wait for them is. */
  statuses: Record<string, number>;
}

const FINISH_WITHIN_MS = 60_000;
const PAGE = 200;

interface Summary {
  runId: string;
  status: string;
}

export async function openLoad(
  host: BenchHost,
  { startsPerSecond, seconds }: LoadOptions,
): Promise<LoadFigures> {
  const starts = startsPerSecond * seconds;
  const label = `load-${process.pid}`;
  const latenciesMs: number[] = [];
  let failed = 0;
  const from = performance.now();
  const sent: Promise<void>[] = [];
  for (let index = 0; index < starts; index++) {
    const dueMs = from + (index * 1_000) / startsPerSecond;
    const early = dueMs - performance.now();
    if (early > 1) await sleep(early);
    const body = {
      workflow: "steps",
      runId: `${label}-${index}`,
      input: { steps: 2 },
      tags: { load: label },
    };
    sent.push(
      host.call("POST", "/runs", body).then(
        () => void latenciesMs.push(performance.now() - dueMs),
        () => void failed++,
      ),
    );
  }
  await Promise.all(sent);
  return { starts, failed, latenciesMs, statuses: await accounted(host, label, starts) };
}

/** Looks until every run is over. */
async function accounted(host: BenchHost, label: string, starts: number): Promise<Record<string, number>> {
  for (const deadline = performance.now() + FINISH_WITHIN_MS; ; await sleep(500)) {
    const statuses = await statusesOf(host, label);
    if ((statuses.completed ?? 0) === starts || performance.now() > deadline) return statuses;
  }
}

async function statusesOf(host: BenchHost, label: string): Promise<Record<string, number>> {
  const statuses: Record<string, number> = {};
  let cursor: string | undefined;
  do {
    const query = `limit=${PAGE}&tag=${encodeURIComponent(`load:${label}`)}${cursor === undefined ? "" : `&cursor=${cursor}`}`;
    const page = await host.call<{ items: Summary[]; cursor?: string }>("GET", `/runs?${query}`);
    for (const { status } of page.items) statuses[status] = (statuses[status] ?? 0) + 1;
    cursor = page.cursor;
  } while (cursor !== undefined);
  return statuses;
}
