import { everyCrash, testHost } from "stepfold/testing";
import { expect, test } from "vitest";
import { keepsItsJournals } from "../triad.ts";
import { escalated, example, spent } from "./scenarios.ts";
import { expense } from "./workflow.ts";

test("the manager decides", async () => {
  const host = testHost({ workflows: [expense] });
  const runId = await host.start(expense, spent);
  expect((await host.get(runId)).waitingFor).toMatchObject([{ kind: "gate", name: "manager" }]);
  await host.approve(runId, "manager", { by: "Grace" });
  expect(await host.result(runId)).toEqual({ approved: true, role: "manager", by: "Grace" });
});

test("after two days of silence the director decides, and the manager no longer can", async () => {
  const host = testHost({ workflows: [expense] });
  const runId = await host.start(expense, spent);
  await host.skip("2 days");
  expect((await host.get(runId)).state).toEqual({ awaiting: "director" });
  await expect(host.approve(runId, "manager")).rejects.toMatchObject({ code: "NotWaiting" });
  await host.reject(runId, "director", { by: "Edsger" });
  expect(await host.result(runId)).toEqual({ approved: false, role: "director", by: "Edsger" });
});

test("silence to the end is a no", async () => {
  const host = testHost({ workflows: [expense] });
  const runId = await host.start(expense, spent);
  await host.skip("5 days");
  expect(await host.result(runId)).toEqual({ approved: false, role: null, by: null });
});

test("whenever the process dies, the escalation comes and the decision counts", async () => {
  const { crashes } = await everyCrash({ workflows: [expense] }, async (host) => {
    const runId = await escalated(host);
    await host.skip("1m");
    return host.result(runId);
  });
  expect(crashes).toBeGreaterThan(15);
});

keepsItsJournals(example, new URL("golden/", import.meta.url));
