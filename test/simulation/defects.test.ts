/** The simulation sees: each planted defect is found, and only it is: the same histories are clean without it. */
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Happening } from "../../shared/core/state.ts";
import * as planted from "./defects.ts";
import { complaints, drawn } from "./histories.ts";
import { type Defects, World } from "./world.ts";

/** R1: whether a replay delivers completions in the order of their calls, not in that of the journal. */
const replaying = vi.hoisted(() => ({ inCallOrder: false }));

vi.mock("../../shared/core/replay.ts", async (original) => {
  const real = await original<typeof import("../../shared/core/replay.ts")>();
  const byCall = (history: readonly Happening[]): Happening[] => {
    const completions = history.filter(({ event }) => event.type === "StepCompleted");
    const operation = ({ event }: Happening) => ("operation" in event ? event.operation : "");
    const sorted = [...completions].sort((left, right) => (operation(left) < operation(right) ? -1 : 1));
    return history.map((happening) => (completions.includes(happening) ? sorted.shift()! : happening));
  };
  const replay: typeof real.replay = (execution, state, hydrate, from) =>
    real.replay(
      execution,
      replaying.inCallOrder ? { ...state, history: byCall(state.history) } : state,
      hydrate,
      from,
    );
  return { ...real, replay };
});

afterEach(() => {
  replaying.inCallOrder = false;
});

const HISTORIES = 120;
const inCallOrder: Defects = {};

describe.each<[string, Defects, { only: string[]; isLossy?: boolean; found: RegExp }]>([
  [
    "acknowledging before the append",
    planted.acknowledgesFirst,
    { only: ["simple", "collect"], found: /J6|is not finished/ },
  ],
  [
    "dropping a wake that meets a live lease",
    planted.dropsAtLease,
    { only: ["handover", "collect", "retries"], found: /J6|is not finished/ },
  ],
  [
    "waking after the append, naming nothing",
    planted.wakesAfter,
    { only: ["startOnce", "cancelledFamily"], found: /J8|J6|is not finished/ },
  ],
  [
    "taking an end that could not be published for published",
    planted.tellsOnce,
    { only: ["simple", "plain", "retries"], found: /J10/ },
  ],
  [
    "an owner that ignores a newer claim",
    planted.ignoresClaims,
    { only: ["handover", "plain"], found: /J4/ },
  ],
  [
    "taking a retried put's own entry for another's",
    planted.disownsItself,
    { only: ["retries", "failing", "plain"], found: /errors|J3/ },
  ],
  ["asking a runner again for what is stored", planted.asksAgain, { only: ["distant"], found: /J5/ }],
  ["acting before the entry that decides it", planted.actsFirst, { only: ["family"], found: /J5/ }],
  [
    "leaving the due index before the effects are done",
    planted.leavesEarly,
    { only: ["family"], isLossy: true, found: /J10/ },
  ],
  ["replaying completions in the order of the calls", inCallOrder, { only: ["plain"], found: /R1|R2/ }],
])("%s", (_, defects, { only, isLossy = false, found }) => {
  const history = (seed: number, planted?: Defects) =>
    new World({
      ...drawn(seed, { isLossy, only }),
      ...(planted === undefined ? {} : { defects: planted }),
    }).run();

  it("is found", async () => {
    replaying.inCallOrder = defects === inCallOrder;
    for (let seed = 1; seed <= HISTORIES; seed++) {
      const complaint = complaints(await history(seed, defects))[0];
      if (complaint !== undefined) return expect(complaint).toMatch(found);
    }
    expect.unreachable(`not in ${HISTORIES} histories`);
  });

  it("and nothing is without it", async () => {
    for (let seed = 1; seed <= HISTORIES; seed++) expect(complaints(await history(seed))).toEqual([]);
  });
});
