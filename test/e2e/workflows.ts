/** What the end-to-end test deploys: one workflow for each link of the deployment. */
import { type Json, workflow } from "stepfold";
import { book } from "./ledger.ts";
import { charge } from "./payments.ts";

export const greet = workflow("greet", async (run, { name }: { name: string }) =>
  run.step("say", () => `hello ${name}`),
);

export const order = workflow("order", async (run, _input: Json) => {
  const paid = await run.waitForSignal("paid");
  return { paid };
});

export const nap = workflow("nap", async (run, { duration }: { duration: string }) => {
  await run.sleep("nap", duration);
  return "rested";
});

/** Its input and output are too large for the journal. */
export const echo = workflow("echo", async (run, { text }: { text: string }) =>
  run.step("repeat", () => text.repeat(2)),
);

export const family = workflow("family", async (run, { name }: { name: string }) =>
  run.child("first", greet, { name }),
);

/** Its child belongs to another worker group. */
export const purchase = workflow("purchase", async (run, { id }: { id: string }) =>
  run.child("charge", charge, { id }),
);

/** Tries in the default group what only another one is allowed. */
export const intrude = workflow("intrude", async (run, { id }: { id: string }) =>
  run.step("book", () => book(id), { retry: { maxAttempts: 1 } }),
);
