/** Workflows for the API's tests. */
import * as z from "zod";
import { flow } from "../../shared/core/flow/flow.ts";
import { workflow } from "../../shared/core/workflow.ts";

export const add = workflow(
  "add",
  {
    version: 2,
    description: "Adds two numbers.",
    input: z.object({ left: z.number(), right: z.number() }),
    timeout: "1 hour",
    maxRetries: 1,
    stepTimeout: "10s",
  },
  async (run, input) => run.step("sum", () => input.left + input.right),
);

export const echo = workflow("echo", (_run, input: unknown) => input ?? null);

export const listen = workflow("listen/for go", async (run) => {
  run.setState({ phase: "listening" });
  const heard = await run.waitForSignal("go/now", { timeout: "1 day" });
  return { heard, state: run.state };
});

export const nap = workflow("nap", async (run) => {
  await run.sleep("night", "8h");
  return "rested";
});

export const flaky = workflow("flaky", async (run) => {
  const tried = await run.step(
    "try",
    ({ attempt }) => {
      if (attempt === 1) throw new RangeError("not yet");
      return { attempt };
    },
    { retry: { maxAttempts: 2, initialDelay: "1m", jitter: "none" } },
  );
  await run.step("fail", () => Promise.reject(new TypeError("never")), { retry: { maxAttempts: 1 } });
  return tried;
});

export const parent = workflow("parent", (run) => run.child("one", echo, { from: "parent" }));

export const ask = workflow("ask", (run) => run.gate("ship it", { prompt: "Ship?", timeout: "2 days" }));

export const again = workflow("again", async (run, input: { left: number }) => {
  await run.waitForSignal("next");
  if (input.left > 0) return run.continueAsNew({ left: input.left - 1 });
  return "over";
});

export const declared = flow("declared", { retry: { nonRetryable: [TypeError, "Gone"] } })
  .then("one", () => 1)
  .delay("pause", "1h")
  .build();

export const all = [add, echo, listen, nap, flaky, parent];
