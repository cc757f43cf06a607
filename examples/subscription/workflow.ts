/**
 * A loop that may last for ever: charge every thirty days, until the customer leaves.
 *
 * 1. After a year the run goes on as another one with a fresh journal, so that no journal grows without end. Whoever
 *    waits for the first run waits for the last of them.
 * 2. Leaving is a signal. It is not lost, whenever it comes: one that was not read goes along to the next run.
 */
import { OperationError, type RunContext, workflow } from "stepfold";
import { z } from "zod";
import { charge } from "./till.ts";

const MONTHS_A_RUN = 12;

const Subscription = z.strictObject({
  customer: z.string().min(1),
  monthsPaid: z.int().nonnegative().default(0),
});

export const subscription = workflow(
  "subscription",
  { description: "Charges a customer every thirty days, until they leave.", input: Subscription },
  async (run, { customer, monthsPaid }) => {
    for (let paid = monthsPaid + 1; paid <= monthsPaid + MONTHS_A_RUN; paid++) {
      await run.step("charge", ({ idempotencyKey }) => charge(customer, paid, idempotencyKey));
      run.setState({ monthsPaid: paid });
      if (await isLeaving(run)) return { monthsPaid: paid };
    }
    return run.continueAsNew({ customer, monthsPaid: monthsPaid + MONTHS_A_RUN });
  },
);

async function isLeaving(run: RunContext): Promise<boolean> {
  try {
    await run.waitForSignal("leave", { timeout: "30 days" });
    return true;
  } catch (error) {
    if (error instanceof OperationError && error.code === "SignalTimeout") return false;
    throw error;
  }
}
