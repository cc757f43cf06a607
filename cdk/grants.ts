/**
 * What each function may do: exact actions on exact resources, one named list a function. A call that an adapter
 * gains has to be added here, and the end-to-end test with IAM enforced tells when it was forgotten.
 */
import { Stack } from "aws-cdk-lib";
import type * as events from "aws-cdk-lib/aws-events";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import type * as sqs from "aws-cdk-lib/aws-sqs";
import { TABLE_SCHEMA } from "../shared/adapters/aws/names.ts";
import type { QueuePair, Queues } from "./queues.ts";
import type { Schedules } from "./schedules.ts";
import type { Storage } from "./storage.ts";

export interface Resources {
  /** Where status changes are published. */
  bus?: events.IEventBus | undefined;
  storage: Storage;
  queues: Queues;
  schedules: Schedules;
}

const allow = (actions: string[], resources: string[], conditions?: Record<string, unknown>) =>
  new iam.PolicyStatement({ actions, resources, ...(conditions ? { conditions } : {}) });

const publish = (bus: events.IEventBus | undefined): iam.PolicyStatement[] =>
  bus === undefined ? [] : [allow(["events:PutEvents"], [bus.eventBusArn])];

/** Starts, reads, changes, lists and removes runs; sends their wakes and signals. */
export function apiGrants({ bus, storage, queues, schedules }: Resources): iam.PolicyStatement[] {
  return [
    allow(
      [...readAndAppend, "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem"],
      [storage.table.tableArn],
    ),
    queryLists(storage),
    send(...works(queues), queues.signals.queue),
    allow(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], [blobs(storage)]),
    listBlobs(storage),
    ...makeSchedules(schedules, "scheduler:DeleteSchedule"),
    ...publish(bus),
  ];
}

/** Advances the runs of one group, whose work queue is `own`. Users add what their own code needs. */
export function advanceGrants(
  { bus, storage, queues, schedules }: Resources,
  own: QueuePair = queues.work,
): iam.PolicyStatement[] {
  // Bulk operations list runs; like all of the engine's own, they are the default group's.
  const isDefault = own === queues.work;
  return [
    allow([...readAndAppend, ...(isDefault ? ["dynamodb:BatchGetItem"] : [])], [storage.table.tableArn]),
    ...(isDefault ? [queryLists(storage)] : []),
    send(...works(queues), queues.signals.queue),
    receive(own.queue),
    allow(["s3:GetObject", "s3:PutObject"], [blobs(storage)]),
    listBlobs(storage),
    ...makeSchedules(schedules),
    ...publish(bus),
  ];
}

/** Appends signals to journals and wakes their runs; large payloads were stored by their senders. */
export function signalsGrants({ storage, queues }: Resources): iam.PolicyStatement[] {
  return [
    allow([...readAndAppend], [storage.table.tableArn]),
    send(...works(queues)),
    receive(queues.signals.queue),
  ];
}

/** Finds runs whose wake was lost, backs their `dueAt` off, and wakes them. */
export function sweepGrants({ storage, queues }: Resources): iam.PolicyStatement[] {
  return [
    allow(["dynamodb:GetItem", "dynamodb:UpdateItem"], [storage.table.tableArn]),
    allow(["dynamodb:Query"], [indexArn(storage, "due")]),
    send(...works(queues)),
  ];
}

/** Starts runs and passes signals on, as asked by other AWS services. */
export function triggersGrants({ storage, queues }: Resources): iam.PolicyStatement[] {
  return [
    allow(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"], [storage.table.tableArn]),
    send(...works(queues), queues.signals.queue),
    receive(queues.triggers.queue),
    allow(["s3:PutObject"], [blobs(storage)]),
  ];
}

/** What Lambda needs to attach a function to a network; most of it takes no resource. */
export const networkGrants = (): iam.PolicyStatement[] => [
  allow(
    [
      "ec2:CreateNetworkInterface",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSubnets",
      "ec2:DeleteNetworkInterface",
      "ec2:AssignPrivateIpAddresses",
      "ec2:UnassignPrivateIpAddresses",
    ],
    ["*"],
  ),
];

const works = (queues: Queues): sqs.IQueue[] => queues.works.map(({ queue }) => queue);

/** Asks the Lambda function that does a remote workflow's steps. */
export const runnerGrant = ({ functionArn }: lambda.IFunction): iam.PolicyStatement =>
  allow(["lambda:InvokeFunction"], [functionArn]);

const readAndAppend = [
  "dynamodb:GetItem",
  "dynamodb:PutItem",
  "dynamodb:Query",
  "dynamodb:UpdateItem",
] as const;

const queryLists = (storage: Storage) =>
  allow(
    ["dynamodb:Query"],
    (["list", "owner", "parent"] as const).map((index) => indexArn(storage, index)),
  );

const indexArn = ({ table }: Storage, index: keyof typeof TABLE_SCHEMA.indexes) =>
  `${table.tableArn}/index/${TABLE_SCHEMA.indexes[index].name}`;

const blobs = ({ bucket }: Storage) => bucket.arnForObjects("*");

/** Without it, S3 answers a missing blob with 403 instead of 404. */
const listBlobs = ({ bucket }: Storage) => allow(["s3:ListBucket"], [bucket.bucketArn]);

const send = (...queues: sqs.IQueue[]) =>
  allow(
    ["sqs:SendMessage"],
    queues.map((queue) => queue.queueArn),
  );

/** What Lambda's poller needs. */
export const receive = (queue: sqs.IQueue) =>
  allow(
    ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"],
    [queue.queueArn],
  );

/** `GetSchedule` tells an own schedule of the same name from another one; fired ones delete themselves. */
function makeSchedules({ group, role }: Schedules, ...more: string[]): iam.PolicyStatement[] {
  const ofGroup = Stack.of(group).formatArn({
    service: "scheduler",
    resource: "schedule",
    resourceName: `${group.scheduleGroupName}/*`,
  });
  return [
    allow(["scheduler:CreateSchedule", "scheduler:GetSchedule", ...more], [ofGroup]),
    allow(["iam:PassRole"], [role.roleArn], {
      StringEquals: { "iam:PassedToService": "scheduler.amazonaws.com" },
    }),
  ];
}
