import { everyCrash, testHost } from "stepfold/testing";
import { beforeEach, expect, test } from "vitest";
import { keepsItsJournals } from "../triad.ts";
import { example, nextOf } from "./scenarios.ts";
import { till } from "./till.ts";
import { subscription } from "./workflow.ts";

beforeEach(() => till.forget());

test("charges every thirty days until the customer leaves", async () => {
  const host = testHost({ workflows: [subscription] });
  const runId = await host.start(subscription, { customer: "Ada" });
  await host.skip("65 days");
  await host.signal(runId, "leave");
  expect(await host.result(runId)).toEqual({ monthsPaid: 3 });
  await host.skip("365 days");
  expect(till.log).toEqual(["Ada month 1", "Ada month 2", "Ada month 3"]);
});

test("after a year it goes on as another run, and no journal grows", async () => {
  const host = testHost({ workflows: [subscription] });
  const first = await host.start(subscription, { customer: "Ada" });
  await host.skip("360 days");
  const second = await nextOf(host, first);
  const ofFirstYear = await host.journal(first);
  await host.skip("360 days");
  const third = await nextOf(host, second);
  await host.skip("70 days");
  await host.signal(third, "leave");
  await expect(host.result(third)).resolves.toEqual({ monthsPaid: 27 });
  expect(till.log).toHaveLength(27);
  expect(new Set(till.log).size).toBe(27);
  expect(ofFirstYear.filter(({ type }) => type === "StepCompleted")).toHaveLength(12);
});

test("whenever the process dies around the turn of the year, every month is charged once", async () => {
  const { crashes } = await everyCrash({ workflows: [subscription] }, async (host) => {
    till.forget();
    const first = await host.start(subscription, { customer: "Ada" });
    await host.skip("365 days");
    const second = await nextOf(host, first);
    await host.signal(second, "leave");
    await host.skip("1m");
    return { output: (await host.get(second)).output, log: till.log };
  });
  expect(crashes).toBeGreaterThan(40);
});

keepsItsJournals(example, new URL("golden/", import.meta.url));
