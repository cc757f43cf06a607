/** Histories by seed, and what to do with one that went wrong. */
import { programOf } from "./generated/arbitrary.ts";
import { type PlannedFault, randomProfile } from "./plan.ts";
import { Random } from "./random.ts";
import { allScenarios } from "./scenarios.ts";
import { type History, type HistoryOptions, World } from "./world.ts";

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

/** The same violation with as few faults as leave it. */
export async function reduced(history: History): Promise<History> {
  const invariant = history.violations[0]!.invariant;
  let best = history;
  for (let index = best.plan.length - 1; index >= 0; index--) {
    const plan = best.plan.filter((_, other) => other !== index) as PlannedFault[];
    const tried = await new World({ ...history.options, plan }).run();
    if (
      tried.violations.some((violation) => violation.invariant === invariant) &&
      tried.plan.length <= plan.length
    )
      best = tried;
  }
  return best;
}

/** What a test says to have the same history again. */
export function repeatedBy({ options, plan }: History): string {
  const { seed, isLossy, play, programs, profile } = options;
  return `repeat: new World(${JSON.stringify({ seed, isLossy, play, programs, profile, plan })}).run()`;
}

/** A history's violations, as a test shows them: none for a clean one. */
export const complaints = (history: History): string[] =>
  history.violations.map(
    ({ invariant, runId, message }) =>
      `seed ${history.options.seed}: ${invariant} ${runId}: ${message}\n${repeatedBy(history)}`,
  );
