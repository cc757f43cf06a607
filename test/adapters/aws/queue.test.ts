import {
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { mockClient } from "aws-sdk-client-mock";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ensureQueue } from "../../../shared/adapters/aws/provision.ts";
import { SqsQueue } from "../../../shared/adapters/aws/queue.ts";
import { ATTEMPTS_MAX } from "../../../shared/adapters/aws/retry.ts";
import { systemClock } from "../../../shared/adapters/local/clock.ts";
import { MESSAGE_BYTES_MAX } from "../../../shared/core/limits.ts";
import { Meter } from "../../../shared/ports/meter.ts";
import { type Fauxqs, startFauxqs } from "../../support/fauxqs.ts";
import { awsError, type InstantClock, instantClock, region } from "./clock.ts";

describe("requests", () => {
  const mock = mockClient(SQSClient);
  let meter: Meter;
  let clock: InstantClock;
  let queue: SqsQueue;

  beforeEach(() => {
    mock.reset();
    mock.on(SendMessageBatchCommand).resolves({});
    meter = new Meter();
    clock = instantClock();
    const urls = { workQueueUrl: "https://sqs/work", signalsQueueUrl: "https://sqs/signals.fifo" };
    queue = new SqsQueue({ client: new SQSClient(region), ...urls, clock, meter });
  });
  afterAll(() => mock.restore());

  const sent = (): SendMessageBatchRequestEntry[][] =>
    mock.commandCalls(SendMessageBatchCommand).map((call) => call.args[0].input.Entries ?? []);
  const sentBodies = () => sent().map((entries) => entries.map((entry) => entry.MessageBody));
  const failed = (index: number, fields: { Code?: string; SenderFault?: boolean } = {}) => ({
    Id: String(index),
    Code: "InternalError",
    SenderFault: false,
    ...fields,
  });

  it("sends each wake to the queue of its worker group, and those of unknown groups to the default one", async () => {
    const groups = { payments: { queueUrl: "https://sqs/payments" } };
    const urls = { workQueueUrl: "https://sqs/work", signalsQueueUrl: "https://sqs/signals.fifo" };
    queue = new SqsQueue({ client: new SQSClient(region), ...urls, groups, clock, meter });
    const of = (body: string, workers?: string) => ({ runId: "r", body, ...(workers && { workers }) });
    await queue.send("work", [
      of("1"),
      of("2", "payments"),
      of("3"),
      of("4", "gone"),
      of("5", "constructor"),
    ]);
    const calls = mock.commandCalls(SendMessageBatchCommand).map((call) => call.args[0].input);
    expect(
      calls.map(({ QueueUrl, Entries = [] }) => [QueueUrl, Entries.map((entry) => entry.MessageBody)]),
    ).toEqual([
      ["https://sqs/work", ["1", "3", "4", "5"]],
      ["https://sqs/payments", ["2"]],
    ]);
  });

  it("rounds delays up to seconds and cuts them at 900", async () => {
    const delays = [undefined, 0, 1, 1_000, 1_001, 900_000, 86_400_000];
    const message = (delayMs: number | undefined) => ({
      runId: "r",
      body: "{}",
      ...(delayMs === undefined ? {} : { delayMs }),
    });
    await queue.send("work", delays.map(message));
    expect(sent()[0]!.map((entry) => entry.DelaySeconds)).toEqual([undefined, undefined, 1, 1, 2, 900, 900]);
    expect(mock.call(0).args[0].input).toMatchObject({ QueueUrl: "https://sqs/work" });
  });

  it("fills batches up to ten messages and one MiB", async () => {
    const third = "x".repeat(MESSAGE_BYTES_MAX / 4);
    const bodies = [third, third, third, third, "a", ...Array.from({ length: 12 }, (_, index) => `${index}`)];
    await queue.send(
      "work",
      bodies.map((body) => ({ runId: "r", body })),
    );
    expect(sent().map((entries) => entries.length)).toEqual([4, 10, 3]);
    expect(sentBodies().flat()).toEqual(bodies);
    expect(meter.total.queueRequests).toBeCloseTo(16 + 1 + 1, 6);
  });

  it("sends again what failed, and only that, with jitter", async () => {
    mock
      .on(SendMessageBatchCommand)
      .resolvesOnce({ Successful: [], Failed: [failed(1), failed(3)] })
      .resolvesOnce({ Successful: [], Failed: [failed(0, { Code: "Throttled", SenderFault: true })] })
      .resolves({});
    await queue.send(
      "work",
      ["a", "b", "c", "d"].map((body) => ({ runId: "r", body })),
    );
    expect(sentBodies()).toEqual([["a", "b", "c", "d"], ["b", "d"], ["b"]]);
    expect(clock.slept).toHaveLength(2);
  });

  it("rejects, for later, what fails each time", async () => {
    mock.on(SendMessageBatchCommand).resolves({ Successful: [], Failed: [failed(0)] });
    await expect(queue.send("work", [{ runId: "r", body: "a" }])).rejects.toMatchObject({
      code: "Throttled",
      retryable: true,
    });
    expect(sent()).toHaveLength(ATTEMPTS_MAX);
  });

  it("rejects at once what SQS calls the sender's fault", async () => {
    const wrong = failed(0, { Code: "InvalidMessageContents", SenderFault: true });
    mock.on(SendMessageBatchCommand).resolves({ Successful: [], Failed: [wrong] });
    await expect(queue.send("work", [{ runId: "r", body: "a" }])).rejects.toMatchObject({
      code: "RequestRefused",
      retryable: false,
    });
    expect(sent()).toHaveLength(1);
  });

  it("keeps a group's order although a part of a batch has to be sent again", async () => {
    mock
      .on(SendMessageBatchCommand)
      .resolvesOnce({ Successful: [], Failed: [failed(0)] })
      .resolves({});
    const messages = ["a1", "b1", "a2", "c1", "a3", "b2"];
    await queue.send(
      "signals",
      messages.map((body) => ({ runId: "r", body, group: body[0]!, id: body })),
    );
    expect(sentBodies()).toEqual([["a1", "b1", "c1"], ["a1"], ["a2", "b2"], ["a3"]]);
  });

  it("counts a request per batch of different groups", async () => {
    const messages = Array.from({ length: 25 }, (_, index) => ({
      runId: "r",
      body: `${index}`,
      group: `g-${index}`,
    }));
    await queue.send("signals", messages);
    expect(meter.drain("r")?.queueRequests).toBeCloseTo(3, 6);
  });

  it("hashes groups and ids that SQS would refuse, and only those", async () => {
    const odd = ["ü", "a b", "x".repeat(129), ""];
    await queue.send("signals", [
      { runId: "r", body: "1", group: "order:7~a.b_c-d", id: "x".repeat(128) },
      ...odd.map((text, index) => ({ runId: "r", body: `${index}`, group: `${text}${text}`, id: text })),
    ]);
    const [plain, ...hashed] = sent().flat();
    expect(plain).toMatchObject({
      MessageGroupId: "order:7~a.b_c-d",
      MessageDeduplicationId: "x".repeat(128),
    });
    for (const entry of hashed) {
      expect(entry.MessageGroupId).toMatch(/^[\w-]{43}$/);
      expect(entry.MessageDeduplicationId).toMatch(/^[\w-]{43}$/);
    }
    expect(new Set(hashed.map((entry) => entry.MessageDeduplicationId)).size).toBe(odd.length);
  });

  it("gives a signal without an id one of its own, the same in every attempt", async () => {
    mock
      .on(SendMessageBatchCommand)
      .resolvesOnce({ Successful: [], Failed: [failed(0)] })
      .resolves({});
    await queue.send("signals", [{ runId: "r", body: "same", group: "g" }]);
    await queue.send("signals", [{ runId: "r", body: "same", group: "g" }]);
    const [first, again, other] = sent().map((entries) => entries[0]!.MessageDeduplicationId);
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });

  it("sends the characters that SQS refuses as JSON escapes", async () => {
    const payload = { text: "a\u{ffff}b\ufffec" };
    await queue.send("work", [{ runId: "r", body: JSON.stringify(payload) }]);
    const body = sent()[0]![0]!.MessageBody!;
    expect(body).toBe('{"text":"a\\uffffb\\ufffec"}');
    expect(JSON.parse(body)).toEqual(payload);
  });

  it("names a missing queue and what to do", async () => {
    mock.on(SendMessageBatchCommand).rejects(awsError("QueueDoesNotExist"));
    const sending = queue.send("work", [{ runId: "r", body: "a" }]);
    await expect(sending).rejects.toMatchObject({ code: "QueueNotFound", retryable: false });
    await expect(sending).rejects.toThrow("https://sqs/work");
  });

  it("takes a receipt that is over for acknowledged or released", async () => {
    const over = failed(0, { Code: "ReceiptHandleIsInvalid", SenderFault: true });
    mock.on(DeleteMessageBatchCommand).resolves({ Successful: [], Failed: [over] });
    mock.on(ChangeMessageVisibilityCommand).rejects(awsError("MessageNotInflight"));
    await queue.acknowledge("work", ["r-1", "r-1"]);
    await queue.release("work", "r-1", 1);
    const [acknowledged] = mock.commandCalls(DeleteMessageBatchCommand);
    expect(acknowledged!.args[0].input.Entries).toEqual([{ Id: "0", ReceiptHandle: "r-1" }]);
  });

  it("acknowledges again what failed, and only that", async () => {
    mock
      .on(DeleteMessageBatchCommand)
      .resolvesOnce({ Successful: [], Failed: [failed(1)] })
      .resolves({});
    await queue.acknowledge("signals", ["r-1", "r-2"]);
    const receipts = mock
      .commandCalls(DeleteMessageBatchCommand)
      .map((call) => call.args[0].input.Entries!.map((entry) => entry.ReceiptHandle));
    expect(receipts).toEqual([["r-1", "r-2"], ["r-2"]]);
  });
});

describe("over HTTP", () => {
  let fauxqs: Fauxqs;
  beforeAll(async () => {
    fauxqs = await startFauxqs();
  });
  afterAll(() => fauxqs.stop());

  it.each(["work", "signals"] as const)("%s: a message comes as it was sent", async (name) => {
    const work = await ensureQueue("work", fauxqs.sqs);
    const signals = await ensureQueue("signals.fifo", fauxqs.sqs);
    const urls = { workQueueUrl: work.url, signalsQueueUrl: signals.url };
    const queue = new SqsQueue({ client: fauxqs.sqs, ...urls, clock: systemClock, meter: new Meter() });
    const body = JSON.stringify({ text: 'grüezi "quoted" \n \u0000 \uffff \ud800 日本語' });
    const before = Date.now();
    await queue.send(name, [{ runId: "r", body, group: "g-1", id: "i-1" }]);
    const [received] = await queue.receive(name, { max: 10, waitMs: 2_000 });
    expect(JSON.parse(received!.body)).toEqual(JSON.parse(body));
    expect(received).toMatchObject({
      receiveCount: 1,
      ...(name === "signals" ? { group: "g-1", id: "i-1" } : {}),
    });
    expect(received!.messageId).not.toBe("");
    expect(received!.receipt).not.toBe("");
    expect(Math.abs(received!.sentAt - before)).toBeLessThan(5_000);
  });
});
