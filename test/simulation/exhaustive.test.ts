/** One fault at call after call of every scenario: whatever it hits, the run comes to the same end. */
import { describe, expect, it } from "vitest";
import { atEveryCall, faults, once, packing } from "./every.ts";
import { complaints } from "./histories.ts";
import { scenarios } from "./scenarios.ts";

/** Of each fault and scenario; `npm run simulate -- --every` tries all calls. */
const CALLS_MAX = 7;
const LOSSES_MAX = 7;

describe.each(Object.keys(scenarios))("%s", (name) => {
  it("comes to its end undisturbed", async () => {
    const history = await once(name, { isLossy: false, plan: [] });
    expect(complaints(history)).toEqual([]);
    expect(history.calls).toBeGreaterThan(5);
  });

  it.each(faults)("survives it at calls all over: $kind", async (fault) => {
    for await (const history of atEveryCall(name, fault, { most: CALLS_MAX }))
      expect(complaints(history)).toEqual([]);
  });

  it("survives the loss of its wakes, by the sweep", async () => {
    for (let message = 1, lost = 1; lost > 0 && message <= LOSSES_MAX; message++) {
      const history = await once(name, { isLossy: true, plan: [{ message, copies: [] }] });
      expect(complaints(history)).toEqual([]);
      lost = history.counts.get("messageLost") ?? 0;
      expect(lost + message).toBeGreaterThan(1);
    }
  });
});

/** Runs that park often, wait, compensate, and are redriven. */
const PACKED = ["timers", "polls", "redriven", "undone", "handover"];

describe.each(PACKED)("%s, packed at every park", (name) => {
  it("packs, and reads what it has packed", async () => {
    const { trace } = await once(name, { isLossy: false, plan: [], profile: packing, isTraced: true });
    for (const asked of ["journal.putSegment", "journal.segments"])
      expect(trace.some((line) => line.includes(asked))).toBe(true);
  });

  it.each(faults)("survives it at calls all over: $kind", async (fault) => {
    for await (const history of atEveryCall(name, fault, { most: CALLS_MAX, profile: packing }))
      expect(complaints(history)).toEqual([]);
  });
});
