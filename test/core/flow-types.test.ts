/** The builder's types: what each part is given is what the part before it yields. Checked by `npm run types`. */
import { flow, type Json, type Workflow } from "stepfold";
import { expect, expectTypeOf, test } from "vitest";
import { z } from "zod";

interface Order {
  id: string;
  cents: number;
}
interface Receipt {
  chargeId: string;
}
const charge = (order: Order): Receipt => ({ chargeId: `charge-${order.id}` });

test("the input is what the first function takes", () => {
  expectTypeOf(flow("order").then("charge", charge).build()).toEqualTypeOf<Workflow<Order, Receipt>>();
  expectTypeOf(flow("order").delay("first", "1s").then("charge", charge).build()).toEqualTypeOf<
    Workflow<Order, Receipt>
  >();
});

test("or what the schema makes of it, or what is said", () => {
  const input = z.object({ id: z.string(), cents: z.number() });
  const checked = flow("order", { input }).then("cents", (order) => order.cents);
  expectTypeOf(checked.build()).toEqualTypeOf<Workflow<Order, number>>();
  const said = flow<Order>("order").then("id", (order) => order.id);
  expectTypeOf(said.build()).toEqualTypeOf<Workflow<Order, string>>();
  // @ts-expect-error the schema's order is no number
  flow("order", { input }).then("double", (count: number) => count * 2);
});

test("each task is given what the one before it returned, awaited", () => {
  const built = flow("order")
    .then("charge", async (order: Order) => charge(order))
    .then("length", ({ chargeId }, step) => {
      expectTypeOf(step.attempt).toEqualTypeOf<number>();
      return chargeId.length;
    })
    .build();
  expectTypeOf(built).toEqualTypeOf<Workflow<Order, number>>();
  // @ts-expect-error a receipt is no order
  flow("order").then("charge", charge).then("again", charge);
});

test("a delay passes the type on; a signal's payload takes its place", () => {
  flow("order")
    .then("charge", charge)
    .delay("cool-off", "3d")
    .then("look", (receipt) => expectTypeOf(receipt).toEqualTypeOf<Receipt>());
  flow("order")
    .then("charge", charge)
    .awaitSignal("paid")
    .then("look", (payload) => expectTypeOf(payload).toEqualTypeOf<Json>());
  flow("order")
    .then("charge", charge)
    .awaitSignal("paid", { schema: z.object({ by: z.string() }) })
    .then("look", (payload) => expectTypeOf(payload).toEqualTypeOf<{ by: string }>());
  expectTypeOf(flow("order").awaitSignal<Receipt>("paid").build()).toEqualTypeOf<
    Workflow<unknown, Receipt>
  >();
});

test("branches yield their outputs by name, nested ones too", () => {
  flow("order")
    .then("charge", charge)
    .branches({
      email: ({ chargeId }) => chargeId.length,
      sms: async (receipt) => [receipt],
      later: flow("later").delay("a while", "1h"),
      typed: flow("typed").then("id", (receipt: Receipt) => receipt.chargeId),
      deep: flow<Receipt>("deep").branches({ left: () => 1, right: ({ chargeId }) => chargeId }),
      told: flow("told").awaitSignal<boolean>("told"),
    })
    .delay("a moment", "1s")
    .join("report", (outputs) => {
      expectTypeOf(outputs).toEqualTypeOf<{
        email: number;
        sms: Receipt[];
        later: Receipt;
        typed: string;
        deep: { left: number; right: string };
        told: boolean;
      }>();
    });
  // @ts-expect-error a receipt is no order
  flow("order").then("charge", charge).branches({ again: charge });
  const again = flow("again").then("charge", charge);
  // @ts-expect-error neither in a nested flow
  flow("order").then("charge", charge).branches({ again });
});

test("branches at the beginning say what the input is", () => {
  const built = flow("order")
    .branches({
      charge,
      cents: async (order: Order) => order.cents,
      same: flow("same").delay("a while", "1h"),
    })
    .build();
  expectTypeOf(built).toEqualTypeOf<Workflow<Order, { charge: Receipt; cents: number; same: Order }>>();
});

test("only branches are joined", () => {
  const unforked = flow("order").then("charge", charge);
  // @ts-expect-error nothing to join
  expect(() => unforked.join("report", () => 1)).toThrow("right before join");
});

test("a task without a function yields what is said of it, else JSON", () => {
  flow("order")
    .then("first")
    .then("look", (value) => expectTypeOf(value).toEqualTypeOf<Json>());
  flow("order")
    .then<Receipt>("charge")
    .then("look", (value) => expectTypeOf(value).toEqualTypeOf<Receipt>());
});

test("an output schema has the last word", () => {
  const output = z.object({ chargeId: z.string(), at: z.number().default(0) });
  expectTypeOf(flow("order", { output }).then("charge", charge).build()).toEqualTypeOf<
    Workflow<Order, { chargeId: string; at: number }>
  >();
});

test("a step's options know what it returns", () => {
  const options = { retry: { maxAttempts: 2 } };
  flow("order").then("charge", async (order: Order) => charge(order), {
    ...options,
    compensate: (receipt) => expectTypeOf(receipt).toEqualTypeOf<Receipt>(),
    dryRun: () => ({ chargeId: "none" }),
  });
  // @ts-expect-error a stand-in that is no receipt
  flow("order").then("charge", charge, { dryRun: () => 1 });
});
