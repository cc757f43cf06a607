import { everyCrash, testHost } from "stepfold/testing";
import { beforeEach, expect, test } from "vitest";
import { keepsItsJournals } from "../triad.ts";
import { desk } from "./agency.ts";
import { example } from "./scenarios.ts";
import { trip } from "./workflow.ts";

beforeEach(() => desk.forget());

test("books all three", async () => {
  const host = testHost({ workflows: [trip] });
  const runId = await host.start(trip, { traveller: "Ada" });
  await host.skip("1 day");
  expect((await host.result(runId)).bookings).toHaveLength(3);
  expect(desk.log).toEqual(["+flight", "+hotel", "+car"]);
});

test("no car: gives hotel and flight back, in this order, and says why", async () => {
  const host = testHost({ workflows: [trip] });
  const runId = await host.start(trip, { traveller: "Ada", soldOut: ["car"] });
  await expect(host.result(runId)).rejects.toMatchObject({ name: "SoldOut", message: "no car left" });
  expect(desk.log).toEqual(["+flight", "+hotel", "-hotel", "-flight"]);
});

test("a traveller who changes their mind gets everything back", async () => {
  const host = testHost({ workflows: [trip] });
  const runId = await host.start(trip, { traveller: "Ada" });
  await host.cancel(runId, { by: "Ada" });
  expect((await host.get(runId)).status).toBe("cancelled");
  expect(desk.log).toEqual(["+flight", "+hotel", "+car", "-car", "-hotel", "-flight"]);
});

test("what cannot be given back keeps nothing else from being given back", async () => {
  const host = testHost({ workflows: [trip] });
  const runId = await host.start(trip, { traveller: "Ada" });
  for (let attempt = 0; attempt < 10; attempt++) host.failNext("book hotel~", new Error("closed"));
  await host.cancel(runId);
  await host.skip("1h");
  expect(desk.log.slice(3)).toEqual(["-car", "-flight"]);
  const undone = (await host.operations(runId)).filter(({ kind }) => kind === "compensation");
  expect(undone.map(({ name, status }) => [name, status])).toEqual([
    ["book car", "completed"],
    ["book hotel", "failed"],
    ["book flight", "completed"],
  ]);
});

test("whenever the process dies, nothing is booked or given back twice", async () => {
  const { crashes } = await everyCrash({ workflows: [trip] }, async (host) => {
    desk.forget();
    const runId = await host.start(trip, { traveller: "Ada", soldOut: ["car"] });
    await host.skip("5m");
    const { status } = await host.get(runId);
    return { status, log: desk.log };
  });
  expect(crashes).toBeGreaterThan(10);
});

keepsItsJournals(example, new URL("golden/", import.meta.url));
