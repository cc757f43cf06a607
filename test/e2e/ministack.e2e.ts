/**
 * The real template, deployed by `cdk deploy` into MiniStack with IAM enforced, and used over HTTP as its users would.
 *
 * Every link is crossed at least once: API → journal → work queue → advance; Scheduler → work queue; API → signals
 * queue → signals; EventBridge rule → triggers queue → triggers; rule → sweep; every queue → its dead letters. A grant
 * that is missing shows as an AccessDenied, which the last test looks for.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../host/command.ts";
import { schemathesis } from "../support/schemathesis.ts";
import {
  type Answer,
  type Credentials,
  type Deployment,
  deploy,
  type Outputs,
} from "./ministack-deployment.ts";
import { type DeployedResources, resourcesOf } from "./ministack-resources.ts";

const SOON_MS = 20_000;
/** As the app sets them. */
const SWEEP_AFTER_MS = 5_000;
const MESSAGE_DELAY_MAX_MS = 2_000;
/** A schedule aims this much early; the rest is the message's delay. */
const SCHEDULE_EARLY_MS = MESSAGE_DELAY_MAX_MS / 2;

let deployment: Deployment;
let outputs: Outputs;
let resources: DeployedResources;
let caller: Credentials;

beforeAll(async () => {
  deployment = await deploy();
  outputs = deployment.outputs;
  resources = resourcesOf(deployment);
  caller = await deployment.assume(outputs.CallerArn);
});
afterAll(() => deployment?.stop());

describe("who may call", () => {
  test("nobody without credentials", async () => {
    expect((await deployment.api("GET", "/runs")).status).toBe(403);
    expect((await deployment.api("POST", "/runs", { body: { workflow: "greet" } })).status).toBe(403);
    expect((await deployment.api("GET", "/")).status).toBe(403);
  });

  test("nobody with a forged signature", async () => {
    const forged = { ...caller, secretAccessKey: "guessed" };
    expect((await deployment.api("GET", "/runs", { as: forged })).status).toBe(403);
  });

  test("no role that was not granted it", async () => {
    const stranger = await deployment.assume(outputs.StrangerArn);
    expect((await deployment.api("GET", "/runs", { as: stranger })).status).toBe(403);
  });

  test("a role that was", async () => {
    expect((await call("GET", "/runs")).status).toBe(200);
  });
});

describe("runs", () => {
  test("complete, and are listed", async () => {
    const body = { workflow: "greet", input: { name: "Ada" } };
    const started = await call("POST", "/runs", body, { Prefer: "wait=20" });
    expect(started).toMatchObject({ status: 201, body: { status: "completed", output: "hello Ada" } });
    const listed = await call("GET", "/runs?workflow=greet&status=completed");
    expect(listed.body.items.map((item: { runId: string }) => item.runId)).toContain(started.body.runId);
  });

  test("keep what is too large for the journal in the bucket, and are removed with it", async () => {
    const text = "0123456789".repeat(5_000);
    const runId = await start("echo", { text });
    expect((await finished(runId)).output).toBe(text + text);
    expect(await resources.blobKeys(runId)).not.toEqual([]);
    expect((await call("DELETE", `/runs/${runId}`)).status).toBe(204);
    expect((await call("GET", `/runs/${runId}`)).status).toBe(404);
    expect(await resources.blobKeys(runId)).toEqual([]);
  });

  test("start and await child runs", async () => {
    expect(await finished(await start("family", { name: "Bob" }))).toMatchObject({
      status: "completed",
      output: "hello Bob",
    });
  });

  test("are cancelled while they wait", async () => {
    const runId = await waiting("order");
    expect(await call("POST", `/runs/${runId}/cancel`, { reason: "changed my mind" })).toMatchObject({
      status: 202,
    });
    expect(await finished(runId)).toMatchObject({ status: "cancelled" });
  });
});

describe("runs that others drive", () => {
  const begin = async (driver: string, more: object = {}): Promise<string> => {
    const { status, body } = await call("POST", "/runs", { workflow: "no code of ours", driver, ...more });
    expect(status).toBe(201);
    return body.runId;
  };

  test("an owner's: waits, goes on, asks at a gate that ends by itself, is cancelled at last", async () => {
    const runId = await begin("managed", { owner: "ann", state: { pages: 0 } });
    const path = `/runs/${runId}`;
    expect(await call("POST", `${path}/wait`, { wait: { for: "paper" } })).toMatchObject({
      status: 200,
      body: { status: "waiting", wait: { for: "paper" } },
    });
    const stale = { "If-Match": '"0"' };
    expect(await call("POST", `${path}/continue`, {}, stale)).toMatchObject({
      body: { code: "StaleRevision" },
    });
    expect(await call("POST", `${path}/continue`, { patch: { pages: 1 }, step: "sign" })).toMatchObject({
      body: { status: "running", state: { pages: 1 }, step: "sign" },
    });
    expect((await call("POST", `${path}/gates`, { name: "ship", timeout: "4s" })).status).toBe(201);
    const until = Date.now() + 2 * SOON_MS;
    let gate = await call("GET", `${path}/gates/ship`);
    while (gate.body.state === "pending" && Date.now() < until) {
      await sleep(500);
      gate = await call("GET", `${path}/gates/ship`);
    }
    expect(gate.body.state).toBe("timedOut");
    expect((await call("POST", `${path}/cancel`, { reason: "enough" })).status).toBe(202);
    expect((await call("GET", `${path}/cancelled`)).body).toEqual({ cancelled: true, reason: "enough" });
    expect(await call("POST", `${path}/finish`)).toMatchObject({
      status: 409,
      body: { code: "CancelRequested" },
    });
    expect(await call("POST", `${path}/cancel`, { final: true })).toMatchObject({
      status: 200,
      body: { status: "cancelled" },
    });
    expect((await call("DELETE", path)).status).toBe(204);
  });

  test("a worker's: under its lease, or nothing is written", async () => {
    const path = `/runs/${await begin("managed")}`;
    const lease = await call("POST", `${path}/lease`, { token: "one", ttl: "1m" });
    expect(lease.status).toBe(200);
    expect(await call("POST", `${path}/lease`, { token: "two", ttl: "1m" })).toMatchObject({
      status: 409,
      body: { code: "LeaseHeld" },
    });
    const headers = { "Stepfold-Generation": String(lease.body.generation) };
    expect((await call("POST", `${path}/steps`, { name: "make" })).body.code).toBe("GenerationRequired");
    const step = await call("POST", `${path}/steps`, { name: "make", retryCount: 0 }, headers);
    expect(step).toMatchObject({ status: 201, body: { status: "running" } });
    const items = `${path}/steps/${step.body.stepId}/items`;
    const added = await call("POST", items, [{ type: "line", id: "1" }], headers);
    const { itemId } = added.body.items[0];
    const changes = [
      { itemId, status: "completed" },
      { itemId: "none", status: "completed" },
    ];
    expect((await call("PATCH", items, changes, headers)).status).toBe(404);
    expect((await call("GET", `${items}?status=pending`)).body.items).toHaveLength(1);
    expect((await call("PATCH", items, changes.slice(0, 1), headers)).status).toBe(200);
    expect((await call("DELETE", `${path}/lease?token=one`)).status).toBe(204);
    expect(
      (await call("PATCH", `${path}/steps/${step.body.stepId}`, { status: "completed" }, headers)).body.code,
    ).toBe("LeaseLost");
    expect((await call("POST", `${path}/finish`, { output: 1 })).body).toMatchObject({ status: "completed" });
  });

  test("a mirror's: observations by the other system's id", async () => {
    const path = `/runs/${await begin("mirrored")}`;
    const report = { name: "load", status: "running", sessionKey: "k", at: "2026-01-01T00:00:00Z" };
    expect((await call("PUT", `${path}/observations/their-1`, report)).status).toBe(200);
    const done = { name: "load", status: "completed", at: "2026-01-01T00:01:00Z" };
    expect((await call("PUT", `${path}/observations/their-1`, done)).body).toMatchObject({
      status: "completed",
      sessionKey: "k",
      durationMs: 60_000,
    });
    const wrong = await begin("managed");
    expect((await call("PUT", `/runs/${wrong}/observations/o`, done)).body.code).toBe("WrongDriver");
  });

  test("written by ten at once, each as often as it takes, lose nothing and repeat nothing", async () => {
    const path = `/runs/${await begin("managed")}`;
    const fields = Array.from({ length: 10 }, (_, index) => `field-${index}`);
    const write = async (field: string): Promise<void> => {
      for (;;) {
        const headers = { "Idempotency-Key": field };
        const { status, body } = await call(
          "POST",
          `${path}/continue`,
          { patch: { [field]: field } },
          headers,
        );
        if (status === 200) return;
        // The emulator's own time-outs tell nothing of whether it was done.
        if (status < 500) expect(body.code).toBe("WriteConflict");
      }
    };
    await Promise.all(fields.map(write));
    expect((await call("GET", path)).body).toMatchObject({
      revision: 10,
      state: Object.fromEntries(fields.map((field) => [field, field])),
    });
  });
});

describe("signals", () => {
  test("arrive through the API", async () => {
    const runId = await waiting("order");
    expect(await call("POST", `/runs/${runId}/signals/paid`, { amount: 1 })).toMatchObject({ status: 202 });
    expect(await finished(runId)).toMatchObject({ status: "completed", output: { paid: { amount: 1 } } });
  });

  test("arrive by a message on the triggers queue", async () => {
    const runId = await waiting("order");
    await resources.sendMessage(outputs.FlowsTriggersQueueUrl, {
      runId,
      signal: "paid",
      payload: { amount: 2 },
    });
    expect(await finished(runId)).toMatchObject({ status: "completed", output: { paid: { amount: 2 } } });
  });

  test("arrive whole, however large, by every way", async () => {
    const note = "0123456789".repeat(5_000);
    const [byApi, byQueue] = [await waiting("order"), await waiting("order")];
    await call("POST", `/runs/${byApi}/signals/paid`, { note });
    await resources.sendMessage(outputs.FlowsTriggersQueueUrl, {
      runId: byQueue,
      signal: "paid",
      payload: { note },
    });
    expect((await finished(byApi)).output).toEqual({ paid: { note } });
    expect((await finished(byQueue)).output).toEqual({ paid: { note } });
  });

  test("arrive by an EventBridge rule", async () => {
    const runId = await waiting("order");
    await resources.putEvent("Paid", { runId, amount: 3 });
    expect(await finished(runId)).toMatchObject({ status: "completed", output: { paid: { amount: 3 } } });
  });
});

describe("triggers", () => {
  test("start a run once for a key, however often they come", async () => {
    const message = { workflow: "greet", input: { name: "Queue" }, idempotencyKey: "message-1" };
    await resources.sendMessage(outputs.FlowsTriggersQueueUrl, message);
    await resources.sendMessage(outputs.FlowsTriggersQueueUrl, message);
    expect(await outputsOf("greet", "hello Queue", 1)).toHaveLength(1);
  });

  test("start a run with an input too large for the journal", async () => {
    const text = "9876543210".repeat(5_000);
    const message = { workflow: "echo", input: { text }, idempotencyKey: "large" };
    await resources.sendMessage(outputs.FlowsTriggersQueueUrl, message);
    expect(await outputsOf("echo", text + text, 1)).toHaveLength(1);
  });

  test("start a run by an EventBridge rule", async () => {
    await resources.putEvent("Visited", { name: "Event" });
    expect(await outputsOf("greet", "hello Event", 1)).toHaveLength(1);
  });
});

describe("timers", () => {
  test("longer than a message's delay are woken by the Scheduler, on time", async () => {
    const runId = await start("nap", { duration: "8s" });
    await eventually("its schedule", async () => (await resources.schedulesOf(runId))[0]);
    const run = await finished(runId);
    expect(run).toMatchObject({ status: "completed", output: "rested" });
    const tookMs = Date.parse(run.finishedAt) - Date.parse(run.createdAt);
    expect(tookMs).toBeGreaterThanOrEqual(8_000);
    expect(tookMs, "the sweep would take longer").toBeLessThan(8_000 + SWEEP_AFTER_MS);
    expect(run.cost.schedules).toBe(1);
    expect(await resources.schedulesOf(runId)).toEqual([]);
  });

  test("put off a run's start", async () => {
    const startAt = new Date(Date.now() + 6_000).toISOString();
    const { status, body } = await call("POST", "/runs", {
      workflow: "greet",
      input: { name: "Later" },
      startAt,
    });
    expect(status, JSON.stringify(body)).toBe(201);
    expect(await resources.schedulesOf(body.runId)).toHaveLength(1);
    const run = await finished(body.runId);
    expect(run).toMatchObject({ status: "completed", output: "hello Later" });
    expect(Date.parse(run.startedAt)).toBeGreaterThanOrEqual(Date.parse(startAt));
  });

  test("of a month are a schedule, whose wake changes nothing when it comes early", async () => {
    const runId = await start("nap", { duration: "30 days" });
    const schedule = await eventually("its schedule", async () => (await resources.schedulesOf(runId))[0]);
    const { wakeAt } = await eventually("the run to sleep", async () => {
      const { body } = await call("GET", `/runs/${runId}`);
      return body.status === "sleeping" ? body : undefined;
    });
    const at = new Date(Math.floor((Date.parse(wakeAt) - SCHEDULE_EARLY_MS) / 1_000) * 1_000);
    expect(schedule).toMatchObject({
      ScheduleExpression: `at(${at.toISOString().slice(0, 19)})`,
      ScheduleExpressionTimezone: "UTC",
      ActionAfterCompletion: "DELETE",
      FlexibleTimeWindow: { Mode: "OFF" },
      Target: {
        Arn: expect.stringMatching(/:sqs:.*QueuesWork/),
        RoleArn: expect.stringMatching(/:role\/.*SchedulesRole/),
      },
    });
    const { Input } = schedule.Target!;
    await resources.sendMessage(outputs.FlowsWorkQueueUrl, Input!);
    await sleep(1_000);
    expect((await call("GET", `/runs/${runId}`)).body, "an early wake changes nothing").toMatchObject({
      status: "sleeping",
      wakeAt,
    });
  });
});

describe("the command line", () => {
  const stepfold = (credentials: Credentials, ...args: string[]) =>
    run(args, {
      ...deployment.ministack.environment,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      ...(credentials.sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: credentials.sessionToken }),
    });

  test("starts, signals and lists runs by signed requests", async () => {
    const there = ["--url", deployment.apiUrl, "--sign", "--json"];
    const runId = `by hand/${Date.now()}`.replace(/[ /]/g, "~");
    const started = await stepfold(
      caller,
      "start",
      "order",
      "--run-id",
      runId,
      "--tag",
      "by=a hand",
      ...there,
    );
    expect(started).toMatchObject({ code: 0, stderr: "" });
    await eventually("the run to wait", async () => (await call("GET", `/runs/${runId}`)).body.waitingFor[0]);
    expect((await stepfold(caller, "signal", runId, "paid", '{"amount": 4}', ...there)).code).toBe(0);
    const watched = await stepfold(caller, "watch", runId, ...there);
    expect(watched).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(watched.stdout.trim().split("\n").at(-1)!).output).toEqual({ paid: { amount: 4 } });
    const listed = await stepfold(caller, "list", "--tag", "by=a hand", ...there);
    expect(listed.stdout).toContain(runId);
  });

  test("is refused without a signature, and as a role that was not granted it", async () => {
    const unsigned = await stepfold(caller, "list", "--url", deployment.apiUrl);
    expect(unsigned).toMatchObject({ code: 1, stderr: expect.stringContaining("--sign") });
    const stranger = await deployment.assume(outputs.StrangerArn);
    const refused = await stepfold(stranger, "list", "--url", deployment.apiUrl, "--sign");
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("grantInvoke") });
  });

  test("tells the stacks that have Stepfold", async () => {
    const unknown = await stepfold(deployment.owner, "list", "--stack", "Deploed");
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringMatching(/"Deploed".*are Deployed\.$/m) });
  });
});

describe("what goes wrong", () => {
  test("a message that nothing can be done with ends in the dead letters of its queue", async () => {
    const poison = `not a message ${Date.now()}`;
    const queues = [
      [outputs.FlowsTriggersQueueUrl, outputs.FlowsTriggersDeadLettersUrl],
      [outputs.FlowsWorkQueueUrl, outputs.FlowsWorkDeadLettersUrl],
      [outputs.FlowsSignalsQueueUrl, outputs.FlowsSignalsDeadLettersUrl],
    ] as const;
    const dead = queues.map(([queue, deadLetters]) =>
      resources.withShortVisibility(queue, async () => {
        await resources.sendMessage(queue, poison);
        return eventually(`dead letters of ${queue}`, () => resources.receiveBody(deadLetters), 60_000);
      }),
    );
    expect(await Promise.all(dead)).toEqual([poison, poison, poison]);
  });

  test("a run whose wake was lost is woken by the sweep", async () => {
    const runId = await resources.losingWakes(() => start("greet", { name: "Lost" }));
    await sleep(2_000);
    expect((await call("GET", `/runs/${runId}`)).body.status).toBe("pending");
    await sleep(SWEEP_AFTER_MS);
    await resources.invokeSweep();
    expect(await finished(runId)).toMatchObject({ status: "completed", output: "hello Lost" });
  });
});

test("the table expires its items", async () => {
  expect(await resources.timeToLive()).toEqual({ AttributeName: "ttl", TimeToLiveStatus: "ENABLED" });
});

test("schemathesis finds no answer of the deployed API that its document does not have", async () => {
  // As the account's owner: the emulator takes no path with a line break for one that a policy's `*` means.
  const proxy = await deployment.proxy(deployment.owner);
  const { code, cases, report } = await schemathesis(proxy.url, { examples: 12 });
  await proxy.close();
  console.log(report.slice(report.indexOf("= SUMMARY =")));
  expect(code, report.slice(0, 20_000)).toBe(0);
  expect(cases).toBeGreaterThan(1_500);
}, 300_000);

test("no call was denied but the stranger's", () => {
  const denied = deployment.ministack
    .log()
    .split("\n")
    .filter((line) => line.startsWith("DENIED"));
  // One by HTTP, one by the command line.
  expect(denied.filter((line) => /Stranger.* execute-api:Invoke /.test(line))).toHaveLength(2);
  expect(denied.filter((line) => !/Stranger/.test(line))).toEqual([]);
});

const call = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
): Promise<Answer> =>
  deployment.api(method, path, {
    as: caller,
    ...(body === undefined ? {} : { body }),
    ...(headers ? { headers } : {}),
  });

async function start(workflow: string, input: unknown): Promise<string> {
  const answer = await call("POST", "/runs", { workflow, input });
  expect(answer, JSON.stringify(answer.body)).toMatchObject({
    status: 201,
    body: { runId: expect.any(String) },
  });
  return answer.body.runId;
}

/** Starts a run and lets it come to wait. */
async function waiting(workflow: string): Promise<string> {
  const runId = await start(workflow, {});
  await eventually(
    "the run to wait",
    async () => (await call("GET", `/runs/${runId}`)).body.status === "waiting" || undefined,
  );
  return runId;
}

function finished(runId: string, withinMs = SOON_MS) {
  return eventually(
    `the end of ${runId}`,
    async () => {
      const { body } = await call("GET", `/runs/${runId}`);
      return ["completed", "failed", "cancelled", "timedOut"].includes(body.status) ? body : undefined;
    },
    withinMs,
  );
}

function outputsOf(workflow: string, output: string, atLeast: number): Promise<unknown[]> {
  return eventually(`runs of ${workflow}`, async () => {
    const { body } = await call("GET", `/runs?workflow=${workflow}&status=completed&limit=200`);
    const runs = await Promise.all(
      body.items.map(({ runId }: { runId: string }) => call("GET", `/runs/${runId}`)),
    );
    const found = runs.filter((run) => run.body.output === output);
    return found.length >= atLeast ? found : undefined;
  });
}

async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined>,
  withinMs = SOON_MS,
): Promise<T> {
  for (const deadline = Date.now() + withinMs; Date.now() < deadline; await sleep(200)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error(
    `Expected ${what} within ${withinMs} ms. MiniStack's log ends:\n${deployment.ministack.log().slice(-3_000)}`,
  );
}
