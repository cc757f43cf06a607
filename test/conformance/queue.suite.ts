/** The promises of `shared/ports/queue.ts`, asked of any adapter. Cases cite the promise that they test. */
import { expect } from "vitest";
import { MESSAGE_BYTES_MAX, RECEIVES_MAX } from "../../shared/core/limits.ts";
import type { OutgoingMessage, QueueName, ReceivedMessage } from "../../shared/ports/queue.ts";
import { costOf, declareSuite, type Opened, type SuiteOptions } from "../support/ports.ts";

/** `deadLetters` gives the bodies in a queue's dead-letter queue. */
export type QueueUnderTest = Opened<"queue"> & { deadLetters(queue: QueueName): Promise<string[]> };
type Port = QueueUnderTest;
type Test = (name: string, body: (port: Port) => Promise<void>) => void;

/** The visibility timeout with which the suite's queues are opened. */
export const VISIBILITY_MS = 2_000;

/** `open` gives empty queues whose visibility timeout is `VISIBILITY_MS`. */
export function queueSuite(name: string, open: () => Promise<Port>, options: SuiteOptions = {}): void {
  declareSuite(`queue: ${name}`, open, options, (test) => {
    sending(test);
    delaying(test);
    redelivering(test);
    ordering(test);
    costing(test);
  });
}

/** Delays may end early by what clocks round. */
const ROUNDED_MS = 20;
const both = ["work", "signals"] as const;
const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));
const bodies = (messages: ReceivedMessage[]): string[] => messages.map((message) => message.body);

/** A message for either queue; on `signals` with group `group` and an id of its own. */
const message = (queue: QueueName, body: string, change: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
  runId: "run-1",
  body,
  ...(queue === "signals" ? { group: "g", id: `id-${body.slice(0, 40)}` } : {}),
  ...change,
});

/** What is there right now. */
const takeNow = (port: Port, queue: QueueName, max = 10): Promise<ReceivedMessage[]> =>
  port.queue.receive(queue, { max, waitMs: 0 });

/** Receives until `count` messages came, or a generous time is over. With `acknowledge`, each batch at once. */
async function take(
  port: Port,
  queue: QueueName,
  count: number,
  acknowledge = false,
): Promise<ReceivedMessage[]> {
  const received: ReceivedMessage[] = [];
  for (let round = 0; round < 1_500 && received.length < count; round++) {
    const batch = await takeNow(port, queue, Math.min(10, count - received.length));
    received.push(...batch);
    if (acknowledge && batch.length > 0) await port.queue.acknowledge(queue, receiptsOf(batch));
    if (batch.length === 0) await port.advance(20);
  }
  return received;
}

const receiptsOf = (messages: ReceivedMessage[]): string[] => messages.map(({ receipt }) => receipt);

function sending(test: Test): void {
  for (const queue of both) {
    test(`${queue}: a message comes as it was sent`, async (port) => {
      const before = port.clock.now();
      await port.queue.send(queue, [
        message(queue, 'grüezi \u{1F600} "quoted" \n', { id: "i-1", group: "g-1" }),
      ]);
      const [received] = await take(port, queue, 1);
      expect(received).toMatchObject({ body: 'grüezi \u{1F600} "quoted" \n', receiveCount: 1 });
      if (queue === "signals") expect(received).toMatchObject({ group: "g-1", id: "i-1" });
      expect(received!.messageId).not.toBe("");
      expect(Math.abs(received!.sentAt - before)).toBeLessThan(5_000);
    });

    test(`${queue}: more than a batch is split, and each comes once (1)`, async (port) => {
      const sent = times(37, (index) => `message ${index}`);
      await port.queue.send(
        queue,
        sent.map((body, index) => message(queue, body, queue === "signals" ? { group: `g-${index}` } : {})),
      );
      const received = await take(port, queue, 37, true);
      expect(bodies(received).sort()).toEqual([...sent].sort());
      expect(await takeNow(port, queue)).toEqual([]);
    });

    test(`${queue}: a batch over the size of one request is split (1)`, async (port) => {
      const sent = times(4, (index) => `${index}`.repeat(400_000));
      await port.queue.send(
        queue,
        sent.map((body, index) =>
          message(queue, body, queue === "signals" ? { group: `g-${index}`, id: `i-${index}` } : {}),
        ),
      );
      expect(bodies(await take(port, queue, 4, true)).sort()).toEqual(sent);
    });

    test(`${queue}: a message too large is refused before anything is sent (1)`, async (port) => {
      const sent = [message(queue, "small"), message(queue, "ü".repeat(MESSAGE_BYTES_MAX / 2 + 1))];
      await expect(port.queue.send(queue, sent)).rejects.toMatchObject({ code: "MessageTooLarge" });
      expect(await takeNow(port, queue)).toEqual([]);
    });

    test(`${queue}: sending nothing and acknowledging nothing are nothing`, async (port) => {
      await port.queue.send(queue, []);
      await port.queue.acknowledge(queue, []);
      expect(await takeNow(port, queue)).toEqual([]);
    });

    test(`${queue}: receive waits for the first message, and no longer`, async (port) => {
      const waiting = port.queue.receive(queue, { max: 10, waitMs: 10_000 });
      await port.queue.send(queue, [message(queue, "awaited")]);
      await port.advance(100);
      expect(bodies(await waiting)).toEqual(["awaited"]);
    });

    test(`${queue}: receive gives up when its time is over`, async (port) => {
      const waiting = port.queue.receive(queue, { max: 10, waitMs: 1_000 });
      await port.advance(1_100);
      expect(await waiting).toEqual([]);
    });

    test(`${queue}: an abort ends the wait with an empty answer`, async (port) => {
      const abort = new AbortController();
      const waiting = port.queue.receive(queue, { max: 10, waitMs: 15_000, signal: abort.signal });
      abort.abort();
      expect(await waiting).toEqual([]);
      expect(await port.queue.receive(queue, { max: 10, waitMs: 15_000, signal: abort.signal })).toEqual([]);
      await port.queue.send(queue, [message(queue, "later")]);
      expect(bodies(await take(port, queue, 1))).toEqual(["later"]);
    });
  }

  test("the two queues are two (2)", async (port) => {
    await port.queue.send("work", [message("work", "w")]);
    await port.queue.send("signals", [message("signals", "s")]);
    expect(bodies(await take(port, "signals", 1))).toEqual(["s"]);
    expect(await takeNow(port, "signals")).toEqual([]);
    expect(bodies(await take(port, "work", 1))).toEqual(["w"]);
  });
}

function delaying(test: Test): void {
  test("work: a delayed message comes after its delay, not before (3)", async (port) => {
    const begin = port.clock.now();
    await port.queue.send("work", [message("work", "later", { delayMs: 2_000 }), message("work", "now")]);
    expect(bodies(await take(port, "work", 1, true))).toEqual(["now"]);
    expect(bodies(await take(port, "work", 1))).toEqual(["later"]);
    expect(port.clock.now() - begin).toBeGreaterThanOrEqual(2_000 - ROUNDED_MS);
  });

  test("work: a delay over the maximum is cut, not refused (3)", async (port) => {
    await port.queue.send("work", [message("work", "far", { delayMs: 86_400_000 }), message("work", "now")]);
    expect(bodies(await take(port, "work", 1))).toEqual(["now"]);
    expect(await takeNow(port, "work")).toEqual([]);
  });
}

function redelivering(test: Test): void {
  for (const queue of both) {
    test(`${queue}: a received message is seen again only after the visibility timeout (4)`, async (port) => {
      await port.queue.send(queue, [message(queue, "again")]);
      const begin = port.clock.now();
      const [first] = await take(port, queue, 1);
      const [second] = await take(port, queue, 1);
      expect(port.clock.now() - begin).toBeGreaterThanOrEqual(VISIBILITY_MS - ROUNDED_MS);
      expect(second).toMatchObject({ body: "again", messageId: first!.messageId, receiveCount: 2 });
    });

    test(`${queue}: an acknowledged message never comes again (4)`, async (port) => {
      const sent = times(3, (index) =>
        message(queue, `${index}`, queue === "signals" ? { group: `g-${index}` } : {}),
      );
      await port.queue.send(queue, sent);
      const received = await take(port, queue, 3);
      await port.queue.acknowledge(queue, receiptsOf(received));
      await port.queue.acknowledge(queue, receiptsOf(received));
      await port.advance(VISIBILITY_MS + 100);
      expect(await takeNow(port, queue)).toEqual([]);
    });

    test(`${queue}: a released message is seen again after its delay (4)`, async (port) => {
      await port.queue.send(queue, [message(queue, "back")]);
      const [first] = await take(port, queue, 1);
      await port.queue.release(queue, first!.receipt, 0);
      const [second] = await take(port, queue, 1);
      expect(second).toMatchObject({ body: "back", receiveCount: 2 });
      const begin = port.clock.now();
      await port.queue.release(queue, second!.receipt, 1_000);
      expect(await take(port, queue, 1)).toMatchObject([{ body: "back", receiveCount: 3 }]);
      expect(port.clock.now() - begin).toBeGreaterThanOrEqual(1_000 - ROUNDED_MS);
    });

    test(`${queue}: a release may hide a message for longer than the visibility timeout (4)`, async (port) => {
      await port.queue.send(queue, [message(queue, "hidden")]);
      const [first] = await take(port, queue, 1);
      const begin = port.clock.now();
      await port.queue.release(queue, first!.receipt, VISIBILITY_MS + 2_000);
      expect(bodies(await take(port, queue, 1))).toEqual(["hidden"]);
      expect(port.clock.now() - begin).toBeGreaterThanOrEqual(VISIBILITY_MS + 2_000 - ROUNDED_MS);
    });

    test(`${queue}: a message received ${RECEIVES_MAX} times goes to the dead letters (4)`, async (port) => {
      await port.queue.send(queue, [message(queue, "poison")]);
      for (let count = 1; count <= RECEIVES_MAX; count++) {
        const [received] = await take(port, queue, 1);
        expect(received).toMatchObject({ body: "poison", receiveCount: count });
        await port.queue.release(queue, received!.receipt, 0);
      }
      await port.queue.send(queue, [message(queue, "healthy")]);
      expect(bodies(await take(port, queue, 1, true))).toEqual(["healthy"]);
      expect(await takeNow(port, queue)).toEqual([]);
      expect(await port.deadLetters(queue)).toEqual(["poison"]);
    });
  }
}

function ordering(test: Test): void {
  const signal = (group: string, body: string): OutgoingMessage => message("signals", body, { group });

  test("signals: a group's messages come in the order in which they were sent (2)", async (port) => {
    const sent = times(35, (index) => `m${index}`);
    await port.queue.send(
      "signals",
      sent.slice(0, 20).map((body) => signal("a", body)),
    );
    for (const body of sent.slice(20)) await port.queue.send("signals", [signal("a", body)]);
    expect(bodies(await take(port, "signals", 35, true))).toEqual(sent);
  });

  test("signals: sends that were asked for in one turn keep their order (2)", async (port) => {
    const sent = times(12, (index) => `m${index}`);
    await port.queue.send(
      "signals",
      sent.map((body) => signal("a", body)),
    );
    await port.queue.send("signals", [signal("a", "last")]);
    expect(bodies(await take(port, "signals", 13, true))).toEqual([...sent, "last"]);
  });

  test("signals: none of a group comes while an earlier one is unacknowledged, others do (2)", async (port) => {
    await port.queue.send(
      "signals",
      ["a1", "a2"].map((body) => signal("a", body)),
    );
    const [a1] = await take(port, "signals", 1);
    expect(a1!.body).toBe("a1");
    await port.queue.send("signals", [signal("a", "a3"), signal("b", "b1")]);
    const others = await take(port, "signals", 1);
    expect(bodies(others)).toEqual(["b1"]);
    expect(await takeNow(port, "signals")).toEqual([]);
    await port.queue.acknowledge("signals", [a1!.receipt]);
    expect(bodies(await take(port, "signals", 2, true))).toEqual(["a2", "a3"]);
  });

  test("signals: a released message blocks its group, and comes first again (2)", async (port) => {
    await port.queue.send(
      "signals",
      ["a1", "a2"].map((body) => signal("a", body)),
    );
    const [first] = await take(port, "signals", 1);
    const begin = port.clock.now();
    await port.queue.release("signals", first!.receipt, 1_000);
    expect(bodies(await take(port, "signals", 1))).toEqual(["a1"]);
    expect(port.clock.now() - begin).toBeGreaterThanOrEqual(1_000 - ROUNDED_MS);
    expect(bodies(await take(port, "signals", 2, true))).toEqual(["a1", "a2"]);
  });

  test("signals: a group that was not acknowledged comes again in order after the timeout (2, 4)", async (port) => {
    await port.queue.send(
      "signals",
      ["a1", "a2", "a3"].map((body) => signal("a", body)),
    );
    await take(port, "signals", 1);
    await port.advance(VISIBILITY_MS + 100);
    expect(bodies(await take(port, "signals", 3, true))).toEqual(["a1", "a2", "a3"]);
  });

  test("signals: a repeated id is dropped, before and after the first is acknowledged (2)", async (port) => {
    const once = message("signals", "once", { id: "same" });
    await port.queue.send("signals", [once]);
    await port.queue.send("signals", [once]);
    expect(bodies(await take(port, "signals", 1, true))).toEqual(["once"]);
    await port.queue.send("signals", [once, message("signals", "other")]);
    expect(bodies(await take(port, "signals", 1, true))).toEqual(["other"]);
    expect(await takeNow(port, "signals")).toEqual([]);
  });

  test("signals: an id repeated within one send is dropped (2)", async (port) => {
    const once = message("signals", "once", { id: "same" });
    await port.queue.send("signals", [once, once, message("signals", "other")]);
    expect(bodies(await take(port, "signals", 2, true))).toEqual(["once", "other"]);
    expect(await takeNow(port, "signals")).toEqual([]);
  });
}

function costing(test: Test): void {
  for (const queue of both) {
    test(`${queue}: a request is counted per batch, for the runs in it`, async (port) => {
      const cost = (count: number, prefix: string) =>
        costOf(port.meter, "queueRequests", () =>
          port.queue.send(
            queue,
            times(count, (index) => message(queue, `${prefix}${index}`, { runId: `run-${prefix}` })),
          ),
        );
      expect(await cost(1, "a")).toBeCloseTo(1, 6);
      expect(await cost(10, "b")).toBeCloseTo(1, 6);
      expect(await cost(25, "c")).toBeCloseTo(3, 6);
      expect(port.meter.drain("run-a")?.queueRequests).toBeCloseTo(1, 6);
      expect(port.meter.drain("run-c")?.queueRequests).toBeCloseTo(3, 6);
    });

    test(`${queue}: receiving, acknowledging and releasing a message are requests`, async (port) => {
      await port.queue.send(queue, [message(queue, "a")]);
      expect(await costOf(port.meter, "queueRequests", () => takeNow(port, queue))).toBe(1);
      await port.advance(VISIBILITY_MS + 100);
      const [again] = await take(port, queue, 1);
      expect(
        await costOf(port.meter, "queueRequests", () => port.queue.release(queue, again!.receipt, 0)),
      ).toBe(1);
      const [third] = await take(port, queue, 1);
      expect(
        await costOf(port.meter, "queueRequests", () => port.queue.acknowledge(queue, [third!.receipt])),
      ).toBe(1);
    });
  }
}
