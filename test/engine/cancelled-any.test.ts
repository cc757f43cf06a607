import { expect, it } from "vitest";
import { OperationError } from "../../shared/core/errors.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { testHost } from "../../shared/testing/index.ts";

it("a cancel is no failure of a branch: `any` rejects with it, and no fallback for AllFailed begins", async () => {
  const fallbacks: string[] = [];
  const asked = workflow("asked", async (run) => {
    try {
      return await run.any("offers", {
        refused: (run) =>
          run.step(
            "ask",
            () => {
              throw new Error("no");
            },
            { retry: { maxAttempts: 1 } },
          ),
        silent: (run) => run.sleep("wait", "1h"),
      });
    } catch (error) {
      if (error instanceof OperationError && error.code === "AllFailed") fallbacks.push(error.message);
      throw error;
    }
  });
  const host = testHost({ workflows: [asked] });
  const runId = await host.start(asked);
  await host.cancel(runId);
  const { status, error } = await host.get(runId);
  expect({ status, error, fallbacks }).toEqual({ status: "cancelled", error: undefined, fallbacks: [] });
});
