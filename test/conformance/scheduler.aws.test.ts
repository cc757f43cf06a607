import { existsSync } from "node:fs";
import { CreateScheduleGroupCommand, SchedulerClient } from "@aws-sdk/client-scheduler";
import { SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, it } from "vitest";
import { ensureQueue } from "../../shared/adapters/aws/provision.ts";
import { SqsQueue } from "../../shared/adapters/aws/queue.ts";
import { EventBridgeScheduler } from "../../shared/adapters/aws/scheduler.ts";
import { systemClock as clock } from "../../shared/adapters/local/clock.ts";
import { Meter } from "../../shared/ports/meter.ts";
import { type MiniStack, startMiniStack } from "../support/ministack.ts";
import { realTime } from "../support/ports.ts";
import { schedulerSuite } from "./scheduler.suite.ts";

const isInstalled = existsSync(new URL("../../.venv", import.meta.url));

if (isInstalled) describe("on MiniStack", onMiniStack);
else
  it.skip("scheduler: aws — skipped: MiniStack is not installed; the end-to-end test installs it", () => {});

function onMiniStack(): void {
  let miniStack: MiniStack;
  let sqs: SQSClient;
  let client: SchedulerClient;
  let drawn = 0;

  beforeAll(async () => {
    miniStack = await startMiniStack();
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    const common = { endpoint: miniStack.endpoint, region: miniStack.region, credentials };
    sqs = new SQSClient(common);
    client = new SchedulerClient(common);
  });
  afterAll(async () => {
    sqs.destroy();
    client.destroy();
    await miniStack.stop();
  });

  schedulerSuite("aws", async () => {
    const suffix = ++drawn;
    const work = await ensureQueue(`work-${suffix}`, sqs);
    const signals = await ensureQueue(`signals-${suffix}.fifo`, sqs);
    const group = `group-${suffix}`;
    await client.send(new CreateScheduleGroupCommand({ Name: group }));
    const meter = new Meter();
    const roleArn = `arn:aws:iam::${miniStack.account}:role/scheduler`;
    const scheduler = new EventBridgeScheduler({
      client,
      group,
      workQueueArn: work.arn,
      roleArn,
      clock,
      meter,
    });
    const queue = new SqsQueue({
      client: sqs,
      workQueueUrl: work.url,
      signalsQueueUrl: signals.url,
      clock,
      meter,
    });
    return { scheduler, queue, clock, meter, advance: realTime, close: async () => {} };
  });
}
