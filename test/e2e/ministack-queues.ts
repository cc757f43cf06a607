/** A deployment's queues and schedules, as their owner sees them. */
import { setTimeout as sleep } from "node:timers/promises";
import { GetScheduleCommand, ListSchedulesCommand, SchedulerClient } from "@aws-sdk/client-scheduler";
import { PurgeQueueCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { Deployment } from "./ministack-deployment.ts";

const SETTLED_MS = 1_000;

type Deployed = Pick<Deployment, "ministack" | "owner" | "aws">;

const clientOf = ({ ministack, owner }: Deployed): SQSClient =>
  new SQSClient({ endpoint: ministack.endpoint, region: ministack.region, credentials: owner });

export async function enqueue(deployment: Deployed, QueueUrl: string, message: object): Promise<void> {
  await clientOf(deployment).send(new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify(message) }));
}

/** Does something while nothing takes messages from a queue, and throws away what was sent to it. */
export async function losingMessages<T>(
  deployment: Deployed,
  arn: RegExp,
  QueueUrl: string,
  during: () => Promise<T>,
): Promise<T> {
  const { aws } = deployment;
  const answer = await aws("lambda", "GET", "/2015-03-31/event-source-mappings/");
  const mappings = JSON.parse(answer).EventSourceMappings as { UUID: string; EventSourceArn: string }[];
  const { UUID } = mappings.find(({ EventSourceArn }) => arn.test(EventSourceArn))!;
  const path = `/2015-03-31/event-source-mappings/${UUID}`;
  const enable = (Enabled: boolean) => aws("lambda", "PUT", path, { body: JSON.stringify({ Enabled }) });
  await enable(false);
  await sleep(SETTLED_MS);
  const result = await during();
  await clientOf(deployment).send(new PurgeQueueCommand({ QueueUrl }));
  await enable(true);
  return result;
}

/** The names of the schedules whose message is for a run. */
export async function schedulesOf(
  { ministack, owner }: Deployed,
  GroupName: string,
  runId: string,
): Promise<string[]> {
  const client = new SchedulerClient({
    endpoint: ministack.endpoint,
    region: ministack.region,
    credentials: owner,
  });
  const { Schedules = [] } = await client.send(new ListSchedulesCommand({ GroupName }));
  const found: string[] = [];
  for (const { Name } of Schedules) {
    const { Target } = await client.send(new GetScheduleCommand({ GroupName, Name }));
    if (Target?.Input?.includes(runId)) found.push(Name!);
  }
  return found;
}
