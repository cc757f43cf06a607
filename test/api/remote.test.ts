/** Remote workflows as callers of the API see them. */
import { expect, test } from "vitest";
import { remote } from "../../shared/core/remote/remote.ts";
import type { ScriptedRunner } from "../../shared/testing/index.ts";
import { aWorld } from "./world.ts";

const billing = remote("billing", {
  url: "http://runner.test/secret-path",
  headers: { Authorization: "Bearer hunter2" },
  secret: { env: "BILLING_SECRET" },
  description: "Bills.",
  file: "services/billing.py",
  maxRetries: 4,
  stepTimeout: "30s",
});

const runner: ScriptedRunner = ({ completed_steps: steps }) => {
  if (steps.length === 0) return { action: "fail", step_name: "charge", error: "busy" };
  if (steps.length === 1)
    return { action: "step_complete", step_name: "charge", output: { cents: 7 }, duration_ms: 1_234 };
  return steps.length === 2
    ? { action: "wait_event", event: "paid" }
    : { action: "complete", output: "done" };
};

function aRemoteWorld() {
  const world = aWorld([billing]);
  world.runs.runner(billing, runner);
  return world;
}

test("are listed with their driver, their file and their rules, and nothing of where their runner is", async () => {
  const { body } = await aRemoteWorld().ask("GET", "/workflows");
  expect(body.items).toEqual([
    {
      name: "billing",
      description: "Bills.",
      file: "services/billing.py",
      versions: [1],
      driver: "remote",
      maxRetries: 4,
      stepTimeout: "30s",
    },
  ]);
});

test("are started like any other, and show what their runner reported", async () => {
  const { ask, runs } = aRemoteWorld();
  const started = await ask("POST", "/runs", { body: { workflow: "billing", runId: "r", input: { n: 1 } } });
  expect(started).toMatchObject({ status: 201, body: { driver: "remote", status: "pending" } });
  await runs.skip("1 minute");
  expect((await ask("GET", "/runs/r")).body).toMatchObject({
    status: "waiting",
    waitingFor: [{ kind: "signal", name: "paid" }],
    retryCount: 1,
  });
  expect((await ask("GET", "/runs/r/operations")).body.items).toMatchObject([
    {
      id: "1",
      kind: "step",
      name: "charge",
      status: "completed",
      attempts: 2,
      retryCount: 1,
      durationMs: 1_234,
      output: { cents: 7 },
    },
    { kind: "signal", name: "paid", status: "waiting" },
  ]);
  expect((await ask("POST", "/runs/r/signals/paid", { body: 1 })).status).toBe(202);
  await runs.skip("1s");
  expect((await ask("GET", "/runs/r")).body).toMatchObject({ status: "completed", output: "done" });
  const { items } = (await ask("GET", "/runs/r/journal")).body;
  expect(JSON.stringify(items)).not.toMatch(/hunter2|secret-path|BILLING_SECRET/);
});

test("are started with their own driver, or without one", async () => {
  const { ask } = aRemoteWorld();
  const startWith = (driver: string) => ask("POST", "/runs", { body: { workflow: "billing", driver } });
  expect((await startWith("remote")).status).toBe(201);
  expect(await startWith("code")).toMatchObject({
    status: 409,
    body: { code: "WrongDriver", expected: ["remote"] },
  });
  expect((await startWith("elsewhere")).status).toBe(422);
});

test("while their runner is out of reach, show that they sleep, why, and until when", async () => {
  const { ask, runs } = aRemoteWorld();
  runs.runner(billing, () => {
    throw new Error("ECONNREFUSED");
  });
  await ask("POST", "/runs", { body: { workflow: "billing", runId: "r" } });
  await runs.skip("10s");
  expect((await ask("GET", "/runs/r")).body).toMatchObject({ status: "sleeping", retryCount: 0 });
  expect((await ask("GET", "/runs/r/operations")).body.items).toMatchObject([
    {
      kind: "step",
      name: "turn",
      status: "sleeping",
      retryCount: 0,
      nextAttemptAt: expect.any(String),
      error: { code: "RunnerUnavailable", message: expect.stringContaining("ECONNREFUSED") },
    },
  ]);
});
