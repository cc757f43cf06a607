import { ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll } from "vitest";
import { ensureQueue } from "../../shared/adapters/aws/provision.ts";
import { SqsQueue } from "../../shared/adapters/aws/queue.ts";
import { systemClock as clock } from "../../shared/adapters/local/clock.ts";
import { Meter } from "../../shared/ports/meter.ts";
import type { QueueName } from "../../shared/ports/queue.ts";
import { type Fauxqs, startFauxqs } from "../support/fauxqs.ts";
import { realTime } from "../support/ports.ts";
import { type QueueUnderTest, queueSuite, VISIBILITY_MS } from "./queue.suite.ts";

let fauxqs: Fauxqs;
let drawn = 0;

beforeAll(async () => {
  fauxqs = await startFauxqs();
});
afterAll(() => fauxqs.stop());

const surrogates =
  "fauxqs refuses characters above U+FFFF, which SQS takes; others are sent in test/adapters/aws/queue.test.ts";
const skip = {
  "work: a message comes as it was sent": surrogates,
  "signals: a message comes as it was sent": surrogates,
  "signals: a request is counted per batch, for the runs in it":
    "a batch holds one message of a group, so that sending a part again keeps the group's order",
};

async function open(): Promise<QueueUnderTest> {
  const suffix = ++drawn;
  const client = fauxqs.sqs;
  const work = await ensureQueue(`work-${suffix}`, client, VISIBILITY_MS);
  const signals = await ensureQueue(`signals-${suffix}.fifo`, client, VISIBILITY_MS);
  const meter = new Meter();
  const queue = new SqsQueue({ client, workQueueUrl: work.url, signalsQueueUrl: signals.url, clock, meter });
  const deadLetters = async (name: QueueName) => {
    const url = (name === "work" ? work : signals).deadLettersUrl;
    const { Messages = [] } = await client.send(
      new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 10 }),
    );
    return Messages.map((message) => message.Body ?? "");
  };
  return { queue, clock, meter, deadLetters, advance: realTime, close: async () => {} };
}

queueSuite("aws", open, { skip });
