import { expect, it } from "vitest";
import type { RunContext } from "../../shared/core/context.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { testHost } from "../../shared/testing/index.ts";

type Next = (run: RunContext) => Promise<unknown>;

/** Once `first` is mended, the code asks for something else in the place of the clean-up that was done before. */
const ways: [string, Next][] = [
  ["a wait for a signal", (run) => run.waitForSignal("blue")],
  ["a sleep", (run) => run.sleep("nap", "1s").then(() => 7)],
  ["a gate", async (run) => (await run.gate("ask", {})).selections],
  ["a callback", (run) => run.callback("call", () => 0, { timeout: "1m" }).catch(() => 7)],
  ["a poll", (run) => run.poll("look", () => 7, { every: "1s" })],
  ["branches", async (run) => (await run.all("all", { one: (branch) => branch.step("clean", () => 7) })).one],
  ["a map", async (run) => (await run.map("map", [7], (_item, value) => value))[0]],
  ["another step", (run) => run.step("other", () => 7)],
];

for (const evicted of [false, true])
  it.each(ways)(
    `%s in the place of a kept step has its own result; evicted: ${evicted}`,
    async (what, next) => {
      let isBroken = true;
      const works = workflow("works", async (run) => {
        try {
          await run.step(
            "first",
            () => {
              if (isBroken) throw new Error("not yet");
            },
            { retry: { maxAttempts: 1 } },
          );
          return await next(run);
        } finally {
          await run.step("clean", () => "clean");
        }
      });
      const host = testHost({ workflows: [works] });
      const runId = await host.start(works);
      await expect(host.result(runId)).rejects.toThrow("not yet");
      isBroken = false;
      await host.redrive(runId);
      if (evicted) host.evict(runId);
      if (what.includes("signal")) await host.signal(runId, "blue", 7);
      if (what.includes("gate")) await host.approve(runId, "ask", { selections: 7 });
      if (evicted) host.evict(runId);
      await host.skip("2m");
      expect(await host.result(runId)).toEqual(7);
    },
  );
