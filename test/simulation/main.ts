/**
 * `npm run simulate -- --runs N --seed S`: N histories from seed S on, each with scenarios, faults and timing of its
 * own. Prints what was injected and every violation, made small, with what repeats it; exits 1 if there was any.
 *
 *   --only a,b    of these scenarios       --lossy | --lossless   of this kind only
 *   --trace       tell what happened in those that failed
 *   --repeat J    the one history that J describes, told as it happens, and the journals that came of it
 *   --every       instead: each fault alone at every port call of every scenario (or of those of --only), in turn
 */
import { parseArgs } from "node:util";
import type { RunEvent } from "../../shared/core/events.ts";
import { atEveryCall, faults, packing, profile } from "./every.ts";
import { drawn, repeatedBy } from "./histories.ts";
import { reduced } from "./reduce.ts";
import { scenarios } from "./scenarios.ts";
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
    every: { type: "boolean", default: false },
  },
});

async function simulate(): Promise<number> {
  const [runs, seed] = [Number(values.runs), Number(values.seed)];
  const isLossy = values.lossy === values.lossless ? undefined : values.lossy;
  const only = values.only?.split(",");
  const tally = new Tally();
  for (let done = 0; done < runs && tally.failures < FAILURES_MAX; done++)
    await tally.count(await new World(drawn(seed + done, { isLossy, only })).run());
  tally.print(`Seeds ${seed} to ${seed + tally.histories - 1}`);
  return tally.failures;
}

async function everywhere(): Promise<number> {
  const tally = new Tally();
  for (const name of values.only?.split(",") ?? Object.keys(scenarios))
    for (const circumstances of [profile, packing])
      for (const fault of faults)
        for await (const history of atEveryCall(name, fault, { profile: circumstances }))
          if (tally.failures < FAILURES_MAX) await tally.count(history);
  tally.print("One fault at every port call");
  return tally.failures;
}

/** What there was, and what went wrong. */
class Tally {
  histories = 0;
  failures = 0;
  readonly #faults = new Map<string, number>();
  readonly #begun = performance.now();
  #calls = 0;
  #runs = 0;

  async count(history: History): Promise<void> {
    this.histories++;
    this.#calls += history.calls;
    this.#runs += history.runs;
    for (const [fault, count] of history.counts)
      this.#faults.set(fault, (this.#faults.get(fault) ?? 0) + count);
    if (history.violations.length === 0) return;
    this.failures++;
    console.log(await report(history));
  }

  print(what: string): void {
    const seconds = (performance.now() - this.#begun) / 1_000;
    console.log(`${what}, ${seconds.toFixed(1)} s:`);
    const rows = { histories: this.histories, "workflow runs": this.#runs, "port calls": this.#calls };
    for (const [what, count] of Object.entries(rows)) console.log(`  ${what.padEnd(18)} ${figure(count)}`);
    console.log("Faults:");
    for (const [kind, count] of [...this.#faults].sort())
      console.log(`  ${kind.padEnd(18)} ${figure(count)}`);
    console.log(this.failures === 0 ? "No violation." : `${this.failures} histories with violations.`);
  }
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

/** What was stored, an entry a line. */
const journals = ({ journals }: History): string[] =>
  [...journals].flatMap(([runId, entries]) =>
    entries.map(({ sequence, events }) => `${runId} ${sequence}: ${events.map(inShort).join(" ")}`),
  );

const inShort = (event: RunEvent): string =>
  `${[event.type, "operation" in event ? event.operation : "", "name" in event ? event.name : ""]
    .join(" ")
    .trim()},`;

const told = (options: HistoryOptions): Promise<History> => new World({ ...options, isTraced: true }).run();

async function repeat(described: string): Promise<number> {
  const history = await told(JSON.parse(described) as HistoryOptions);
  console.log([...history.trace, ...journals(history), ...violations(history)].join("\n"));
  return history.violations.length;
}

const failures =
  values.repeat !== undefined
    ? await repeat(values.repeat)
    : values.every
      ? await everywhere()
      : await simulate();
process.exit(failures === 0 ? 0 : 1);
