/**
 * An order: charge the card, wait until the bank says that the money came, cool off, ship.
 *
 * 1. Whatever touches the outside is a step, and hands its idempotency key on: a step that is tried again after a
 *    crash charges and ships once.
 * 2. A declined card is final; anything else that fails is tried again.
 * 3. Money that does not come in time gives the charge back before the run fails.
 */
import { OperationError, workflow } from "stepfold";
import { z } from "zod";
import { shop } from "./shop.ts";

const Order = z.strictObject({
  id: z.string().min(1),
  amountCents: z.int().positive(),
  card: z.string().regex(/^\d{16}$/, "expected 16 digits"),
  lines: z.array(z.strictObject({ sku: z.string().min(1), quantity: z.int().positive() })).min(1),
  /** Where the payment and the shipping service are. */
  services: z.url(),
  payWithin: z.string().default("2 days"),
  coolOff: z.string().default("3 days"),
});

const Paid = z.object({ chargeId: z.string(), amountCents: z.int().positive() });

export const order = workflow(
  "order",
  {
    version: 1,
    description: "Charges a card, waits for the payment, cools off, and ships.",
    input: Order,
    retry: { maxAttempts: 5, initialDelay: "1s", maxDelay: "1m", backoff: 2, jitter: "full" },
    stepTimeout: "30s",
  },
  async (run, order) => {
    const services = shop(order.services);
    run.setState({ phase: "charging" });
    const charge = await run.step("charge", (step) => services.charge(order, step), {
      retry: { nonRetryable: ["CardDeclined"] },
    });

    run.setState({ phase: "awaiting payment", chargeId: charge.chargeId });
    try {
      await run.waitForSignal("paid", {
        schema: Paid,
        where: (paid) => paid.chargeId === charge.chargeId && paid.amountCents >= order.amountCents,
        timeout: order.payWithin,
      });
    } catch (error) {
      if (!(error instanceof OperationError) || error.code !== "SignalTimeout") throw error;
      await run.step("give back", (step) => services.giveBack(charge.chargeId, step));
      run.setState({ phase: "given back" });
      throw error;
    }

    run.setState({ phase: "cooling off" });
    await run.sleep("cool-off", order.coolOff);

    run.setState({ phase: "shipping" });
    const parcel = await run.step("ship", (step) => services.ship(order, step));
    run.setState({ phase: "shipped", parcelId: parcel.parcelId });
    return {
      orderId: order.id,
      chargeId: charge.chargeId,
      parcelId: parcel.parcelId,
      shippedAt: run.now().toISOString(),
    };
  },
);
