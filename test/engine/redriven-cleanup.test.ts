/** A redrive from the step with which a stopped run cleans up: what the stop has cut off stays cut off. */
import { describe, expect, test } from "vitest";
import type { RunContext } from "../../shared/core/context.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { testHost } from "../../shared/testing/index.ts";

const nap = workflow("nap", (run) => run.sleep("nap", "1 day"));

const waits = {
  step: (run: RunContext, begin: () => Promise<void>) => run.step("cut", begin),
  child: (run: RunContext) => run.child("cut", nap),
  // Nobody knows what its steps have done: so there is nothing that was undone, and would have to be done again.
  map: (run: RunContext, begin: () => Promise<void>) =>
    run.map("cut", [1, 2], (item) => item.step("wait", begin, { compensate() {} }), { batch: 1 }),
};

describe.each(["cancelled", "timedOut"] as const)("a %s run that is redriven from its clean-up", (status) => {
  test.each(["step", "child", "map"] as const)("does not begin its %s again", async (kind) => {
    const begun: string[] = [];
    let works = false;
    const begin = () => {
      begun.push("cut");
      return new Promise<void>(() => {});
    };
    const clean = () => {
      begun.push("clean");
      if (!works) throw new Error("not yet");
    };
    const parent = workflow("parent", { retry: { maxAttempts: 1 } }, async (run) => {
      try {
        await waits[kind](run, begin);
      } finally {
        await run.step("clean", clean);
      }
    });
    const host = testHost({ workflows: [nap, parent], patienceMs: 5 });
    const runId = await host.start(parent, undefined, status === "timedOut" ? { timeoutMs: 30_000 } : {});
    if (status === "cancelled") await host.cancel(runId);
    await host.skip("10 minutes");
    expect((await host.get(runId)).status).toBe(status);
    const before = [...begun];
    works = true;
    await host.redrive(runId, { from: "clean" });
    await host.skip("10 minutes");
    expect(begun).toEqual([...before, "clean"]);
    expect((await host.get(runId)).status).toBe(status);
    const cut = (await host.operations(runId)).filter(({ name }) => name.startsWith("cut"));
    for (const { kind, status } of cut)
      if (kind !== "map" && kind !== "compensation") expect(status).toBe("cancelled");
  });
});
