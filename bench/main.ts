/**
 * `npm run bench`: one JSON line for each workload, over HTTP against a real host with its default durability (each
 * commit is on disk before it counts). It reports, and asserts nothing: read the load beside each figure.
 * `npm run bench -- --only steps,signals` runs some of them; `load`, which takes over a minute, only so.
 * `npm run bench -- growth`, `-- map` and `-- residency` are benches of their own: see there.
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { percentile, round } from "./figures.ts";
import { growth } from "./growth.ts";
import { type BenchHost, complete, type Run, startBenchHost, WAIT } from "./host.ts";
import { openLoad } from "./load.ts";
import { map } from "./map.ts";
import { residency } from "./residency.ts";

async function pool(count: number, concurrency: number, work: () => Promise<void>): Promise<void> {
  let begun = 0;
  const worker = async () => {
    while (begun++ < count) await work();
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

const workloads: Record<string, (host: BenchHost) => Promise<object>> = {
  async steps(host) {
    const [runs, concurrency, steps] = [1_000, 50, 10];
    const cpu = host.cpuMs();
    const from = performance.now();
    await pool(runs, concurrency, () => complete(host, "steps", { steps }));
    const seconds = (performance.now() - from) / 1_000;
    return {
      runs,
      concurrency,
      steps_per_run: steps,
      steps_per_s: round((runs * steps) / seconds, 0),
      host_cpu_ms_per_step: round((host.cpuMs() - cpu) / (runs * steps), 4),
    };
  },
  async alone(host) {
    const steps = 100;
    const samples: number[] = [];
    for (let repetition = 0; repetition < 5; repetition++) {
      const from = performance.now();
      await complete(host, "steps", { steps });
      samples.push((performance.now() - from) / steps);
    }
    return {
      steps,
      ms_per_step_p50: round(percentile(samples, 0.5), 3),
      ms_per_step_min: round(Math.min(...samples), 3),
    };
  },
  async long(host) {
    const [steps, every] = [5_000, 500];
    const marks = await complete<number[]>(host, "long-run", { steps, every });
    const perStep = marks.slice(1).map((mark, index) => (mark - marks[index]!) / every);
    const [first, last] = [perStep[0]!, perStep.at(-1)!];
    return {
      steps,
      ms_per_step_first: round(first, 3),
      ms_per_step_last: round(last, 3),
      growth: round(last / first),
    };
  },
  async signals(host) {
    const samples: number[] = [];
    for (let index = 0; index < 200; index++) {
      const { runId } = await host.call<Run>("POST", "/runs", { workflow: "await-go" });
      while ((await host.call<Run>("GET", `/runs/${runId}`)).status !== "waiting");
      const done = host.call<Run>("GET", `/runs/${runId}`, undefined, WAIT);
      const from = performance.now();
      await host.call("POST", `/runs/${runId}/signals/go`, { index });
      const run = await done;
      samples.push(performance.now() - from);
      if (run.status !== "completed") throw new Error(`The run ${runId} is ${run.status}.`);
    }
    return {
      signals: samples.length,
      ms_p50: round(percentile(samples, 0.5)),
      ms_p99: round(percentile(samples, 0.99)),
    };
  },
  async sleeps(host) {
    const [sleeps, ms] = [100, 2_000];
    const late = await Promise.all(
      Array.from({ length: sleeps }, () => complete<number>(host, "nap", { ms })),
    );
    return { sleeps, ms, late_ms_p50: percentile(late, 0.5), late_ms_p99: percentile(late, 0.99) };
  },
  async load(host) {
    const [startsPerSecond, seconds] = [200, 60];
    const { starts, failed, latenciesMs, statuses } = await openLoad(host, { startsPerSecond, seconds });
    return {
      starts_per_s: startsPerSecond,
      seconds,
      starts,
      failed,
      runs_by_status: statuses,
      post_ms_p50: round(percentile(latenciesMs, 0.5)),
      post_ms_p99: round(percentile(latenciesMs, 0.99)),
      post_ms_max: round(Math.max(...latenciesMs)),
    };
  },
};

const benches: Record<string, () => Promise<void>> = { growth, map, residency };

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { only: { type: "string" } },
    allowPositionals: true,
  });
  const unknownBench = positionals.find((name) => benches[name] === undefined);
  if (unknownBench !== undefined)
    throw new Error(`Expected a bench of ${Object.keys(benches).join(", ")}, got ${unknownBench}.`);
  for (const name of positionals) await benches[name]!();
  if (positionals.length > 0) return;
  const chosen = values.only?.split(",") ?? Object.keys(workloads).filter((name) => name !== "load");
  const unknown = chosen.filter((name) => workloads[name] === undefined);
  if (unknown.length > 0)
    throw new Error(`Expected --only with ${Object.keys(workloads).join(", ")}, got ${unknown.join(", ")}.`);
  const host = await startBenchHost();
  try {
    // A host that has compiled its hot paths is what is measured.
    await pool(1_000, 50, () => complete(host, "steps", { steps: 10 }));
    for (const name of chosen) {
      const load = round(loadavg()[0]!);
      console.log(JSON.stringify({ workload: name, ...(await workloads[name]!(host)), load_before: load }));
    }
  } finally {
    await host.stop();
  }
}

await main();
