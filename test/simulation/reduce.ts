/**
 * Makes a history that went wrong as small as it gets: fewer faults, fewer and smaller programs, calmer circumstances,
 * as long as the same invariant is violated.
 */
import { smallerPrograms } from "./generated/smaller.ts";
import type { PlannedFault } from "./plan.ts";
import { type History, type HistoryOptions, World } from "./world.ts";

const TRIES_MAX = 600;

export async function reduced(history: History): Promise<History> {
  return new Reducer(history).reduce();
}

class Reducer {
  #best: History;
  readonly #invariant: string;
  #tries = 0;

  constructor(history: History) {
    this.#best = history;
    this.#invariant = history.violations[0]!.invariant;
  }

  async reduce(): Promise<History> {
    // As it was, or with the faults that were written down: both must go wrong, or nothing can be left out.
    if (!(await this.#takes({ ...this.#best.options, plan: this.#best.plan }))) return this.#best;
    for (let known = -1; known !== this.#tries && this.#tries < TRIES_MAX; ) {
      const before = this.#best;
      await this.#calm();
      await this.#drop();
      await this.#shrink();
      await this.#faults();
      known = before === this.#best ? this.#tries : -1;
    }
    return this.#best;
  }

  /** Keeps what goes wrong in the same way. */
  async #takes(options: HistoryOptions): Promise<boolean> {
    if (this.#tries++ >= TRIES_MAX) return false;
    const tried = await new World(options).run();
    if (!tried.violations.some(({ invariant }) => invariant === this.#invariant)) return false;
    this.#best = tried;
    return true;
  }

  async #calm(): Promise<void> {
    const calmer = [
      { oddSchedules: 0, deadSchedules: 0 },
      { skewMs: 0 },
      { latencyMs: 0 },
      { residentRunsMax: 1_000 },
      { pages: undefined },
    ];
    for (const change of calmer) {
      const { options } = this.#best;
      const profile = { ...options.profile, ...change };
      if (JSON.stringify(profile) !== JSON.stringify(options.profile))
        await this.#takes({ ...options, profile });
    }
  }

  /** Leaves out what plays beside. */
  async #drop(): Promise<void> {
    for (let index = this.#best.options.play.length - 1; index >= 0; index--) {
      const { options } = this.#best;
      if (options.play.length === 1) return;
      const { play, programs = [] } = options;
      const place = play.slice(0, index).filter((name) => name === "generated").length;
      await this.#takes({
        ...options,
        play: play.filter((_, other) => other !== index),
        programs: programs.filter((_, other) => play[index] !== "generated" || other !== place),
      });
    }
  }

  async #shrink(): Promise<void> {
    for (let place = 0; place < (this.#best.options.programs?.length ?? 0); ) {
      const programs = this.#best.options.programs!;
      let isSmaller = false;
      for (const smaller of smallerPrograms(programs[place]!)) {
        const options = { ...this.#best.options, programs: programs.with(place, smaller) };
        isSmaller = (await this.#takes(options)) || (await this.#takes(redrawn(options)));
        if (isSmaller || this.#tries >= TRIES_MAX) break;
      }
      if (!isSmaller) place++;
    }
  }

  async #faults(): Promise<void> {
    for (let index = this.#best.plan.length - 1; index >= 0; index--) {
      const plan = this.#best.plan.filter((_, other) => other !== index) as PlannedFault[];
      await this.#takes({ ...this.#best.options, plan });
    }
  }
}

/** With its faults drawn anew: in a smaller program the old ones hit other calls. */
const redrawn = ({ plan: _plan, ...options }: HistoryOptions): HistoryOptions => options;
