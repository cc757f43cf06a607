/**
 * The queues on SQS: `work` is a standard queue, `signals` a FIFO queue.
 *
 * 1. Batches hold at most ten messages and one MiB. What a batch leaves over is sent again, and only that.
 * 2. A batch to the FIFO queue holds at most one message of a group: a part that is sent again would otherwise come
 *    after its successors.
 * 3. Delays are rounded up to seconds and cut to SQS's maximum. Group and deduplication ids that SQS would refuse
 *    are hashed.
 * 4. Bodies are JSON text: the two characters that JSON may hold and SQS refuses are sent as JSON escapes.
 */
import { createHash } from "node:crypto";
import {
  type BatchResultErrorEntry,
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { PortError } from "../../core/errors.ts";
import { MESSAGE_BYTES_MAX, MESSAGE_DELAY_MS_MAX, MESSAGES_PER_BATCH_MAX } from "../../core/limits.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Meter } from "../../ports/meter.ts";
import type { OutgoingMessage, Queue, QueueName, ReceivedMessage } from "../../ports/queue.ts";
import { type Call, isException, withLeftovers, withRetry } from "./retry.ts";

export interface SqsQueueOptions {
  client: SQSClient;
  workQueueUrl: string;
  signalsQueueUrl: string;
  /** The work queue of each worker group beside the default one. */
  groups?: Record<string, { queueUrl: string }> | undefined;
  clock: Clock;
  meter: Meter;
}

const POLL_SECONDS_MAX = 20;
/** The client's own time limit is made for polls. */
const WITHIN = { requestTimeout: 5_000 };
const VISIBILITY_SECONDS_MAX = 43_200;
/** SQS bills each 64 KB of a request as a request. */
const REQUEST_BYTES = 64 * 1024;
const FIFO_ID = /^[A-Za-z0-9!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]{1,128}$/;
const RECEIPT_IS_OVER = [
  "ReceiptHandleIsInvalid",
  "InvalidParameterValue",
  "InvalidParameterValueException",
  "MessageNotInflight",
];

interface Outgoing {
  message: OutgoingMessage;
  /** The same in every attempt. */
  id: string;
  body: string;
  bytes: number;
}

export class SqsQueue implements Queue {
  readonly #client: SQSClient;
  readonly #urls: Record<QueueName, string>;
  readonly #groups: Record<string, { queueUrl: string }>;
  readonly #clock: Clock;
  readonly #meter: Meter;

  constructor(options: SqsQueueOptions) {
    this.#client = options.client;
    this.#urls = { work: options.workQueueUrl, signals: options.signalsQueueUrl };
    this.#groups = options.groups ?? {};
    this.#clock = options.clock;
    this.#meter = options.meter;
  }

  async send(queue: QueueName, messages: OutgoingMessage[]): Promise<void> {
    const outgoing = messages.map((message) => toOutgoing(message, this.#clock));
    const byUrl = Map.groupBy(outgoing, ({ message }) => this.#urlFor(queue, message));
    for (const [url, together] of byUrl) {
      const batches = queue === "work" ? batchesOf(together) : fifoBatchesOf(together);
      for (const batch of batches) await this.#sendBatch(queue, url, batch);
    }
  }

  #urlFor(queue: QueueName, { workers }: OutgoingMessage): string {
    const ofGroup = queue === "work" && workers !== undefined ? this.#groups[workers]?.queueUrl : undefined;
    return ofGroup ?? this.#urls[queue];
  }

  async receive(
    queue: QueueName,
    { max, waitMs, signal }: { max: number; waitMs: number; signal?: AbortSignal },
  ): Promise<ReceivedMessage[]> {
    const until = this.#clock.now() + waitMs;
    for (let seconds = Math.ceil(waitMs / 1000); ; seconds = Math.floor((until - this.#clock.now()) / 1000)) {
      if (signal?.aborted) return [];
      const received = await this.#poll(queue, max, seconds, signal);
      if (received.length > 0 || this.#clock.now() + 1_000 > until) return received;
    }
  }

  async acknowledge(queue: QueueName, receipts: string[]): Promise<void> {
    const call = this.#call(queue, `acknowledge messages of the ${queue} queue`);
    for (const batch of chunksOf([...new Set(receipts)], MESSAGES_PER_BATCH_MAX)) {
      await withLeftovers(this.#clock, call, batch, async (left) => {
        const Entries = left.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle }));
        const command = new DeleteMessageBatchCommand({ QueueUrl: this.#urls[queue], Entries });
        const { Failed = [] } = await this.#client.send(command, WITHIN);
        this.#meter.count(undefined, "queueRequests", 1);
        return leftoversOf(
          left,
          Failed.filter((failed) => !isReceiptOver(failed)),
          call,
        );
      });
    }
  }

  async release(queue: QueueName, receipt: string, delayMs: number): Promise<void> {
    const call = this.#call(queue, `release a message of the ${queue} queue`);
    const command = new ChangeMessageVisibilityCommand({
      QueueUrl: this.#urls[queue],
      ReceiptHandle: receipt,
      VisibilityTimeout: Math.min(VISIBILITY_SECONDS_MAX, Math.ceil(delayMs / 1000)),
    });
    await withRetry(this.#clock, call, async () => {
      try {
        await this.#client.send(command, WITHIN);
      } catch (error) {
        // It is visible already, or gone: nothing is left to release.
        if (!RECEIPT_IS_OVER.some((name) => isException(error, name))) throw error;
      }
    });
    this.#meter.count(undefined, "queueRequests", 1);
  }

  async #sendBatch(queue: QueueName, url: string, batch: Outgoing[]): Promise<void> {
    const call = this.#call(queue, `send ${batch.length} messages to the ${queue} queue`, url);
    await withLeftovers(this.#clock, call, batch, async (left) => {
      const Entries = left.map((outgoing, index) => toEntry(queue, outgoing, index));
      const { Failed = [] } = await this.#client.send(
        new SendMessageBatchCommand({ QueueUrl: url, Entries }),
        WITHIN,
      );
      const bytes = left.reduce((sum, outgoing) => sum + outgoing.bytes, 0);
      const share = Math.max(1, Math.ceil(bytes / REQUEST_BYTES)) / left.length;
      for (const { message } of left) this.#meter.count(message.runId, "queueRequests", share);
      return leftoversOf(left, Failed, call);
    });
  }

  async #poll(
    queue: QueueName,
    max: number,
    seconds: number,
    signal?: AbortSignal,
  ): Promise<ReceivedMessage[]> {
    const command = new ReceiveMessageCommand({
      QueueUrl: this.#urls[queue],
      MaxNumberOfMessages: Math.min(max, MESSAGES_PER_BATCH_MAX),
      WaitTimeSeconds: Math.min(seconds, POLL_SECONDS_MAX),
      MessageSystemAttributeNames: [
        "ApproximateReceiveCount",
        "SentTimestamp",
        "MessageGroupId",
        "MessageDeduplicationId",
      ],
    });
    const call = this.#call(queue, `receive from the ${queue} queue`);
    const answer = await withRetry(this.#clock, call, async () => {
      try {
        return await this.#client.send(command, signal === undefined ? {} : { abortSignal: signal });
      } catch (error) {
        if (signal?.aborted) return { Messages: [] };
        throw error;
      }
    });
    this.#meter.count(undefined, "queueRequests", 1);
    return (answer.Messages ?? []).map(toReceived);
  }

  #call(queue: QueueName, doing: string, url = this.#urls[queue]): Call {
    return {
      doing,
      data: { queue, url },
      missing: {
        errors: ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"],
        code: "QueueNotFound",
        message: `Expected the queue ${url} to exist, got none. Run \`cdk deploy\`, or check AWS_REGION and AWS_ENDPOINT_URL_SQS.`,
      },
    };
  }
}

function toReceived(message: Message): ReceivedMessage {
  const { MessageGroupId: group, MessageDeduplicationId: id, ...attributes } = message.Attributes ?? {};
  return {
    messageId: message.MessageId ?? "",
    receipt: message.ReceiptHandle ?? "",
    body: message.Body ?? "",
    ...(group === undefined ? {} : { group }),
    ...(id === undefined ? {} : { id }),
    receiveCount: Number(attributes.ApproximateReceiveCount ?? 1),
    sentAt: Number(attributes.SentTimestamp ?? 0),
  };
}

function toOutgoing(message: OutgoingMessage, clock: Clock): Outgoing {
  const body = message.body.replace(
    /[\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16)}`,
  );
  const bytes = Buffer.byteLength(body);
  if (bytes <= MESSAGE_BYTES_MAX) return { message, id: message.id ?? clock.id(), body, bytes };
  throw new PortError(
    "MessageTooLarge",
    `Expected a message of run ${message.runId} to be at most ${MESSAGE_BYTES_MAX} bytes, got ${bytes}.`,
    { retryable: false, data: { runId: message.runId, bytes, bytesMax: MESSAGE_BYTES_MAX } },
  );
}

function toEntry(
  queue: QueueName,
  { message, id, body }: Outgoing,
  index: number,
): SendMessageBatchRequestEntry {
  const entry = { Id: String(index), MessageBody: body };
  if (queue === "work") {
    const delayMs = Math.min(message.delayMs ?? 0, MESSAGE_DELAY_MS_MAX);
    return delayMs > 0 ? { ...entry, DelaySeconds: Math.ceil(delayMs / 1000) } : entry;
  }
  return {
    ...entry,
    MessageGroupId: fifoId(message.group ?? message.runId),
    MessageDeduplicationId: fifoId(id),
  };
}

/** An id as SQS takes it: itself, or its hash where it is too long or has other characters. */
const fifoId = (id: string): string =>
  FIFO_ID.test(id) ? id : createHash("sha256").update(id).digest("base64url");

function batchesOf(outgoing: Outgoing[]): Outgoing[][] {
  const batches: Outgoing[][] = [];
  let bytes = 0;
  for (const one of outgoing) {
    const batch = batches.at(-1);
    const fits =
      batch !== undefined && batch.length < MESSAGES_PER_BATCH_MAX && bytes + one.bytes <= MESSAGE_BYTES_MAX;
    if (fits) batch.push(one);
    else batches.push([one]);
    bytes = fits ? bytes + one.bytes : one.bytes;
  }
  return batches;
}

/** The first of every group, then the second of every group, and so on, each in batches. */
function fifoBatchesOf(outgoing: Outgoing[]): Outgoing[][] {
  const rounds: Outgoing[][] = [];
  const sent = new Map<string, number>();
  for (const one of outgoing) {
    const group = one.message.group ?? one.message.runId;
    const round = sent.get(group) ?? 0;
    sent.set(group, round + 1);
    rounds[round] ??= [];
    rounds[round].push(one);
  }
  return rounds.flatMap(batchesOf);
}

/** What a batch left over. A part that SQS calls the sender's fault would fail each time. */
function leftoversOf<T>(
  sent: T[],
  failed: BatchResultErrorEntry[],
  call: Call,
): { again: T[]; reason?: string } {
  const refused = failed.find((entry) => entry.SenderFault && !isThrottled(entry));
  if (refused !== undefined) {
    throw new PortError(
      "RequestRefused",
      `Could not ${call.doing}: ${refused.Code}: ${refused.Message ?? ""}`,
      {
        retryable: false,
        data: { ...call.data, error: refused.Code ?? "" },
      },
    );
  }
  const again = failed.map((entry) => sent[Number(entry.Id)]).filter((one) => one !== undefined);
  const reason = failed[0]?.Code;
  return reason === undefined ? { again } : { again, reason };
}

const isThrottled = ({ Code = "" }: BatchResultErrorEntry): boolean => /throttl/i.test(Code);
const isReceiptOver = ({ Code = "" }: BatchResultErrorEntry): boolean => RECEIPT_IS_OVER.includes(Code);

function* chunksOf<T>(items: T[], size: number): Generator<T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}
