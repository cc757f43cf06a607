import { everyCrash, testHost } from "stepfold/testing";
import { beforeEach, expect, test } from "vitest";
import { keepsItsJournals } from "../triad.ts";
import { example, rendered } from "./scenarios.ts";
import { farm, studio } from "./studio.ts";
import { render } from "./workflow.ts";

beforeEach(() => studio.forget());

test("looks after 0 s, 30 s, 90 s and 210 s", async () => {
  const host = testHost({ workflows: [render] });
  const runId = await host.start(render, { scene: "teapot" });
  await host.skip("209s");
  expect((await host.get(runId)).status).toBe("sleeping");
  await host.skip("1s");
  expect((await host.result(runId)).url).toContain("https://farm.example/job-");
  const unmet = (await host.journal(runId)).filter(({ type }) => type === "ConditionUnmet");
  expect(unmet).toHaveLength(3);
});

test("a look that fails is no verdict", async () => {
  const host = testHost({ workflows: [render] });
  host.failNext("rendered", new Error("the farm is down"));
  const runId = await host.start(render, { scene: "teapot", frames: 1 });
  await host.skip("30s");
  expect((await host.get(runId)).status).toBe("completed");
});

test("gives up after an hour", async () => {
  const host = testHost({ workflows: [render] });
  const runId = await host.start(render, { scene: "epic", frames: 1_000 });
  await host.skip("1h");
  await expect(host.result(runId)).rejects.toMatchObject({ code: "PollTimeout" });
});

test("whenever the process dies, the job is submitted once and found", async () => {
  const { crashes } = await everyCrash({ workflows: [render] }, async (host) => {
    studio.forget();
    const output = await host.result(await rendered(host));
    return { output, log: farm.log };
  });
  expect(crashes).toBeGreaterThan(15);
});

keepsItsJournals(example, new URL("golden/", import.meta.url));
