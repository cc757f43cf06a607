/**
 * Triggers, schedules, the bus and bulk operations, deployed by `cdk deploy` into MiniStack with IAM enforced. A grant
 * that is missing shows as an AccessDenied, which the last test looks for.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { DeleteObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { GetScheduleCommand, SchedulerClient, UpdateScheduleCommand } from "@aws-sdk/client-scheduler";
import { ReceiveMessageCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, type Credentials, type Deployment, deployApp } from "./ministack-deployment.ts";

const SOON_MS = 20_000;
/** A schedule of each minute, and what its message takes. */
const MINUTE_MS = 80_000;

interface Outputs {
  FlowsApiUrl: string;
  FlowsCronGroupName: string;
  CallerArn: string;
  ToldUrl: string;
  InName: string;
  VisitsArn: string;
  PaymentsArn: string;
  JobsUrl: string;
  AnswersUrl: string;
  DeadUrl: string;
}

let deployment: Deployment<Outputs>;
let outputs: Outputs;
let caller: Credentials;
let sqs: SQSClient;
let s3: S3Client;
let scheduler: SchedulerClient;

beforeAll(async () => {
  deployment = await deployApp<Outputs>("test/e2e/triggers-app.ts", "Triggered");
  outputs = deployment.outputs;
  caller = await deployment.assume(outputs.CallerArn);
  const { ministack, owner: credentials } = deployment;
  const config = { endpoint: ministack.endpoint, region: ministack.region, credentials };
  sqs = new SQSClient(config);
  s3 = new S3Client({ ...config, forcePathStyle: true });
  scheduler = new SchedulerClient(config);
  await call("POST", "/runs", { workflow: "order", runId: "watcher", input: {} });
  await send(outputs.JobsUrl, "poison");
});
afterAll(() => deployment?.stop());

describe("start a run", () => {
  test("an EventBridge rule: once for a key, with what it maps from the event", async () => {
    for (const _ of [1, 2]) await putEvent("Ordered", { id: "o-1", name: "Rule" });
    await greeted("<Rule>");
  });

  test("an object in a bucket, where its key is what was asked for", async () => {
    for (const Key of ["in/other.txt", "out/a.csv", "in/a.csv"])
      await s3.send(new PutObjectCommand({ Bucket: outputs.InName, Key, Body: "a" }));
    await greeted("in/a.csv");
    expect(await greetings()).not.toContain("hello out/a.csv");
  });

  test("a message of a topic", async () => {
    await publish(outputs.VisitsArn, { name: "Topic" });
    await greeted("Topic");
  });

  test("a message of a queue: once for a key", async () => {
    for (const _ of [1, 2]) await send(outputs.JobsUrl, JSON.stringify({ name: "Queue" }));
    await greeted("Queue");
  });
});

describe("signal a run", () => {
  test("an EventBridge rule", async () => {
    const runId = await waiting();
    await putEvent("Paid", { runId, amount: 1 });
    expect((await finished(runId)).output).toEqual({ paid: { runId, amount: 1 } });
  });

  test("an object that is deleted", async () => {
    const runId = await waiting();
    await s3.send(new PutObjectCommand({ Bucket: outputs.InName, Key: runId, Body: "a" }));
    await s3.send(new DeleteObjectCommand({ Bucket: outputs.InName, Key: runId }));
    expect((await finished(runId)).output.paid.object.key).toBe(runId);
  });

  test("a message of a topic", async () => {
    const runId = await waiting();
    await publish(outputs.PaymentsArn, { runId, amount: 2 });
    expect((await finished(runId)).output).toEqual({ paid: { by: "topic", amount: 2 } });
  });

  test("a message of a queue", async () => {
    const runId = await waiting();
    await send(outputs.AnswersUrl, JSON.stringify({ runId, amount: 3 }));
    expect((await finished(runId)).output).toEqual({ paid: { runId, amount: 3 } });
  });
});

test("the bus is told of a run's changes, its end among them", async () => {
  const runId = await waiting();
  await call("POST", `/runs/${runId}/pause`);
  await call("POST", `/runs/${runId}/resume`);
  await call("POST", `/runs/${runId}/signals/paid`, 1);
  await finished(runId);
  const changes = new Map<number, { status: string; workflow: string; previous?: string }>();
  await eventually("the run's end on the bus", async () => {
    for (const body of await received(outputs.ToldUrl)) {
      const event = JSON.parse(body);
      expect(event).toMatchObject({ source: "stepfold", "detail-type": "Run Status Changed" });
      if (event.detail.runId === runId) changes.set(event.detail.revision, event.detail);
    }
    return [...changes.values()].some(({ status }) => status === "completed") || undefined;
  });
  const inOrder = [...changes].toSorted(([left], [right]) => left - right).map(([, { status }]) => status);
  expect(inOrder).toEqual(expect.arrayContaining(["waiting", "paused", "completed"]));
  expect(inOrder.at(-1)).toBe("completed");
});

test("a bulk operation cancels what a filter holds, and reports on it", async () => {
  const answer = await call("POST", "/runs", {
    workflow: "order",
    input: {},
    tags: { sale: "over" },
  });
  const { body } = await call("POST", "/runs/bulk", { action: "cancel", filter: { tag: "sale:over" } });
  expect((await finished(body.runId)).output).toMatchObject({
    matched: 1,
    items: [{ runId: answer.body.runId, outcome: "done" }],
  });
  expect((await finished(answer.body.runId)).status).toBe("cancelled");
});

test("a message that nothing can be done with ends in its queue's dead letters", async () => {
  const [body] = await eventually("dead letters", () => some(outputs.DeadUrl), 60_000);
  expect(body).toBe("poison");
});

describe("a schedule", () => {
  test("starts a run at its time, and says which", async () => {
    const run = await eventually(
      "a run of the schedule",
      async () => (await call("GET", "/runs?tag=schedule:minutely")).body.items[0],
      MINUTE_MS,
    );
    expect(run).toMatchObject({ workflow: "order", trigger: "schedule/minutely" });
    const { input } = (await call("GET", `/runs/${run.runId}`)).body;
    expect(Date.parse(input.at)).toBeLessThanOrEqual(Date.parse(run.createdAt) + 1_000);
  });

  test("signals a run at its time", async () => {
    expect((await finished("watcher", MINUTE_MS)).output).toMatchObject({ paid: { schedule: "pay" } });
  });

  test("that is not enabled does not, and one that is can be paused without a deployment", async () => {
    const GroupName = outputs.FlowsCronGroupName;
    const stateOf = async (Name: string) =>
      (await scheduler.send(new GetScheduleCommand({ GroupName, Name }))).State;
    expect([await stateOf("never"), await stateOf("minutely")]).toEqual(["DISABLED", "ENABLED"]);
    const { Name, ScheduleExpression, FlexibleTimeWindow, Target } = await scheduler.send(
      new GetScheduleCommand({ GroupName, Name: "minutely" }),
    );
    await scheduler.send(
      new UpdateScheduleCommand({
        GroupName,
        Name,
        ScheduleExpression,
        FlexibleTimeWindow,
        Target,
        State: "DISABLED",
      }),
    );
    expect(await stateOf("minutely")).toBe("DISABLED");
  });
});

test("no call was denied", () => {
  const lines = deployment.ministack.log().split("\n");
  expect(lines.filter((line) => line.startsWith("DENIED"))).toEqual([]);
});

const call = (method: string, path: string, body?: unknown): Promise<Answer> =>
  deployment.api(method, path, { as: caller, ...(body === undefined ? {} : { body }) });

const send = (QueueUrl: string, MessageBody: string) =>
  sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));

async function received(QueueUrl: string): Promise<string[]> {
  const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
  return Messages.map(({ Body }) => Body!);
}

async function some(queueUrl: string): Promise<string[] | undefined> {
  const bodies = await received(queueUrl);
  return bodies.length > 0 ? bodies : undefined;
}

async function putEvent(detailType: string, detail: object): Promise<void> {
  const Entries = [{ Source: "shop", DetailType: detailType, Detail: JSON.stringify(detail) }];
  const headers = { "content-type": "application/x-amz-json-1.1", "x-amz-target": "AWSEvents.PutEvents" };
  await deployment.aws("events", "POST", "/", { body: JSON.stringify({ Entries }), headers });
}

async function publish(TopicArn: string, message: object): Promise<void> {
  const form = new URLSearchParams({
    Action: "Publish",
    Version: "2010-03-31",
    TopicArn,
    Message: JSON.stringify(message),
  });
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  await deployment.aws("sns", "POST", "/", { body: form.toString(), headers });
}

/** Starts a run and lets it come to wait. */
async function waiting(): Promise<string> {
  const { body } = await call("POST", "/runs", { workflow: "order", input: {} });
  await eventually(
    "the run to wait",
    async () => (await call("GET", `/runs/${body.runId}`)).body.status === "waiting" || undefined,
  );
  return body.runId;
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

async function greetings(): Promise<string[]> {
  const { body } = await call("GET", "/runs?workflow=greet&status=completed&limit=200");
  const runs = await Promise.all(
    body.items.map(({ runId }: { runId: string }) => call("GET", `/runs/${runId}`)),
  );
  return runs.map((run) => run.body.output);
}

/** One run has greeted that name. */
async function greeted(name: string): Promise<void> {
  const of = (all: string[]) => all.filter((greeting) => greeting === `hello ${name}`);
  await eventually(`a greeting of ${name}`, async () => of(await greetings())[0]);
  expect(of(await greetings())).toHaveLength(1);
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
