import { expect, it } from "vitest";
import { workflow } from "../../shared/core/workflow.ts";
import { testHost } from "../../shared/testing/index.ts";

it("a cancel is no failure of an item: a map that tolerates failures begins no further item", async () => {
  const begun: number[] = [];
  const mapped = workflow("mapped", async (run) =>
    run.map(
      "each",
      [0, 1, 2, 3],
      async (item, value) => {
        begun.push(value);
        await item.sleep("nap", "1h");
      },
      { concurrency: 2, tolerate: "50%" },
    ),
  );
  const host = testHost({ workflows: [mapped] });
  const runId = await host.start(mapped);
  await host.cancel(runId);
  expect((await host.get(runId)).status).toBe("cancelled");
  expect(begun).toEqual([0, 1]);
  expect((await host.operations(runId)).map(({ id }) => id)).toEqual(["1", "1/0/1", "1/1/1"]);
});

it("a map that cleans up after the cancel goes through all its items, and tolerates failures", async () => {
  const mapped = workflow("mapped", async (run) => {
    try {
      await run.sleep("nap", "1h");
    } finally {
      const results = await run.map(
        "each",
        [0, 1, 2],
        (item, value) =>
          item.step(
            "clean",
            () => {
              if (value === 0) throw new Error("dirty");
              return value;
            },
            { retry: { maxAttempts: 1 } },
          ),
        { concurrency: 1, tolerate: 1 },
      );
      run.setState({ results });
    }
  });
  const host = testHost({ workflows: [mapped] });
  const runId = await host.start(mapped);
  await host.cancel(runId);
  expect((await host.get(runId)).state).toEqual({ results: [null, 1, 2] });
});
