/**
 * `npm run simulate -- --runs N --seed S`: N histories from seed S on, each with scenarios, faults and timing of its
 * own. Prints what was injected and every violation with what repeats it; exits 1 if there was any.
 *
 *   --only a,b    of these scenarios       --lossy | --lossless   of this kind only
 *   --trace       tell what happened in those that failed
 */
import { parseArgs } from "node:util";
import { drawn, reduced, repeatedBy } from "./histories.ts";
import { type History, World } from "./world.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    lossy: { type: "boolean", default: false },
    lossless: { type: "boolean", default: false },
    trace: { type: "boolean", default: false },
  },
});

const [runs, seed] = [Number(values.runs), Number(values.seed)];
const kind = values.lossy === values.lossless ? undefined : values.lossy;
const totals = new Map<string, number>();
const failures: History[] = [];
let [calls, workflowRuns] = [0, 0];
const begun = performance.now();

for (let index = 0; index < runs; index++) {
  const history = await new World(
    drawn(seed + index, { isLossy: kind, only: values.only?.split(",") }),
  ).run();
  for (const [fault, count] of history.counts) totals.set(fault, (totals.get(fault) ?? 0) + count);
  calls += history.calls;
  workflowRuns += history.runs;
  if (history.violations.length === 0) continue;
  failures.push(history);
  console.log(await report(history));
  if (failures.length >= 20) break;
}

const seconds = (performance.now() - begun) / 1_000;
console.log(
  `${runs} histories of ${workflowRuns} runs, ${calls} port calls, in ${seconds.toFixed(1)} s: ${(runs / seconds).toFixed(0)} histories and ${(workflowRuns / seconds).toFixed(0)} runs a second.`,
);
console.log("Faults:", Object.fromEntries([...totals].sort()));
console.log(failures.length === 0 ? "No violation." : `${failures.length} histories with violations.`);
process.exit(failures.length === 0 ? 0 : 1);

async function report(history: History): Promise<string> {
  const small = await reduced(history);
  const traced = values.trace ? await new World({ ...small.options, isTraced: true }).run() : small;
  const said = small.violations.map(({ invariant, runId, message }) => `  ${invariant} ${runId}: ${message}`);
  return [`Seed ${history.options.seed}:`, ...said, `  ${repeatedBy(small)}`, ...traced.trace].join("\n");
}
