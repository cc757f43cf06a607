/** One fault at every call of every scenario, in turn: whatever it hits, the run comes to the same end. */
import { describe, expect, it } from "vitest";
import type { Fault } from "../../shared/adapters/simulated/index.ts";
import { complaints } from "./histories.ts";
import { calm, type PlannedFault, type Profile } from "./plan.ts";
import { scenarios } from "./scenarios.ts";
import { type History, World } from "./world.ts";

const faults: Fault[] = [
  { kind: "crashBefore" },
  { kind: "crashAfter" },
  { kind: "lostAnswer" },
  { kind: "failed" },
  { kind: "throttled" },
  { kind: "freezeBefore", ms: 200_000 },
  { kind: "freezeAfter", ms: 200_000 },
  { kind: "staleRead", missing: 2 },
];
const profile: Profile = { ...calm, visibilityMs: 150_000 };

const history = (
  name: string,
  options: { isLossy: boolean; plan: PlannedFault[]; profile?: Profile; isTraced?: boolean },
): Promise<History> => new World({ seed: 7, play: [name], profile, ...options }).run();

describe.each(Object.keys(scenarios))("%s", (name) => {
  it("comes to its end undisturbed", async () => {
    expect(complaints(await history(name, { isLossy: false, plan: [] }))).toEqual([]);
  });

  it.each(faults)("survives it at every call: $kind", async (fault) => {
    const { calls } = await history(name, { isLossy: false, plan: [] });
    expect(calls).toBeGreaterThan(5);
    for (let call = 1; call <= calls; call++)
      expect(complaints(await history(name, { isLossy: false, plan: [{ call, fault }] }))).toEqual([]);
  });

  it("survives the loss of any of its wakes, by the sweep", async () => {
    let [message, lost] = [0, 0];
    do {
      const { violations, counts, ...rest } = await history(name, {
        isLossy: true,
        plan: [{ message: ++message, copies: [] }],
      });
      expect(complaints({ violations, counts, ...rest })).toEqual([]);
      lost = counts.get("messageLost") ?? 0;
    } while (lost > 0);
    expect(message).toBeGreaterThan(1);
  });
});

/** Every process is cold, reads a few entries at a time, and packs what it has read whenever it parks. */
const packing: Profile = { ...profile, residentRunsMax: 0, pages: { head: 3, next: 4 } };

/** Runs that park often, wait, compensate, and are redriven. */
const PACKED = ["timers", "polls", "redriven", "undone", "handover"];

describe.each(PACKED)("%s, packed at every park", (name) => {
  it.each(faults)("survives it at every call: $kind", async (fault) => {
    const options = { isLossy: false, profile: packing };
    const { calls, trace } = await history(name, { ...options, plan: [], isTraced: true });
    for (const asked of ["journal.putSegment", "journal.segments"])
      expect(trace.some((line) => line.includes(asked))).toBe(true);
    for (let call = 1; call <= calls; call++)
      expect(complaints(await history(name, { ...options, plan: [{ call, fault }] }))).toEqual([]);
  });
});
