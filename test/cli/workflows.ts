/** The workflows that the command line's tests run. */
import { workflow } from "../../shared/core/workflow.ts";

export const greet = workflow("greet", (run, input: { name: string }) =>
  run.step("greet", () => `hello ${input.name}`),
);

export const sale = workflow("sale", async (run, input: { id: string }) => {
  await run.step("reserve", () => ({ place: 7 }), { compensate: () => {} });
  const verdict = await run.gate("approval", { prompt: `Sell ${input.id}?`, timeout: "2 days" });
  if (!verdict.approved) throw new RangeError("not sold");
  const paid = await run.waitForSignal<{ cents: number }>("paid");
  return { cents: paid.cents, feedback: verdict.feedback ?? null };
});

export const fan = workflow("fan", (run) =>
  run.all("tell", {
    email: (branch) => branch.step("send", () => "sent"),
    sms: async (branch) => {
      await branch.sleep("moment", "10 ms");
      return branch.step("send", () => "sent");
    },
  }),
);

export const flaky = { works: false };
export const fragile = workflow("fragile", (run) =>
  run.step(
    "ship",
    () => {
      if (!flaky.works) throw new Error("no truck");
      return "shipped";
    },
    { retry: { maxAttempts: 2, initialDelay: "1 ms" } },
  ),
);

export const nap = workflow("nap", async (run, input: { for: string }) => {
  await run.sleep("nap", input.for);
  return "rested";
});

export const relay = workflow("relay", async (run, input: { left: number }): Promise<string> => {
  await run.step(`leg ${input.left}`, () => input.left);
  if (input.left > 0) return run.continueAsNew({ left: input.left - 1 });
  return "arrived";
});

export const many = workflow("many", async (run, input: { steps: number }) => {
  for (let step = 0; step < input.steps; step++) await run.step(`step ${step}`, () => step);
  return input.steps;
});

export const parent = workflow("parent", (run) => run.child("the child", nap, { for: "1 day" }));

/** What a run shows is the user's; what it does to a terminal must not be. */
export const hostile = workflow("hostile", (run) =>
  run.step("say \u202e", () => "\u001b]0;owned\u0007\u001b[2J\u009bmred\u202e"),
);

export const all = [greet, sale, fan, fragile, nap, relay, many, parent, hostile];
