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
