/**
 * The stack's resources where there is no stack: against a local endpoint (an emulator) the table, the queues with
 * their dead-letter queues, the schedule group and the bucket are made if they are missing. Against AWS itself
 * nothing is ever made: the table must be there.
 */
import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DescribeTableCommand,
  type DynamoDBClient,
  type ProjectionType,
  UpdateTimeToLiveCommand,
  waitUntilTableExists,
} from "@aws-sdk/client-dynamodb";
import { CreateBucketCommand, type S3Client } from "@aws-sdk/client-s3";
import { CreateScheduleGroupCommand, type SchedulerClient } from "@aws-sdk/client-scheduler";
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  type QueueAttributeName,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { PortError } from "../../core/errors.ts";
import { LEG_MS, RECEIVES_MAX } from "../../core/limits.ts";
import type { Clock } from "../../ports/clock.ts";
import type { AwsClients } from "./clients.ts";
import { type AwsConfig, deadLetterQueueName, ENVIRONMENT, FIFO_SUFFIX, TABLE_SCHEMA } from "./names.ts";
import { isException, type MissingResource, withRetry } from "./retry.ts";
import { missingTable } from "./table.ts";

/** A leg, and what it takes to end it: also how long a crash delays what it held. */
const VISIBILITY_MS = LEG_MS + 30_000;
const TABLE_READY_WITHIN_SECONDS = 60;
const NOTHING: MissingResource = { errors: [], code: "", message: "" };
const DEFAULT_SCHEDULE_GROUP = "default";
const LOOPBACK = /^(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[::1\]|0\.0\.0\.0|host\.docker\.internal)$/;

/** The resources' names for a local endpoint, where the environment names none. Queues are given by name or URL. */
export function localConfig(env: Record<string, string | undefined>): AwsConfig {
  return {
    table: env[ENVIRONMENT.table] ?? "stepfold",
    workQueueUrl: env[ENVIRONMENT.workQueueUrl] ?? "stepfold-work",
    signalsQueueUrl: env[ENVIRONMENT.signalsQueueUrl] ?? `stepfold-signals${FIFO_SUFFIX}`,
    workQueueArn: env[ENVIRONMENT.workQueueArn] ?? "",
    scheduleGroup: env[ENVIRONMENT.scheduleGroup] ?? "stepfold",
    scheduleRoleArn: env[ENVIRONMENT.scheduleRoleArn] ?? "arn:aws:iam::000000000000:role/stepfold-scheduler",
    bucket: env[ENVIRONMENT.bucket] ?? "stepfold-blobs",
  };
}

/** Whether a client was given an endpoint on this machine. */
export async function isLocal(client: DynamoDBClient | S3Client | SchedulerClient): Promise<boolean> {
  const endpoint = await client.config.endpoint?.();
  return endpoint !== undefined && LOOPBACK.test(endpoint.hostname);
}

/** Makes what is missing at a local endpoint and answers the configuration with the queues' real URLs and ARN;
 * elsewhere checks that the table is there (`TableNotFound`) and answers the configuration as it is. */
export async function ensureResources(
  config: AwsConfig,
  clients: AwsClients,
  clock: Clock,
): Promise<AwsConfig> {
  if (!(await isLocal(clients.dynamodb))) {
    await checkTable(config.table, clients.dynamodb, clock);
    return config;
  }
  const step = <T>(doing: string, action: () => Promise<T>) =>
    withRetry(clock, { doing, missing: NOTHING }, action);
  const queue = (urlOrName: string) =>
    step(`make the queue ${nameOf(urlOrName)}`, () => ensureQueue(nameOf(urlOrName), clients.sqs));
  await step(`make the table ${config.table}`, () => ensureTable(config.table, clients.dynamodb));
  const work = await queue(config.workQueueUrl);
  const signals = await queue(config.signalsQueueUrl);
  // Only some of the services may be emulated: what goes to AWS itself is not made here, and fails when it is used.
  if (await isLocal(clients.s3))
    await step(`make the bucket ${config.bucket}`, () => ensureBucket(config.bucket, clients.s3));
  if (await isLocal(clients.scheduler))
    await step(`make the schedule group ${config.scheduleGroup}`, () =>
      ensureScheduleGroup(config.scheduleGroup, clients.scheduler),
    );
  return { ...config, workQueueUrl: work.url, workQueueArn: work.arn, signalsQueueUrl: signals.url };
}

/** Throws `TableNotFound` with what to do about it. */
export async function checkTable(table: string, client: DynamoDBClient, clock: Clock): Promise<void> {
  const call = { doing: `find the table ${table}`, data: { table }, missing: missingTable(table) };
  await withRetry(clock, call, () => client.send(new DescribeTableCommand({ TableName: table })));
}

/** The table of `TABLE_SCHEMA`, made if it is missing. */
export async function ensureTable(table: string, client: DynamoDBClient): Promise<void> {
  const isNew = await unlessThere(
    () => client.send(new CreateTableCommand(tableOf(table))),
    ["ResourceInUseException"],
  );
  await waitUntilTableExists(
    { client, maxWaitTime: TABLE_READY_WITHIN_SECONDS, minDelay: 1 },
    { TableName: table },
  );
  if (!isNew) return;
  const TimeToLiveSpecification = { AttributeName: TABLE_SCHEMA.ttlAttribute, Enabled: true };
  await client.send(new UpdateTimeToLiveCommand({ TableName: table, TimeToLiveSpecification }));
}

function tableOf(table: string): CreateTableCommandInput {
  const { partitionKey, sortKey, indexes } = TABLE_SCHEMA;
  const keys = [
    partitionKey,
    sortKey,
    ...Object.values(indexes).flatMap((index) => [index.partitionKey, index.sortKey]),
  ];
  const schemaOf = (
    hash: { name: string },
    range: { name: string },
  ): CreateTableCommandInput["KeySchema"] => [
    { AttributeName: hash.name, KeyType: "HASH" },
    { AttributeName: range.name, KeyType: "RANGE" },
  ];
  const projectionOf = (projection: { type: ProjectionType; attributes?: readonly string[] }) => ({
    ProjectionType: projection.type,
    ...(projection.attributes === undefined ? {} : { NonKeyAttributes: [...projection.attributes] }),
  });
  return {
    TableName: table,
    BillingMode: "PAY_PER_REQUEST",
    KeySchema: schemaOf(partitionKey, sortKey),
    AttributeDefinitions: [...new Map(keys.map((key) => [key.name, key.type]))].map(
      ([AttributeName, AttributeType]) => ({ AttributeName, AttributeType }),
    ),
    GlobalSecondaryIndexes: Object.values(indexes).map((index) => ({
      IndexName: index.name,
      KeySchema: schemaOf(index.partitionKey, index.sortKey),
      Projection: projectionOf(index.projection),
    })),
  };
}

/** A queue whose messages go to its dead-letter queue after `RECEIVES_MAX` receives; made if it is missing. */
export async function ensureQueue(
  name: string,
  client: SQSClient,
  visibilityMs = VISIBILITY_MS,
): Promise<{ url: string; arn: string; deadLettersUrl: string }> {
  const fifo: Partial<Record<QueueAttributeName, string>> = name.endsWith(FIFO_SUFFIX)
    ? { FifoQueue: "true" }
    : {};
  const dead = await ensure(deadLetterQueueName(name), fifo, client);
  const queue = await ensure(
    name,
    {
      ...fifo,
      VisibilityTimeout: String(Math.ceil(visibilityMs / 1000)),
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: dead.arn, maxReceiveCount: RECEIVES_MAX }),
    },
    client,
  );
  return { ...queue, deadLettersUrl: dead.url };
}

async function ensure(
  name: string,
  attributes: Partial<Record<QueueAttributeName, string>>,
  client: SQSClient,
): Promise<{ url: string; arn: string }> {
  await unlessThere(
    () => client.send(new CreateQueueCommand({ QueueName: name, Attributes: attributes })),
    ["QueueNameExists", "QueueAlreadyExists"],
  );
  const { QueueUrl: url } = await client.send(new GetQueueUrlCommand({ QueueName: name }));
  const { Attributes } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["QueueArn"] }),
  );
  if (url !== undefined && Attributes?.QueueArn !== undefined) return { url, arn: Attributes.QueueArn };
  throw new PortError(
    "QueueNotFound",
    `Expected the queue ${name} to have a URL and an ARN once made, got none.`,
    {
      retryable: false,
      data: { queue: name },
    },
  );
}

const ensureBucket = (bucket: string, client: S3Client): Promise<boolean> =>
  unlessThere(
    () => client.send(new CreateBucketCommand({ Bucket: bucket })),
    ["BucketAlreadyOwnedByYou", "BucketAlreadyExists"],
  );

async function ensureScheduleGroup(group: string, client: SchedulerClient): Promise<void> {
  if (group === DEFAULT_SCHEDULE_GROUP) return;
  await unlessThere(
    () => client.send(new CreateScheduleGroupCommand({ Name: group })),
    ["ConflictException"],
  );
}

/** Whether `make` made something; false if it was there already, by one of the errors named. */
async function unlessThere(make: () => Promise<unknown>, errors: string[]): Promise<boolean> {
  try {
    await make();
    return true;
  } catch (error) {
    if (errors.some((name) => isException(error, name))) return false;
    throw error;
  }
}

const nameOf = (queueUrlOrName: string): string => queueUrlOrName.slice(queueUrlOrName.lastIndexOf("/") + 1);
