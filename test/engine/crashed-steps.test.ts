import { expect, it } from "vitest";
import { workflow } from "../../shared/core/workflow.ts";
import { testHost } from "../../shared/testing/index.ts";

it("a process that dies in the last attempts of two branches fails the run, which cancels the second", async () => {
  const once = { retry: { maxAttempts: 1 } };
  const both = workflow("both", (run) =>
    run.all("both", {
      a: (branch) => branch.step("a", () => host.crash(), once),
      b: (branch) => branch.step("b", () => new Promise<void>(() => {}), once),
    }),
  );
  const host = testHost({ workflows: [both] });
  const runId = await host.start(both, {});
  await host.skip("10 minutes");
  expect(await host.get(runId)).toMatchObject({ status: "failed", error: { code: "LegCrashed" } });
  const { b } = Object.fromEntries(
    (await host.operations(runId)).map((operation) => [operation.name, operation]),
  );
  expect(b).toMatchObject({ status: "cancelled" });
});

it.each([
  { delay: "1ms", before: 0 },
  { delay: "1ms", before: 2 },
  { delay: "1m", before: 2 },
])(
  "a step that kills its process uses up an attempt each time: $delay apart, behind $before others",
  async ({ delay, before }) => {
    const begun: number[] = [];
    const deadly = workflow("deadly", async (run) => {
      for (let n = 0; n < before; n++) await run.step(`before ${n}`, () => n);
      await run.step(
        "deadly",
        ({ attempt }) => {
          begun.push(attempt);
          host.crash();
          return new Promise<void>(() => {});
        },
        { retry: { maxAttempts: 4, initialDelay: delay, backoff: 1, jitter: "none" } },
      );
    });
    const host = testHost({ workflows: [deadly], patienceMs: 5 });
    const runId = await host.start(deadly, {});
    await host.skip("10 minutes");
    expect(begun).toEqual([1, 2, 3, 4]);
    expect(await host.get(runId)).toMatchObject({
      status: "failed",
      retryCount: 3,
      error: { code: "LegCrashed", operation: "deadly", attempts: 4 },
    });
  },
);

it("a crash after others got on uses up no attempt of a step that was under way before", async () => {
  const begun: string[] = [];
  let isFirst = true;
  const beside = workflow("beside", (run) =>
    run.all("both", {
      slow: (branch) =>
        branch.step("slow", ({ attempt }) => {
          begun.push(`slow ${attempt}`);
          return isFirst ? new Promise<void>(() => {}) : undefined;
        }),
      quick: async (branch) => {
        await branch.step("quick", () => 1);
        await branch.step("deadly", ({ attempt }) => {
          begun.push(`deadly ${attempt}`);
          if (!isFirst) return;
          isFirst = false;
          host.crash();
        });
      },
    }),
  );
  const host = testHost({ workflows: [beside], patienceMs: 5 });
  const runId = await host.start(beside, {});
  await host.skip("10 minutes");
  expect((await host.get(runId)).status).toBe("completed");
  expect(begun.sort()).toEqual(["deadly 1", "deadly 2", "slow 1", "slow 1"]);
});
