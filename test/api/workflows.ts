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

export const tokens: string[] = [];
export const call = workflow("call", (run) =>
  run.callback("print", (token) => void tokens.push(token), { timeout: "1 day", heartbeat: "1h" }),
);

/** Two gates of one name, one after the other, the second in a branch. */
export const twice = workflow("twice", async (run) => {
  const first = await run.gate("a/b");
  const { second } = await run.all("then", { second: (inner) => inner.gate("a/b") });
  return [first, second];
});

/** Fails while `broken` says so; has a step that cannot be undone. */
export const broken = { now: true };
export const fragile = workflow("fragile", async (run) => {
  const dry = await run.step("pay", () => "paid", {
    compensate: () => Promise.reject(new Error("no refund")),
    dryRun: () => "not paid",
    retry: { maxAttempts: 1 },
  });
  await run.step(
    "ship",
    () => {
      if (broken.now) throw new Error("no truck");
    },
    { retry: { maxAttempts: 1 } },
  );
  return dry;
});

export const declared = flow("declared", { retry: { nonRetryable: [TypeError, "Gone"] } })
  .then("one", () => 1)
  .delay("pause", "1h")
  .build();

export const all = [add, echo, listen, nap, flaky, parent];
