/** Histories by seed, and what to do with one that went wrong. */
import { programOf } from "./generated/arbitrary.ts";
import { randomProfile } from "./plan.ts";
import { Random } from "./random.ts";
import { allScenarios } from "./scenarios.ts";
import type { History, HistoryOptions } from "./world.ts";

/** A history by chance: its kind, its scenarios and its faults follow from the seed. */
export function drawn(
  seed: number,
  fixed: { isLossy?: boolean; only?: readonly string[] } = {},
): HistoryOptions {
  const random = new Random(seed).stream("drawn");
  const drawnLossy = random.chance(0.5);
  const isLossy = fixed.isLossy ?? drawnLossy;
  const all = fixed.only ?? Object.keys(allScenarios);
  // Often one scenario alone: faults then hit it more densely. And half of all are programs.
  const isProgram = random.chance(0.5) && fixed.only === undefined;
  const names = isProgram ? ["generated"] : random.chance(0.5) ? [random.pick(all)] : all;
  const play = Array.from({ length: random.pick([1, 1, 2, 3]) }, () => random.pick(names));
  const profile = randomProfile(random, isLossy);
  const programs = play.flatMap((name, index) =>
    name === "generated" ? [programOf(random.stream(`program ${index}`).between(0, 2 ** 31 - 1))] : [],
  );
  return { seed, isLossy, play, ...(programs.length > 0 ? { programs } : {}), profile };
}

/** The command that has the same history again. */
export function repeatedBy({ options, plan }: History): string {
  const { seed, isLossy, play, programs, profile } = options;
  return `npm run simulate -- --repeat '${JSON.stringify({ seed, isLossy, play, programs, profile, plan })}'`;
}

/** A history's violations, as a test shows them: none for a clean one. */
export const complaints = (history: History): string[] =>
  history.violations.map(
    ({ invariant, runId, message }) =>
      `seed ${history.options.seed}: ${invariant} ${runId}: ${message}\n${repeatedBy(history)}`,
  );
