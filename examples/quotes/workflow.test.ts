import { everyCrash, testHost } from "stepfold/testing";
import { expect, test } from "vitest";
import { keepsItsJournals } from "../triad.ts";
import { example, oneSilent } from "./scenarios.ts";
import { quotes } from "./workflow.ts";

const request = { carriers: ["north", "south", "west"] };

test("when all have answered, nobody waits for the hour to end", async () => {
  const host = testHost({ workflows: [quotes] });
  const runId = await host.start(quotes, request);
  await host.signal(runId, "quote of north", { euros: 30 });
  await host.signal(runId, "quote of south", { euros: 20 });
  expect((await host.get(runId)).status).toBe("waiting");
  await host.signal(runId, "quote of west", { euros: 25 });
  expect(await host.result(runId)).toEqual({ best: { carrier: "south", euros: 20 }, answered: 3 });
});

test("a silent carrier is left out, and a quote that is none is no answer", async () => {
  const host = testHost({ workflows: [quotes] });
  const runId = await host.start(quotes, request);
  await host.signal(runId, "quote of north", { euros: 30 });
  await host.signal(runId, "quote of west", "cheap!");
  await host.skip("1h");
  expect(await host.result(runId)).toEqual({ best: { carrier: "north", euros: 30 }, answered: 1 });
});

test("nobody answers", async () => {
  const host = testHost({ workflows: [quotes] });
  const runId = await host.start(quotes, request);
  await host.skip("1h");
  expect(await host.result(runId)).toEqual({ best: null, answered: 0 });
});

test("whenever the process dies, the same quote wins", async () => {
  const { crashes } = await everyCrash({ workflows: [quotes] }, async (host) =>
    host.result(await oneSilent(host)),
  );
  expect(crashes).toBeGreaterThan(15);
});

keepsItsJournals(example, new URL("golden/", import.meta.url));
