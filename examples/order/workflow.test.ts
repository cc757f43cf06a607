import { OperationError } from "stepfold";
import { everyCrash, type TestHost, testHost } from "stepfold/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { keepsItsJournals } from "../triad.ts";
import { declinedCard, flakyCard, goodCard, openSandbox, type Sandbox } from "./sandbox.ts";
import { example, orderOf, pay } from "./scenarios.ts";
import { order } from "./workflow.ts";

let sandbox: Sandbox;
let host: TestHost;

beforeEach(async () => {
  sandbox = await openSandbox();
  host = testHost({ workflows: [order] });
});
afterEach(() => sandbox.close());

const failure = async (runId: string): Promise<OperationError> => {
  const error: unknown = await host.result(runId).catch((thrown: unknown) => thrown);
  if (!(error instanceof OperationError))
    throw new Error(`Expected the run to have failed, got ${String(error)}`);
  return error;
};

describe("order", () => {
  test("charges, waits for the money, cools off, ships", async () => {
    const runId = await host.start(order, orderOf(goodCard, sandbox));
    expect(await host.get(runId)).toMatchObject({
      status: "waiting",
      state: { phase: "awaiting payment" },
      waitingFor: [{ kind: "signal", name: "paid" }],
    });
    await pay(host, runId, sandbox);
    expect(await host.get(runId)).toMatchObject({ status: "sleeping", state: { phase: "cooling off" } });
    expect(sandbox.parcels).toEqual([]);
    await host.skip("71h");
    expect((await host.get(runId)).status).toBe("sleeping");
    const paidAt = host.now().getTime() - 71 * 3_600_000;
    await host.skip("1h");
    const { chargeId, parcelId, shippedAt, orderId } = await host.result(runId);
    expect({ orderId, chargeId, parcelId }).toEqual({
      orderId: "o-1",
      chargeId: sandbox.charges[0]!.chargeId,
      parcelId: sandbox.parcels[0]!.parcelId,
    });
    expect(Date.parse(shippedAt)).toBe(paidAt + 72 * 3_600_000);
    expect((await host.get(runId)).state).toEqual({ phase: "shipped", chargeId, parcelId });
  });

  test("a flaky bank is asked again, and charges once", async () => {
    const runId = await host.start(order, orderOf(flakyCard, sandbox));
    await host.skip("1m");
    expect(sandbox.requests.map(({ status }) => status)).toEqual([503, 503, 200]);
    expect(new Set(sandbox.requests.map(({ key }) => key)).size).toBe(1);
    expect(sandbox.charges).toHaveLength(1);
    const [charge] = await host.operations(runId);
    expect(charge).toMatchObject({ name: "charge", status: "completed", attempts: 3 });
    expect((await host.get(runId)).retryCount).toBe(2);
  });

  test("a declined card fails the run at the first attempt", async () => {
    const runId = await host.start(order, orderOf(declinedCard, sandbox));
    expect((await failure(runId)).details).toMatchObject({
      code: "StepFailed",
      name: "CardDeclined",
      message: expect.stringContaining("insufficient funds"),
      operation: "charge",
      attempts: 1,
    });
    expect(sandbox.requests).toHaveLength(1);
  });

  test("money that does not come in time is given back", async () => {
    const runId = await host.start(order, orderOf(goodCard, sandbox));
    await host.skip("47h");
    expect((await host.get(runId)).status).toBe("waiting");
    await host.skip("1h");
    expect((await failure(runId)).code).toBe("SignalTimeout");
    expect(sandbox.refunds).toEqual([{ chargeId: sandbox.charges[0]!.chargeId }]);
    expect(sandbox.parcels).toEqual([]);
    expect((await host.get(runId)).state).toMatchObject({ phase: "given back" });
  });

  test("a payment that is none, too small, or another's, ships nothing", async () => {
    const runId = await host.start(order, orderOf(goodCard, sandbox));
    await host.signal(runId, "paid", "yes");
    await pay(host, runId, sandbox, 4_199);
    await host.signal(runId, "paid", { chargeId: "charge-of-another", amountCents: 4_200 });
    expect((await host.get(runId)).status).toBe("waiting");
    const dropped = (await host.journal(runId)).filter(({ type }) => type === "SignalRejected");
    expect(dropped).toHaveLength(1);
    await pay(host, runId, sandbox);
    expect((await host.get(runId)).status).toBe("sleeping");
  });

  test("an order that is none is refused with the paths that are wrong", async () => {
    const wrong = { ...orderOf("4242", sandbox), amountCents: -1 };
    await expect(host.start(order, wrong)).rejects.toMatchObject({
      code: "InvalidInput",
      message: expect.stringMatching(/(?=.*amountCents)(?=.*card)/s),
    });
  });

  test("a cancelled order ships nothing", async () => {
    const runId = await host.start(order, orderOf(goodCard, sandbox));
    await pay(host, runId, sandbox);
    await host.cancel(runId, { reason: "changed my mind", by: "customer" });
    expect(await host.get(runId)).toMatchObject({
      status: "cancelled",
      cancel: { reason: "changed my mind", by: "customer" },
    });
    await host.skip("4 days");
    expect(sandbox.parcels).toEqual([]);
  });

  test("a crash at every rest changes nothing", async () => {
    const runId = await host.start(order, orderOf(flakyCard, sandbox));
    host.crash();
    await host.skip("1m");
    host.crash();
    await pay(host, runId, sandbox);
    host.crash();
    await host.skip("1 day");
    host.crash();
    await host.skip("2 days");
    host.crash();
    expect(await host.result(runId)).toMatchObject({ orderId: "o-1" });
    expect([sandbox.charges.length, sandbox.parcels.length]).toEqual([1, 1]);
  });
});

test("whenever the process dies, an order is charged and shipped once", async () => {
  const { crashes } = await everyCrash({ workflows: [order] }, async (host) => {
    const shop = await openSandbox();
    const runId = await host.start(order, orderOf(flakyCard, shop));
    await host.skip("5m");
    const { chargeId, amountCents } = shop.charges[0]!;
    await host.signal(runId, "paid", { chargeId, amountCents });
    // A crash in the midst of a step may count as an attempt: leave time for the next.
    await host.skip("73h");
    const { shippedAt: _, ...output } = await host.result(runId);
    await shop.close();
    return { output, charged: shop.charges.length, shipped: shop.parcels.length };
  });
  expect(crashes).toBeGreaterThan(40);
});

keepsItsJournals(example, new URL("golden/", import.meta.url));
