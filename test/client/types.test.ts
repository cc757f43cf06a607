/**
 * The client's types: what a call takes and gives follows from the workflow's definition. Checked by `npm run types`;
 * a wrong use that became right would fail there.
 */
import { flow, type InputOf, type Json, type OutputOf, remote, workflow } from "stepfold";
import { type Client, createClient, type Page, type Run, type RunSummary } from "stepfold/client";
import { describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";

interface Receipt {
  chargeId: string;
}
const Order = z.object({
  id: z.string(),
  cents: z.number(),
  coolOff: z.string().default("3 days"),
  due: z.coerce.date().optional(),
});
const order = workflow("order", { input: Order }, (_run, { id, coolOff }): Receipt => {
  expectTypeOf(coolOff).toEqualTypeOf<string>();
  return { chargeId: id };
});
const add = workflow("add", (_run, input: { left: number; right: number }) => input.left + input.right);
const ping = workflow("ping", () => "pong" as const);
const maybe = workflow("maybe", (_run, input?: { loud: boolean }) => input?.loud ?? false);
const declared = flow("declared", { input: Order })
  .then("charge", ({ id }): Receipt => ({ chargeId: id }))
  .build();
const elsewhere = remote<{ sku: string }, { packed: boolean }>("elsewhere", {
  url: "http://127.0.0.1:1/turn",
});
const checkedElsewhere = remote("checked", { url: "http://127.0.0.1:1/turn", input: Order });
const paid = { name: "paid", schema: z.object({ cents: z.number(), by: z.string().default("card") }) };

const client: Client = createClient({ url: "http://127.0.0.1:1" });

/** What is in it is checked, and never done. */
const typesOnly = (use: () => unknown): void => expect(use).toBeTypeOf("function");

describe("start takes what the workflow takes", () => {
  test("of a function's parameter", () =>
    typesOnly(() => [
      client.start(add, { left: 1, right: 2 }),
      // @ts-expect-error a text is no number
      client.start(add, { left: "1", right: 2 }),
      // @ts-expect-error one is missing
      client.start(add, { left: 1 }),
      // @ts-expect-error one is too many
      client.start(add, { left: 1, right: 2, middle: 3 }),
      // @ts-expect-error it needs an input
      client.start(add),
    ]));

  test("of a schema: what it is given, not what it makes of that", () =>
    typesOnly(() => [
      client.start(order, { id: "o-1", cents: 1 }),
      client.start(order, { id: "o-1", cents: 1, coolOff: "1 day", due: "2030-01-01" }),
      // @ts-expect-error a number is no text
      client.start(order, { id: 1, cents: 1 }),
      // @ts-expect-error the amount is missing
      client.start(order, { id: "o-1" }),
    ]));

  test("of a declared flow, and of a remote workflow", () =>
    typesOnly(() => [
      client.start(declared, { id: "o-1", cents: 1 }),
      // @ts-expect-error the amount is missing
      client.start(declared, { id: "o-1" }),
      client.start(elsewhere, { sku: "s" }),
      // @ts-expect-error a number is no text
      client.start(elsewhere, { sku: 1 }),
      client.start(checkedElsewhere, { id: "o-1", cents: 1 }),
      // @ts-expect-error the amount is missing
      client.start(checkedElsewhere, { id: "o-1" }),
    ]));

  test("or nothing, where it needs none", () =>
    typesOnly(() => [
      client.start(ping),
      client.start(ping, undefined, { runId: "p" }),
      client.start(maybe),
      client.start(maybe, { loud: true }),
      // @ts-expect-error a text is no boolean
      client.start(maybe, { loud: "yes" }),
    ]));

  test("anything for a name, and options that there are", () =>
    typesOnly(() => [
      client.start("order"),
      client.start("order", { whatever: true }, { owner: "ada", startAt: new Date(), tags: { team: "a" } }),
      // @ts-expect-error a tag is a text
      client.start("order", {}, { tags: { team: 1 } }),
      // @ts-expect-error there is no such option
      client.start(order, { id: "o-1", cents: 1 }, { colour: "red" }),
      // @ts-expect-error nor such a workflow
      client.start({ name: "order" }, {}),
    ]));
});

describe("a run knows its output", () => {
  test("from start to result", () =>
    typesOnly(async () => {
      const run = await client.start(order, { id: "o-1", cents: 1 });
      expectTypeOf(run).toEqualTypeOf<Run<Receipt>>();
      expectTypeOf(run.output).toEqualTypeOf<Receipt | undefined>();
      expectTypeOf(await client.wait(run)).toEqualTypeOf<Run<Receipt>>();
      expectTypeOf(await client.result(run)).toEqualTypeOf<Receipt>();
      expectTypeOf(await client.result(await client.start(ping))).toEqualTypeOf<"pong">();
      expectTypeOf(await client.result(await client.start(elsewhere, { sku: "s" }))).toEqualTypeOf<{
        packed: boolean;
      }>();
      expectTypeOf(
        await client.result(await client.start(declared, { id: "", cents: 1 })),
      ).toEqualTypeOf<Receipt>();
      // @ts-expect-error a receipt has no amount
      (await client.result(run)).cents;
    }));

  test("by its id: JSON, or what is said", () =>
    typesOnly(async () => {
      expectTypeOf(await client.get("o-1")).toEqualTypeOf<Run<Json>>();
      expectTypeOf(await client.get<OutputOf<typeof order>>("o-1")).toEqualTypeOf<Run<Receipt>>();
      expectTypeOf(await client.result<number>("o-1")).toEqualTypeOf<number>();
      expectTypeOf(await client.start<number>("add", {})).toEqualTypeOf<Run<number>>();
      expectTypeOf(await client.list()).toEqualTypeOf<Page<RunSummary>>();
      // @ts-expect-error a list has no outputs
      (await client.list()).items[0]?.output;
      // @ts-expect-error there is no such status
      client.list({ status: ["done"] });
    }));

  test("what a workflow takes and gives has names", () => {
    expectTypeOf<OutputOf<typeof order>>().toEqualTypeOf<Receipt>();
    expectTypeOf<InputOf<typeof add>>().toEqualTypeOf<{ left: number; right: number }>();
    expectTypeOf<InputOf<typeof order>["coolOff"]>().toEqualTypeOf<string | undefined>();
    expectTypeOf<InputOf<typeof elsewhere>>().toEqualTypeOf<{ sku: string }>();
  });
});

describe("a signal", () => {
  test("of a name takes any payload", () =>
    typesOnly(() => [client.signal("o-1", "paid"), client.signal("o-1", "paid", { whatever: 1 })]));

  test("with its receiver's schema takes what that does", () => {
    workflow("sale", async (run) => {
      const payload = await run.waitForSignal(paid.name, paid);
      expectTypeOf(payload).toEqualTypeOf<{ cents: number; by: string }>();
    });
    typesOnly(() => [
      client.signal("o-1", paid, { cents: 1 }),
      client.signal("o-1", paid, { cents: 1, by: "cash" }, { strict: true }),
      // @ts-expect-error a text is no number
      client.signal("o-1", paid, { cents: "1" }),
      // @ts-expect-error there is no such option
      client.signal("o-1", paid, { cents: 1 }, { colour: "red" }),
    ]);
  });
});

test("a child run takes what its workflow takes, and gives what it gives", () => {
  workflow("parent", async (run) => {
    expectTypeOf(await run.child("o", order, { id: "o-1", cents: 1 })).toEqualTypeOf<Receipt>();
    expectTypeOf(await run.child("p", ping, undefined, { detached: true })).toEqualTypeOf<string>();
    // @ts-expect-error the amount is missing
    await run.child("o", order, { id: "o-1" });
    // @ts-expect-error one is too many
    await run.child("a", add, { left: 1, right: 2, middle: 3 });
  });
});

test("changes and decisions take what they know", () =>
  typesOnly(() => [
    client.cancel("o-1", { reason: "enough", by: "ada", ifMatch: 3 }),
    // @ts-expect-error a revision is a number
    client.pause("o-1", { ifMatch: "3" }),
    client.approve("o-1", "may go", { feedback: { any: "thing" }, selections: [1] }),
    // @ts-expect-error who decided is a text
    client.reject("o-1", "may go", { by: 7 }),
    // @ts-expect-error a failure has a message
    client.failCallback("token", { code: "Jam" }),
    // @ts-expect-error a patch is an object
    client.patchState("o-1", "step"),
    // @ts-expect-error a client needs an address
    createClient({}),
  ]));
