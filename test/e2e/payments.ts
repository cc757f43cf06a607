/** The worker group of the end-to-end test: its workflows may write into the ledger. */
import { type Json, workflow } from "stepfold";
import { book } from "./ledger.ts";

export const charge = workflow("charge", async (run, { id }: { id: string }) =>
  run.step("book", () => book(id)),
);

/** Crosses every link of the group's: a signal, a timer of the Scheduler's, and a step. */
export const settle = workflow("settle", async (run, { id }: { id: string }) => {
  const paid = await run.waitForSignal<Json>("paid");
  await run.sleep("cool off", "6s");
  return { paid, booked: await run.step("book", () => book(id)) };
});
