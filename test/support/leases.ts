/**
 * Two or more workers that fight over one managed run: each takes the lease whenever it can, and writes on under the
 * generation that it was last given, also long after its time is over. What the run's journal has then must be by one
 * worker a generation, in the order of the generations.
 */
import { setTimeout as sleep } from "node:timers/promises";

type Ask = (
  method: string,
  path: string,
  asked?: { body?: unknown; headers?: Record<string, string> },
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
) => Promise<{ status: number; body: any }>;

export interface Verdict {
  /** Leases that were granted anew. */
  generations: number;
  renewed: number;
  held: number;
  /** Writes that were answered with success, and those that the journal has. */
  accepted: number;
  journaled: number;
  lost: number;
  workersAccepted: number;
  /** Generations under which more than one worker's write is in the journal: must be none. */
  sharedGenerations: number;
  /** Entries whose generation is lower than that of one before them: must be none. */
  unexpected: string[];
}

/** For `forMs`, and on a slow machine for longer: until enough has happened to judge. */
export async function fight(
  asks: readonly Ask[],
  runId: string,
  { leaseMs, forMs, generations }: { leaseMs: number; forMs: number; generations: number },
): Promise<Verdict> {
  const verdict: Verdict = {
    generations: 0,
    renewed: 0,
    held: 0,
    accepted: 0,
    journaled: 0,
    lost: 0,
    workersAccepted: 0,
    sharedGenerations: 0,
    unexpected: [],
  };
  const until = performance.now() + forMs;
  const accepted = new Set<string>();
  const isOver = (): boolean =>
    performance.now() >= until &&
    verdict.generations >= generations &&
    verdict.lost > 0 &&
    accepted.size === asks.length;
  await Promise.all(
    asks.map((ask, worker) => work(ask, runId, `worker-${worker}`, { leaseMs, isOver, verdict, accepted })),
  );
  await judge(asks[0]!, runId, verdict);
  return verdict;
}

interface Fight {
  leaseMs: number;
  isOver(): boolean;
  verdict: Verdict;
  /** The workers of whom a write was accepted. */
  accepted: Set<string>;
}

async function work(
  ask: Ask,
  runId: string,
  worker: string,
  { leaseMs, isOver, verdict, accepted }: Fight,
): Promise<void> {
  let generation: number | undefined;
  for (let round = 0; !isOver(); round++) {
    const lease = await ask("POST", `/runs/${runId}/lease`, { body: { token: worker, ttl: `${leaseMs}ms` } });
    if (lease.status === 200) {
      if (lease.body.generation === generation) verdict.renewed++;
      else verdict.generations++;
      generation = lease.body.generation as number;
    } else if (lease.body.code === "LeaseHeld") verdict.held++;
    else verdict.unexpected.push(`${lease.status} ${lease.body.code}`);
    // Now and then it is held up for longer than its lease, and goes on as if nothing had been.
    const pauseMs = round % 5 === 4 ? leaseMs * 1.5 : leaseMs / 10;
    for (let write = 0; write < 4 && generation !== undefined; write++) {
      if (await report(ask, runId, worker, generation, verdict)) accepted.add(worker);
      await sleep(pauseMs / 4);
    }
    if (generation === undefined) await sleep(leaseMs / 10);
  }
}

async function report(
  ask: Ask,
  runId: string,
  worker: string,
  generation: number,
  verdict: Verdict,
): Promise<boolean> {
  const written = await ask("POST", `/runs/${runId}/steps`, {
    body: { name: worker },
    headers: { "stepfold-generation": String(generation) },
  });
  if (written.status === 201) verdict.accepted++;
  else if (written.body.code === "LeaseLost") verdict.lost++;
  else verdict.unexpected.push(`${written.status} ${written.body.code}`);
  return written.status === 201;
}

async function judge(ask: Ask, runId: string, verdict: Verdict): Promise<void> {
  const writers = new Map<number, Set<string>>();
  let highest = 0;
  for (let cursor: string | undefined = "0"; cursor !== undefined; ) {
    const page = await ask("GET", `/runs/${runId}/journal?limit=200&cursor=${cursor}`);
    for (const { type, name, generation, sequence } of page.body.items) {
      if (generation < highest)
        verdict.unexpected.push(`generation ${generation} at ${sequence} after ${highest}`);
      highest = Math.max(highest, generation);
      if (type !== "StepReported") continue;
      verdict.journaled++;
      writers.set(generation, (writers.get(generation) ?? new Set()).add(name));
    }
    cursor = page.body.cursor;
  }
  verdict.sharedGenerations = [...writers.values()].filter(({ size }) => size > 1).length;
  verdict.workersAccepted = new Set([...writers.values()].flatMap((names) => [...names])).size;
}
