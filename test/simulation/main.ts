/**
 * `npm run simulate -- --runs N --seed S`: N histories from seed S on, each with scenarios, faults and timing of its
 * own. Prints what was injected and every violation, made small, with what repeats it; exits 1 if there was any.
 *
 *   --only a,b    of these scenarios       --lossy | --lossless   of this kind only
 *   --trace       tell what happened in those that failed
 *   --repeat J    the one history that J describes, told as it happens
 */
import { parseArgs } from "node:util";
import { drawn, repeatedBy } from "./histories.ts";
import { reduced } from "./reduce.ts";
import { type History, type HistoryOptions, World } from "./world.ts";

const FAILURES_MAX = 20;

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    lossy: { type: "boolean", default: false },
    lossless: { type: "boolean", default: false },
    trace: { type: "boolean", default: false },
    repeat: { type: "string" },
  },
});

async function simulate(): Promise<number> {
  const [runs, seed] = [Number(values.runs), Number(values.seed)];
  const isLossy = values.lossy === values.lossless ? undefined : values.lossy;
  const only = values.only?.split(",");
  const faults = new Map<string, number>();
  const begun = performance.now();
  let [done, failures, calls, workflowRuns] = [0, 0, 0, 0];
  for (; done < runs && failures < FAILURES_MAX; done++) {
    const history = await new World(drawn(seed + done, { isLossy, only })).run();
    for (const [fault, count] of history.counts) faults.set(fault, (faults.get(fault) ?? 0) + count);
    calls += history.calls;
    workflowRuns += history.runs;
    if (history.violations.length === 0) continue;
    failures++;
    console.log(await report(history));
  }
  const seconds = (performance.now() - begun) / 1_000;
  console.log(`Seeds ${seed} to ${seed + done - 1}, ${seconds.toFixed(1)} s:`);
  const rows = { histories: done, "workflow runs": workflowRuns, "port calls": calls };
  for (const [what, count] of Object.entries(rows)) console.log(`  ${what.padEnd(18)} ${figure(count)}`);
  console.log("Faults:");
  for (const [kind, count] of [...faults].sort()) console.log(`  ${kind.padEnd(18)} ${figure(count)}`);
  console.log(failures === 0 ? "No violation." : `${failures} histories with violations.`);
  return failures;
}

const figure = (count: number): string => count.toLocaleString("en-US").padStart(12);

async function report(history: History): Promise<string> {
  const small = await reduced(history);
  const traced = values.trace ? await told(small.options) : small;
  return [
    `Seed ${history.options.seed}:`,
    ...violations(small),
    `  ${repeatedBy(small)}`,
    ...traced.trace,
  ].join("\n");
}

const violations = (history: History): string[] =>
  history.violations.map(({ invariant, runId, message }) => `  ${invariant} ${runId}: ${message}`);

const told = (options: HistoryOptions): Promise<History> => new World({ ...options, isTraced: true }).run();

async function repeat(described: string): Promise<number> {
  const history = await told(JSON.parse(described) as HistoryOptions);
  console.log([...history.trace, ...violations(history)].join("\n"));
  return history.violations.length;
}

const failures = values.repeat === undefined ? await simulate() : await repeat(values.repeat);
process.exit(failures === 0 ? 0 : 1);
