import { everyCrash, testHost } from "stepfold/testing";
import { expect, test } from "vitest";
import { keepsItsJournals } from "../triad.ts";
import { example, sent } from "./scenarios.ts";
import { parcel } from "./workflow.ts";

test("each branch goes on at its own time, and the report has both", async () => {
  const host = testHost({ workflows: [parcel] });
  const runId = await host.start(parcel, { id: "p-1", grams: 1_200 });
  await host.skip("4h");
  const done = (await host.operations(runId)).filter(({ status }) => status === "completed");
  expect(done.map(({ name }) => name)).toEqual(["price", "pick-up", "receipt"]);
  await host.skip("48h");
  expect(await host.result(runId)).toEqual({ receipt: "p-1: 9 €", code: "code-p-1" });
});

test("is drawn as it runs", async () => {
  const host = testHost({ workflows: [parcel] });
  const operations = await host.operations(await sent(host));
  const nodes = parcel.graph!.nodes.map(({ id, kind, name }) => `${id} ${kind} ${name}`);
  const ran = operations.map(({ id, kind, name }) => `${id} ${kind} ${name}`);
  expect(ran.toSorted()).toEqual(nodes.toSorted());
});

test("whenever the process dies, the parcel arrives", async () => {
  const { crashes } = await everyCrash({ workflows: [parcel] }, async (host) =>
    host.result(await sent(host)),
  );
  expect(crashes).toBeGreaterThan(20);
});

keepsItsJournals(example, new URL("golden/", import.meta.url));
