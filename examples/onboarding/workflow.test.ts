import { workflow } from "stepfold";
import { everyCrash, testHost } from "stepfold/testing";
import { beforeEach, expect, test } from "vitest";
import { keepsItsJournals } from "../triad.ts";
import { mail, mailbox } from "./post.ts";
import { ada, before, example } from "./scenarios.ts";
import { onboarding } from "./workflow.ts";

/** The change without the question: what one must not do. */
const careless = workflow("onboarding", async (run, { person }: { person: string }) => {
  const send = (what: string) =>
    run.step(`send ${what}`, ({ idempotencyKey }) => mail(person, what, idempotencyKey));
  await send("welcome");
  await send("security briefing");
  await run.sleep("settle in", "7 days");
  await send("survey");
});

beforeEach(() => mailbox.forget());

test("a run that is past the change goes on as it was, a new one has the change", async () => {
  const host = testHost({ workflows: [before] });
  const old = await host.start(before, ada);
  host.deploy([onboarding]);
  const fresh = await host.start(onboarding, { person: "Bob" });
  await host.skip("8 days");
  for (const runId of [old, fresh]) expect((await host.get(runId)).status).toBe("completed");
  const of = (person: string) => mailbox.log.filter((line) => line.endsWith(person));
  expect(of("Ada")).toEqual(["welcome to Ada", "survey to Ada"]);
  expect(of("Bob")).toEqual(["welcome to Bob", "security briefing to Bob", "survey to Bob"]);
});

test("without the question an old run stalls and says where, and goes on once the code heeds it", async () => {
  const host = testHost({ workflows: [before] });
  const runId = await host.start(before, ada);
  host.deploy([careless]);
  await host.skip("8 days");
  const { status, stalled } = await host.get(runId);
  expect([status, stalled?.code]).toEqual(["sleeping", "NonDeterminism"]);
  expect(stalled?.message).toMatch(/timer "settle in".*step "send security briefing"/);
  host.deploy([onboarding]);
  await host.skip("10m");
  expect((await host.get(runId)).status).toBe("completed");
});

test("whenever the process dies, before or after the change, each mail is sent once", async () => {
  const { crashes } = await everyCrash({ workflows: [before] }, async (host) => {
    mailbox.forget();
    const runId = await host.start(before, ada);
    await host.skip("1m");
    host.deploy([onboarding]);
    await host.skip("8 days");
    return { status: (await host.get(runId)).status, log: mailbox.log };
  });
  expect(crashes).toBeGreaterThan(15);
});

keepsItsJournals(example, new URL("golden/", import.meta.url));
