/** Histories by chance, with fixed seeds. `npm run simulate` goes through more of them. */
import { describe, expect, it } from "vitest";
import { complaints, drawn } from "./histories.ts";
import { scenarios } from "./scenarios.ts";
import { World } from "./world.ts";

const TOGETHER = 250;
const ALONE = 4;

describe.each([
  ["no message is lost and nothing sweeps: every wake counts", false],
  ["wakes are lost and schedules never fire: the sweep helps", true],
])("%s", (_, isLossy) => {
  it("all scenarios together", async () => {
    for (let seed = 1; seed <= TOGETHER; seed++)
      expect(complaints(await new World(drawn(seed, { isLossy })).run())).toEqual([]);
  });

  it.each(Object.keys(scenarios))("%s", async (name) => {
    for (let seed = 1; seed <= ALONE; seed++)
      expect(complaints(await new World(drawn(seed, { isLossy, only: [name] })).run())).toEqual([]);
  });
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
