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
  expect(denied.filter((line) => /Stranger.* execute-api:Invoke /.test(line))).toHaveLength(1);
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
