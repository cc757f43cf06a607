import { DescribeTableCommand, DescribeTimeToLiveCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { S3Client } from "@aws-sdk/client-s3";
import { CreateScheduleGroupCommand, SchedulerClient } from "@aws-sdk/client-scheduler";
import { GetQueueAttributesCommand, GetQueueUrlCommand, SQSClient } from "@aws-sdk/client-sqs";
import { mockClient } from "aws-sdk-client-mock";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type AwsClients, createClients } from "../../../shared/adapters/aws/clients.ts";
import { awsPorts } from "../../../shared/adapters/aws/index.ts";
import { configFromEnvironment, ENVIRONMENT, environmentOf } from "../../../shared/adapters/aws/names.ts";
import { ensureResources, isLocal, localConfig } from "../../../shared/adapters/aws/provision.ts";
import { RECEIVES_MAX } from "../../../shared/core/limits.ts";
import { type Dynoxide, startDynoxide } from "../../support/dynoxide.ts";
import { type Fauxqs, startFauxqs } from "../../support/fauxqs.ts";
import { aNewRun } from "../../support/ports.ts";
import { awsError, instantClock, region } from "./clock.ts";

let dynoxide: Dynoxide;
let fauxqs: Fauxqs;
let clients: AwsClients;
const scheduler = mockClient(SchedulerClient);
const clock = instantClock();

beforeAll(async () => {
  [dynoxide, fauxqs] = await Promise.all([startDynoxide(), startFauxqs()]);
  const dynamodb = new DynamoDBClient({ ...region, endpoint: dynoxide.endpoint });
  const eventbridge = new EventBridgeClient(region);
  const scheduler = new SchedulerClient(region);
  clients = { dynamodb, sqs: fauxqs.sqs, s3: fauxqs.s3, scheduler, eventbridge };
});
afterAll(async () => {
  clients.dynamodb.destroy();
  await Promise.all([dynoxide.stop(), fauxqs.stop()]);
});

it("makes what is missing at a local endpoint, once, and the ports work on it", async () => {
  scheduler.on(CreateScheduleGroupCommand).resolvesOnce({}).rejects(awsError("ConflictException", 409));
  const config = await ensureResources(localConfig({}), clients, clock);
  expect(await ensureResources(config, clients, clock)).toEqual(config);

  const { Table } = await clients.dynamodb.send(new DescribeTableCommand({ TableName: "stepfold" }));
  const keysOf = (schema: { AttributeName?: string | undefined }[] = []) =>
    schema.map((key) => key.AttributeName);
  expect(keysOf(Table!.KeySchema)).toEqual(["PK", "SK"]);
  expect(
    Table!
      .GlobalSecondaryIndexes!.map((index) => [index.IndexName, ...keysOf(index.KeySchema), index.Projection])
      .sort(),
  ).toEqual([
    ["due", "ds", "du", { ProjectionType: "KEYS_ONLY" }],
    ["list", "ls", "lk", { ProjectionType: "INCLUDE", NonKeyAttributes: ["w", "o"] }],
    ["owner", "o", "lk", { ProjectionType: "INCLUDE", NonKeyAttributes: ["w"] }],
    ["parent", "p", "lk", { ProjectionType: "INCLUDE", NonKeyAttributes: ["w", "o"] }],
  ]);
  const ttl = await clients.dynamodb.send(new DescribeTimeToLiveCommand({ TableName: "stepfold" }));
  expect(ttl.TimeToLiveDescription).toMatchObject({ AttributeName: "ttl", TimeToLiveStatus: "ENABLED" });

  const queues = [
    ["stepfold-work", config.workQueueUrl, "stepfold-work-dead"],
    ["stepfold-signals.fifo", config.signalsQueueUrl, "stepfold-signals-dead.fifo"],
  ] as const;
  for (const [name, url, deadName] of queues) {
    expect((await clients.sqs.send(new GetQueueUrlCommand({ QueueName: name }))).QueueUrl).toBe(url);
    const { Attributes } = await clients.sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["All"] }),
    );
    const redrive = JSON.parse(Attributes!.RedrivePolicy!);
    expect(redrive.deadLetterTargetArn.split(":").at(-1)).toBe(deadName);
    expect(Number(redrive.maxReceiveCount)).toBe(RECEIVES_MAX);
    if (name === "stepfold-work") expect(config.workQueueArn).toBe(Attributes!.QueueArn);
  }

  const ports = awsPorts(config, { clients });
  const run = aNewRun(ports.clock);
  expect(await ports.journal.create(run)).toMatchObject({ created: true });
  await ports.queue.send("work", [{ runId: run.runId, body: "{}" }]);
  expect(await ports.queue.receive("work", { max: 1, waitMs: 1_000 })).toMatchObject([{ body: "{}" }]);
  await ports.blobs.put("k", new Uint8Array([1]));
  expect([...(await ports.blobs.get("k"))]).toEqual([1]);
  expect(ports.meter.drain(run.runId)).toMatchObject({ writeUnits: 3, queueRequests: 1 });
});

it("makes nothing in AWS: a missing table is TableNotFound", async () => {
  const dynamodb = mockClient(DynamoDBClient);
  const sqs = mockClient(SQSClient);
  const s3 = mockClient(S3Client);
  try {
    dynamodb.on(DescribeTableCommand).rejects(awsError("ResourceNotFoundException"));
    const remote = createClients({});
    const attempt = ensureResources(localConfig({ STEPFOLD_TABLE: "mine" }), remote, clock);
    await expect(attempt).rejects.toMatchObject({ code: "TableNotFound", data: { table: "mine" } });
    dynamodb.on(DescribeTableCommand).resolves({});
    expect(await ensureResources(localConfig({}), remote, clock)).toEqual(localConfig({}));
    expect(dynamodb.commandCalls(DescribeTableCommand)).toHaveLength(2);
    expect(dynamodb.calls()).toHaveLength(2);
    expect([...sqs.calls(), ...s3.calls()]).toEqual([]);
  } finally {
    for (const mock of [dynamodb, sqs, s3]) mock.restore();
  }
});

it("tells a local endpoint from AWS", async () => {
  const isLocalAt = (env: Record<string, string>) => isLocal(createClients(env).dynamodb);
  expect(await isLocalAt({})).toBe(false);
  expect(await isLocalAt({ AWS_ENDPOINT_URL: "https://dynamodb.eu-west-1.amazonaws.com" })).toBe(false);
  expect(await isLocalAt({ AWS_ENDPOINT_URL: "http://localhost:4566" })).toBe(true);
  expect(await isLocalAt({ AWS_ENDPOINT_URL_DYNAMODB: "http://127.0.0.1:8000" })).toBe(true);
  expect(await isLocalAt({ AWS_ENDPOINT_URL_DYNAMODB: "http://[::1]:8000" })).toBe(true);
  expect(await isLocalAt({ AWS_ENDPOINT_URL_S3: "http://127.0.0.1:8000" })).toBe(false);
});

it("buckets are named in the path at an endpoint of one's own, and only there", () => {
  expect(createClients({}).s3.config.forcePathStyle).toBe(false);
  expect(createClients({ AWS_ENDPOINT_URL: "http://h:1" }).s3.config.forcePathStyle).toBe(true);
  expect(createClients({ AWS_ENDPOINT_URL_S3: "http://h:1" }).s3.config.forcePathStyle).toBe(true);
});

it("the environment carries the configuration there and back", () => {
  const config = localConfig({ STEPFOLD_WORK_QUEUE_ARN: "arn:aws:sqs:us-east-1:000000000000:w" });
  expect(configFromEnvironment(environmentOf(config))).toEqual(config);
  expect(Object.keys(environmentOf(config)).sort()).toEqual(Object.values(ENVIRONMENT).sort());
});

it("an environment that lacks something names all of it", () => {
  const attempt = () => configFromEnvironment({ STEPFOLD_TABLE: "t", STEPFOLD_BUCKET: "" });
  expect(attempt).toThrow(expect.objectContaining({ code: "ConfigurationMissing" }));
  expect(attempt).toThrow(/STEPFOLD_WORK_QUEUE_URL, STEPFOLD_SIGNALS_QUEUE_URL, .*STEPFOLD_BUCKET/);
  expect(attempt).not.toThrow(/STEPFOLD_TABLE/);
});
