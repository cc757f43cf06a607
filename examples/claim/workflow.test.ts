import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, type Run } from "stepfold/client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { serve } from "../../test/host/command.ts";
import { keepsItsJournals } from "../triad.ts";
import { freePort, PythonRunner, SECRET } from "./runner.ts";
import { damages, example } from "./scenarios.ts";
import { claim } from "./workflow.ts";

let directory: string;
let runner: PythonRunner;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "stepfold-claim-"));
  runner = new PythonRunner(await freePort(), join(directory, "ledger.jsonl"));
});
afterEach(async () => {
  await runner.kill();
  rmSync(directory, { recursive: true, force: true });
});

/** A host of its own, which reaches the runner over HTTP. */
async function hosted() {
  const env = { CLAIM_RUNNER_URL: runner.url, CLAIM_RUNNER_SECRET: SECRET };
  const args = ["examples/claim/workflow.ts", "--port", "0", "--data", join(directory, "data")];
  const { url } = await serve(args, env);
  const client = createClient({ url });
  const until = async (runId: string, isSo: (run: Run) => boolean): Promise<Run> => {
    for (const deadline = Date.now() + 50_000; Date.now() < deadline; await sleep(50)) {
      const run = await client.get(runId);
      if (isSo(run)) return run;
      if (run.status === "failed") break;
    }
    throw new Error(`It never came so far: ${JSON.stringify(await client.get(runId))}`);
  };
  return { client, until };
}

test("the runner is killed between turns and in the midst of one, and the claim is paid once", async () => {
  await runner.start();
  const { client, until } = await hosted();
  const { runId } = await client.start(claim, { id: "c-1", damages, objection: "1s", slow_seconds: 1.5 });

  const isValuing = () => runner.turns.some((turn) => turn.endsWith(" 1"));
  for (const deadline = Date.now() + 10_000; !isValuing() && Date.now() < deadline; ) await sleep(10);
  expect(isValuing()).toBe(true);
  await runner.kill();
  await until(runId, ({ status }) => status === "sleeping");
  await runner.start();
  await until(runId, ({ waitingFor }) => waitingFor.length > 0);
  const asked = runner.turns.filter((turn) => turn.endsWith(" 1"));
  expect(asked.length, "the turn that was cut off is asked again").toBe(2);
  expect(new Set(asked).size, "under the same id").toBe(1);

  await runner.kill();
  await client.signal(runId, "photos", { plausible: true });
  await until(runId, ({ status }) => status === "sleeping");
  await runner.start();
  const run = await until(runId, ({ status }) => status === "completed");
  expect(run).toMatchObject({
    driver: "remote",
    output: { claim: "c-1", paid_cents: 80_000 },
    retryCount: 0,
  });
  expect(runner.paid).toEqual([{ claim: "c-1", cents: 80_000 }]);
  const { items } = await client.operations(runId);
  expect(items.map(({ kind, name, status }) => `${kind} ${name} ${status}`)).toEqual([
    "step damages completed",
    "step valuation completed",
    "timer sleep completed",
    "signal photos completed",
    "step payout completed",
  ]);
});

test("a failing step is tried again, and the runner is told of it", async () => {
  await runner.start();
  const { client, until } = await hosted();
  const { runId } = await client.start(claim, { id: "c-2", damages, objection: "10ms", busy: 2 });
  await until(runId, ({ waitingFor }) => waitingFor.length > 0);
  const { items } = await client.operations(runId);
  const valuation = items.find(({ name }) => name === "valuation");
  expect(valuation).toMatchObject({ kind: "step", attempts: 3, retryCount: 2, output: { cents: 80_000 } });
  await client.signal(runId, "photos", { plausible: false });
  const run = await until(runId, ({ status }) => status === "completed");
  expect(run).toMatchObject({ output: { claim: "c-2", paid_cents: 0 }, retryCount: 2 });
});

test("the runner answers nobody who does not know the secret", async () => {
  await runner.start();
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const headers = { "webhook-id": "x", "webhook-timestamp": timestamp, "webhook-signature": "v1,AAAA" };
  for (const forged of [{}, headers]) {
    const answer = await fetch(runner.url, { method: "POST", body: "{}", headers: forged });
    expect(answer.status).toBe(401);
  }
});

test("a definition says where its source is, and no more than its callers need", async () => {
  const { client } = await hosted();
  const shown = await client.workflow("claim");
  expect(shown).toMatchObject({
    driver: "remote",
    file: "examples/claim/runner.py",
    maxRetries: 3,
    stepTimeout: "20s",
  });
  expect(JSON.stringify(shown)).not.toMatch(/CLAIM_RUNNER|127\.0\.0\.1/);
});

keepsItsJournals(example, new URL("golden/", import.meta.url));
