/** Histories by chance, with fixed seeds. `npm run simulate` goes through more of them. */
import { describe, expect, it } from "vitest";
import { complaints, drawn } from "./histories.ts";
import { World } from "./world.ts";

const HISTORIES = 1_500;

describe("by chance", () => {
  it.each([
    ["no message is lost and nothing sweeps: every wake counts", false],
    ["wakes are lost and schedules never fire: the sweep helps", true],
  ])("%s", async (_, isLossy) => {
    for (let seed = 1; seed <= HISTORIES; seed++)
      expect(complaints(await new World(drawn(seed, { isLossy })).run())).toEqual([]);
  });

  it("the same seed is the same history, and its plan repeats it", async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const options = drawn(seed);
      const first = await new World(options).run();
      const again = await new World(options).run();
      const planned = await new World({ ...options, plan: first.plan }).run();
      expect(again).toEqual(first);
      expect(planned.journals).toEqual(first.journals);
    }
  });
});
