/**
 * `npm run bench -- residency`: what a wake costs, warm (the process has kept the run) and cold (it reads and
 * replays), for runs of 10, 1,000 and 10,000 events. A wake is all of it: the signal's append, the claim with its
 * delivery, and the park. Runs are woken ten at a time.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { benchEngine } from "./engine.ts";
import { report, round } from "./figures.ts";

const RUNS = 10;
const ROUNDS: Record<number, { warm: number; cold: number }> = {
  10: { warm: 100, cold: 100 },
  1000: { warm: 100, cold: 20 },
  10000: { warm: 50, cold: 5 },
};

async function wakes(events: number, kind: "warm" | "cold"): Promise<object> {
  const dir = mkdtempSync(join(tmpdir(), "stepfold-residency-"));
  const bench = await benchEngine(dir, kind === "warm" ? 1_000 : 0);
  try {
    const runIds = Array.from({ length: RUNS }, (_, index) => `run-${index}`);
    for (const runId of runIds) await bench.grow(runId, events);
    await bench.wake(runIds);
    const rounds = ROUNDS[events]![kind];
    const cpu = process.cpuUsage();
    const from = performance.now();
    for (let index = 0; index < rounds; index++) await bench.wake(runIds);
    const seconds = (performance.now() - from) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    return {
      events,
      wakes: rounds * RUNS,
      wakes_per_s: round((rounds * RUNS) / seconds, 0),
      cpu_ms_per_wake: round((user + system) / 1_000 / (rounds * RUNS), 3),
    };
  } finally {
    await bench.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

export async function residency(): Promise<void> {
  for (const events of Object.keys(ROUNDS).map(Number))
    for (const kind of ["warm", "cold"] as const)
      await report(`residency: ${kind}`, () => wakes(events, kind));
}
