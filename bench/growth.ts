/**
 * `npm run bench -- growth`: what a long run costs. 100,000 steps on the local host, as time for each thousand and
 * as memory; and waking a parked run of 10,000 events cold, in a process that has run nothing before, and in a warm
 * one that has only forgotten the run.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadRun } from "../shared/engine/load.ts";
import { benchEngine } from "./engine.ts";
import { memoryMb, percentile, report, round } from "./figures.ts";
import { complete, startBenchHost } from "./host.ts";

const STEPS = 100_000;
const EVERY = 1_000;
const EVENTS = 10_000;
const WAKES = 15;

interface Mark {
  wallMs: number;
  cpuMs: number;
}

/** Growth by processor time too: what others do on the machine meanwhile is in the wall's time, and hardly in it. */
async function longRun(): Promise<object> {
  const host = await startBenchHost();
  try {
    const idle = memoryMb(host.pid);
    const marks = await complete<Mark[]>(host, "long-growth", { steps: STEPS, every: EVERY });
    const [wall, cpu] = (["wallMs", "cpuMs"] as const).map((kind) =>
      marks.slice(1).map((mark, index) => (mark[kind] - marks[index]![kind]) / EVERY),
    );
    const { now, peak } = memoryMb(host.pid);
    return {
      steps: STEPS,
      seconds: round((marks.at(-1)!.wallMs - marks[0]!.wallMs) / 1_000, 1),
      ...firstAndLast("ms_per_step", wall!),
      ...firstAndLast("cpu_ms_per_step", cpu!),
      rss_mb_idle: idle.now,
      rss_mb_peak: peak,
      rss_mb_after: now,
    };
  } finally {
    await host.stop();
  }
}

/** The medians of the first and of the last ten thousands. The first of all compiles the code: it is left out. */
function firstAndLast(what: string, perStep: number[]): object {
  const first = percentile(perStep.slice(0, 10), 0.5);
  const last = percentile(perStep.slice(-10), 0.5);
  return {
    [`${what}_first`]: round(first, 3),
    [`${what}_last`]: round(last, 3),
    [`${what}_growth`]: round(last / first),
  };
}

interface Timed {
  ms: number;
  cpuMs: number;
}

const figuresOf = (what: string, wakes: Timed[]): object => ({
  [`${what}_ms_p50`]: round(
    percentile(
      wakes.map(({ ms }) => ms),
      0.5,
    ),
    1,
  ),
  [`${what}_ms_min`]: round(Math.min(...wakes.map(({ ms }) => ms)), 1),
  [`${what}_cpu_ms_p50`]: round(
    percentile(
      wakes.map(({ cpuMs }) => cpuMs),
      0.5,
    ),
    1,
  ),
});

async function coldWake(): Promise<object> {
  const dir = mkdtempSync(join(tmpdir(), "stepfold-growth-"));
  try {
    const making = await benchEngine(dir, 0);
    await making.grow("long", EVENTS);
    const warm: Timed[] = [];
    const loadMs: number[] = [];
    for (let index = 0; index < WAKES; index++) {
      const from = performance.now();
      await loadRun(making.engine, "long");
      loadMs.push(performance.now() - from);
      warm.push(await making.timedWake("long"));
    }
    await making.close();
    const fresh = Array.from({ length: 5 }, () => inFreshProcess(dir));
    return {
      events: EVENTS,
      wakes: WAKES,
      read_and_fold_ms_p50: round(percentile(loadMs, 0.5), 1),
      ...figuresOf("cold_wake", warm),
      ...figuresOf("fresh_process", fresh),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Code that is not compiled yet, caches that are empty: as after a cold start. */
function inFreshProcess(dir: string): Timed {
  const args = ["--conditions=stepfold-source", import.meta.filename, dir];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as Timed;
}

const dir = process.argv[2];
if (import.meta.main && dir !== undefined) {
  const fresh = await benchEngine(dir, 0);
  process.stdout.write(JSON.stringify(await fresh.timedWake("long")));
  await fresh.close();
}

export async function growth(): Promise<void> {
  await report("growth: 100,000 steps", longRun);
  await report("growth: cold wake", coldWake);
}
