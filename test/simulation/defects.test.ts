/** The simulation sees: each planted defect is found, and only it is: the same histories are clean without it. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { OperationError } from "../../shared/core/errors.ts";
import type { Happening } from "../../shared/core/state.ts";
import * as planted from "./defects.ts";
import { leavesOf, type Node } from "./generated/program.ts";
import { complaints, drawn } from "./histories.ts";
import { calm, type Profile } from "./plan.ts";
import { reduced } from "./reduce.ts";
import { type Defects, type History, World } from "./world.ts";

/** Defects in the pure code, switched on in its place. */
const broken = vi.hoisted(() => ({
  /** R1: a replay delivers completions in the order of their calls, not in that of the journal. */
  inCallOrder: false,
  /** R1: a replay delivers what came of a timer before all that came beside it. */
  timersFirst: false,
  /** A map ends when all but one of its items have. */
  endsEarly: false,
  /** What was undone is done again under the same key. */
  sameKey: false,
  /** A redrive does again what had completed. */
  keepsNothing: false,
  /** A map that has failed begins the items that are left. */
  goesOn: false,
}));

vi.mock("../../shared/core/replay.ts", async (original) => {
  const real = await original<typeof import("../../shared/core/replay.ts")>();
  const operation = ({ event }: Happening) => ("operation" in event ? (event.operation ?? "") : "");
  const byCall = (history: readonly Happening[]): Happening[] => {
    const completions = history.filter(({ event }) => event.type === "StepCompleted");
    const sorted = [...completions].sort((left, right) => (operation(left) < operation(right) ? -1 : 1));
    return history.map((happening) => (completions.includes(happening) ? sorted.shift()! : happening));
  };
  const timersFirst = (history: readonly Happening[]): Happening[] => {
    const isDelivery = ({ event }: Happening) =>
      /^(TimerFired|StepCompleted|SignalDelivered)$/.test(event.type);
    const deliveries = history.filter(isDelivery);
    const isTimer = ({ event }: Happening) => event.type === "TimerFired";
    const sorted = [...deliveries.filter(isTimer), ...deliveries.filter((one) => !isTimer(one))];
    return history.map((happening) => (isDelivery(happening) ? sorted.shift()! : happening));
  };
  const replay: typeof real.replay = (execution, state, hydrate, from) => {
    let { history } = state;
    if (broken.inCallOrder) history = byCall(history);
    if (broken.timersFirst) history = timersFirst(history);
    return real.replay(execution, { ...state, history }, hydrate, from);
  };
  return { ...real, replay };
});

vi.mock("../../shared/core/ids.ts", async (original) => {
  const real = await original<typeof import("../../shared/core/ids.ts")>();
  const idempotencyKeyOf: typeof real.idempotencyKeyOf = (inc, operation, undone) =>
    real.idempotencyKeyOf(inc, operation, broken.sameKey ? 0 : undone);
  return { ...real, idempotencyKeyOf };
});

vi.mock("../../shared/core/redrive.ts", async (original) => {
  const real = await original<typeof import("../../shared/core/redrive.ts")>();
  const redrivePoint: typeof real.redrivePoint = (state, from) => {
    const point = real.redrivePoint(state, from);
    return broken.keepsNothing ? { ...point, keep: false } : point;
  };
  return { ...real, redrivePoint };
});

vi.mock("../../shared/core/forks.ts", async (original) => {
  const real = await original<typeof import("../../shared/core/forks.ts")>();
  const mapped: typeof real.mapped = async (count, one, concurrency, tolerated, name, isCut) => {
    if (!broken.endsEarly && !broken.goesOn)
      return real.mapped(count, one, concurrency, tolerated, name, isCut);
    let ended = 0;
    const enough = Promise.withResolvers<void>();
    const all = real.mapped(
      count,
      async (index) => {
        try {
          return await one(index);
        } finally {
          if (++ended >= count - 1) enough.resolve();
        }
      },
      concurrency,
      broken.goesOn ? count : tolerated,
      name,
      isCut,
    );
    const nothing = { results: new Array(count).fill(null), failures: [] };
    if (broken.endsEarly) return Promise.race([all, enough.promise.then(() => nothing)]);
    const { results, failures } = await all;
    if (failures.length <= tolerated) return { results, failures };
    const code = "ToleranceExceeded";
    throw new OperationError({ code, name: code, message: `${failures.length} items of ${name} failed.` });
  };
  return { ...real, mapped };
});

afterEach(() => {
  for (const defect of Object.keys(broken) as (keyof typeof broken)[]) broken[defect] = false;
});

const HISTORIES = 400;
const CLEAN_HISTORIES = 12;

interface Planted {
  /** Stands between an engine and its ports. */
  defects?: Defects;
  /** Is in the pure code. */
  code?: keyof typeof broken;
  only: string[];
  isLossy?: boolean;
  /** What the history must have in it. */
  among?: Partial<Profile>;
  found: RegExp;
}

describe.each<[string, Planted]>([
  [
    "acknowledging before the append",
    { defects: planted.acknowledgesFirst, only: ["simple", "collect"], found: /J6|is not finished/ },
  ],
  [
    "dropping a wake that meets a live lease",
    { defects: planted.dropsAtLease, only: ["handover", "collect", "retries"], found: /J6|is not finished/ },
  ],
  [
    "waking after the append, naming nothing",
    { defects: planted.wakesAfter, only: ["startOnce", "cancelledFamily"], found: /J8|J6|is not finished/ },
  ],
  [
    "taking an end that could not be published for published",
    { defects: planted.tellsOnce, only: ["simple", "plain", "retries"], found: /J10/ },
  ],
  [
    "an owner that ignores a newer claim",
    { defects: planted.ignoresClaims, only: ["handover", "plain"], found: /J4/ },
  ],
  [
    "taking a retried put's own entry for another's",
    { defects: planted.disownsItself, only: ["retries", "failing", "plain"], found: /errors|J3/ },
  ],
  [
    "asking a runner again for what is stored",
    { defects: planted.asksAgain, only: ["distant"], found: /J5/ },
  ],
  [
    "an outside writer that goes behind whoever was first, undecided",
    {
      defects: planted.overtakes,
      only: ["managed"],
      found: /driven/,
    },
  ],
  [
    "a report that is answered and not stored",
    { defects: planted.forgetsReports, only: ["managed"], found: /it is not stored|InternalError/ },
  ],
  [
    "a report that is stored twice",
    { defects: planted.doublesReports, only: ["mirrored", "managed"], found: /and again as/ },
  ],
  [
    "a worker that is refused, and has written",
    { defects: planted.refusesInVain, only: ["managed"], found: /was refused/ },
  ],
  [
    "a lease that is never over",
    { defects: planted.neverExpires, only: ["managed"], found: /its lease was over|nobody else holds/ },
  ],
  ["acting before the entry that decides it", { defects: planted.actsFirst, only: ["family"], found: /J5/ }],
  [
    "leaving the due index before the effects are done",
    { defects: planted.leavesEarly, only: ["family"], isLossy: true, found: /J10/ },
  ],
  [
    "a lease that leaves no margin for clocks that differ",
    {
      defects: planted.noMargin,
      only: ["cancelledFamily", "retries", "handover"],
      isLossy: true,
      among: { skewMs: 900, budget: 8, calls: { crashAfter: 0.1 } },
      found: /J4/,
    },
  ],
  [
    "replaying completions in the order of the calls",
    { code: "inCallOrder", only: ["plain"], found: /R1|R2/ },
  ],
  [
    "a race that a replay decides for the timer",
    { code: "timersFirst", only: ["generated"], found: /R1|R2|outcome/ },
  ],
  [
    "the same idempotency key for what was undone and is done again",
    { code: "sameKey", only: ["generated"], found: /what was undone since/ },
  ],
  [
    "a redrive that does again what had completed",
    { code: "keepsNothing", only: ["generated"], found: /was kept by the last redrive/ },
  ],
  [
    "a second attempt of what is to be begun at most once",
    { defects: planted.forgetsOnce, only: ["once", "generated"], found: /at most once/ },
  ],
  ["a map that ends before its items", { code: "endsEarly", only: ["generated"], found: /outcome/ }],
  ["a map that goes on after it has failed", { code: "goesOn", only: ["generated"], found: /outcome/ }],
  [
    "a successor that is not given the signals that were not read",
    {
      defects: planted.leavesSignals,
      only: ["continued", "generated"],
      found: /never received|is not finished|J6/,
    },
  ],
  [
    "a signal of a batch that is acknowledged and not stored",
    { defects: planted.losesSignals, only: ["generated", "collect"], found: /J6|was received after/ },
  ],
  [
    "a cancel that is accepted and not recorded",
    {
      defects: planted.ignoresCancels,
      only: ["generated"],
      among: { budget: 0, skewMs: 0 },
      found: /after its cancel was accepted/,
    },
  ],
])("%s", (_, { defects, code, only, isLossy = false, among, found }) => {
  const history = (seed: number, isPlanted: boolean) => {
    const options = drawn(seed, { isLossy, only });
    const profile = { ...options.profile, ...among };
    return new World({
      ...options,
      profile,
      ...(isPlanted && defects !== undefined ? { defects } : {}),
    }).run();
  };

  it("is found", async () => {
    if (code !== undefined) broken[code] = true;
    for (let seed = 1; seed <= HISTORIES; seed++) {
      const complaint = complaints(await history(seed, true))[0];
      if (complaint !== undefined) return expect(complaint).toMatch(found);
    }
    expect.unreachable(`not in ${HISTORIES} histories`);
  });

  it("and nothing is without it", async () => {
    for (let seed = 1; seed <= CLEAN_HISTORIES; seed++)
      expect(complaints(await history(seed, false))).toEqual([]);
  });
});

it("a successor that is not told of the cancel that came too late is found", async () => {
  const root: Node = { do: "step", ms: 1_000 };
  const programs = [{ root, links: 1, gapsMs: [0], cancelMs: 500 }];
  const play = { isLossy: false, play: ["generated"], programs, profile: calm, plan: [] };
  const found: string[] = [];
  for (let seed = 1; seed <= 10; seed++) {
    expect(complaints(await new World({ ...play, seed }).run())).toEqual([]);
    found.push(...complaints(await new World({ ...play, seed, defects: planted.leavesCancels }).run()));
  }
  expect(found.join("\n")).toMatch(/It is not to be cancelled, as run-0 was/);
});

it("what goes wrong is made small, and a command repeats it", async () => {
  broken.endsEarly = true;
  const found = await firstWrong();
  const small = await reduced(found);
  const { programs, play } = small.options;
  expect(play).toEqual(["generated"]);
  expect(leavesOf(programs![0]!.root).length).toBeLessThanOrEqual(2);
  expect(small.plan.length).toBeLessThanOrEqual(found.plan.length);
  const described = /--repeat '(.*)'/.exec(complaints(small)[0]!)![1]!;
  const again = await new World(JSON.parse(described)).run();
  expect(again.violations).toEqual(small.violations);
});

async function firstWrong(): Promise<History> {
  for (let seed = 1; ; seed++) {
    const history = await new World(drawn(seed, { only: ["generated"] })).run();
    if (history.violations.length > 0) return history;
  }
}
