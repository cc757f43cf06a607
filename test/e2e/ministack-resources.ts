/** The deployed resources as their owner sees them: queues, schedules, blobs, events, the sweep, the table. */
import { setTimeout as sleep } from "node:timers/promises";
import { DescribeTimeToLiveCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import {
  GetScheduleCommand,
  type GetScheduleCommandOutput,
  ListSchedulesCommand,
  SchedulerClient,
} from "@aws-sdk/client-scheduler";
import {
  GetQueueAttributesCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import type { Deployment } from "./ministack-deployment.ts";

const JSON_1_1 = "application/x-amz-json-1.1";
const SETTLED_MS = 1_000;

export type DeployedResources = ReturnType<typeof resourcesOf>;

export function resourcesOf({ ministack, owner, outputs, aws }: Deployment) {
  const config = { endpoint: ministack.endpoint, region: ministack.region, credentials: owner };
  const sqs = new SQSClient(config);
  const scheduler = new SchedulerClient(config);
  const dynamodb = new DynamoDBClient(config);
  const s3 = new S3Client({ ...config, forcePathStyle: true });

  const visibilityOf = async (QueueUrl: string) => {
    const names = ["VisibilityTimeout" as const];
    const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: names }));
    return Attributes!.VisibilityTimeout!;
  };
  const setVisibility = (QueueUrl: string, VisibilityTimeout: string) =>
    sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { VisibilityTimeout } }));

  return {
    async sendMessage(QueueUrl: string, body: unknown): Promise<void> {
      const MessageBody = typeof body === "string" ? body : JSON.stringify(body);
      const fifo = { MessageGroupId: "e2e", MessageDeduplicationId: String(Date.now()) };
      await sqs.send(
        new SendMessageCommand({ QueueUrl, MessageBody, ...(QueueUrl.endsWith(".fifo") ? fifo : {}) }),
      );
    },

    async receiveBody(QueueUrl: string): Promise<string | undefined> {
      const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
      return Messages?.[0]?.Body;
    },

    /** Ten tries of a message take half an hour with the deployed visibility. */
    async withShortVisibility<T>(queueUrl: string, during: () => Promise<T>): Promise<T> {
      const deployed = await visibilityOf(queueUrl);
      await setVisibility(queueUrl, "1");
      const result = await during();
      await setVisibility(queueUrl, deployed);
      return result;
    },

    /** Does something while nothing takes wakes from the work queue, and throws away the wakes that it sent. */
    async losingWakes<T>(during: () => Promise<T>): Promise<T> {
      const mappings = JSON.parse(
        await aws("lambda", "GET", "/2015-03-31/event-source-mappings/"),
      ).EventSourceMappings;
      const { UUID } = mappings.find(({ EventSourceArn }: { EventSourceArn: string }) =>
        /QueuesWork/.test(EventSourceArn),
      );
      const path = `/2015-03-31/event-source-mappings/${UUID}`;
      const enable = (Enabled: boolean) => aws("lambda", "PUT", path, { body: JSON.stringify({ Enabled }) });
      await enable(false);
      await sleep(SETTLED_MS);
      const result = await during();
      await sqs.send(new PurgeQueueCommand({ QueueUrl: outputs.FlowsWorkQueueUrl }));
      await enable(true);
      return result;
    },

    /** A run's schedules: their message names it. */
    async schedulesOf(runId: string): Promise<GetScheduleCommandOutput[]> {
      const GroupName = outputs.FlowsScheduleGroupName;
      const { Schedules = [] } = await scheduler.send(new ListSchedulesCommand({ GroupName }));
      const all = await Promise.all(
        Schedules.map(({ Name }) =>
          scheduler.send(new GetScheduleCommand({ GroupName, Name })).catch(() => undefined),
        ),
      );
      return all.filter((schedule) => schedule?.Target?.Input?.includes(runId)) as GetScheduleCommandOutput[];
    },

    async blobKeys(runId: string): Promise<string[]> {
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: outputs.FlowsBucketName }));
      return Contents.map(({ Key }) => Key!).filter((key) => key.includes(runId));
    },

    async putEvent(detailType: string, detail: object): Promise<void> {
      const Entries = [{ Source: "shop", DetailType: detailType, Detail: JSON.stringify(detail) }];
      const headers = { "content-type": JSON_1_1, "x-amz-target": "AWSEvents.PutEvents" };
      const answer = JSON.parse(
        await aws("events", "POST", "/", { body: JSON.stringify({ Entries }), headers }),
      );
      if (answer.FailedEntryCount !== 0)
        throw new Error(`EventBridge refused the event: ${JSON.stringify(answer)}`);
    },

    async invokeSweep(): Promise<void> {
      await aws("lambda", "POST", `/2015-03-31/functions/${outputs.FlowsSweepFunctionName}/invocations`, {
        body: "{}",
      });
    },

    async timeToLive() {
      const describe = new DescribeTimeToLiveCommand({ TableName: outputs.FlowsTableName });
      return (await dynamodb.send(describe)).TimeToLiveDescription;
    },
  };
}
