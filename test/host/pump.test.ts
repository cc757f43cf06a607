/** From queues to handlers: what is acknowledged, what comes again, and how much is out at once. */
import type { SQSEvent } from "aws-lambda";
import { afterEach, describe, expect, test } from "vitest";
import type { BatchHandler } from "../../cli/host/invocation.ts";
import { Pump } from "../../cli/host/pump.ts";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import type { QueueName } from "../../shared/ports/queue.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };
const pumps: Pump[] = [];
afterEach(() => Promise.all(pumps.splice(0).map((pump) => pump.stop())));

function pumping(name: QueueName, handler: BatchHandler, invocationsMax = 10) {
  const { queue, clock } = memoryPorts();
  pumps.push(new Pump({ queue, name, handler, clock, log, invocationsMax, receivers: 1 }));
  const send = (...bodies: string[]) =>
    queue.send(
      name,
      bodies.map((body) => ({ runId: "r", body, group: body[0]!, id: body })),
    );
  return { queue, clock, send };
}

const bodies = ({ Records }: SQSEvent): string[] => Records.map(({ body }) => body);
const failing = ({ Records }: SQSEvent, isFailing: (body: string) => boolean) => ({
  batchItemFailures: Records.filter(({ body }) => isFailing(body)).map(({ messageId }) => ({
    itemIdentifier: messageId,
  })),
});

describe("a batch", () => {
  test("is what is there at once, up to ten", async () => {
    const seen: string[][] = [];
    const { send, clock } = pumping("work", async (event) => {
      seen.push(bodies(event));
      return { batchItemFailures: [] };
    });
    await send(...Array.from({ length: 12 }, (_, index) => `m${index}`));
    await clock.settle();
    expect(seen.map(({ length }) => length)).toEqual([10, 2]);
  });

  test("is acknowledged but for what failed, which comes again, later each time", async () => {
    const at: number[] = [];
    const { send, clock, queue } = pumping("work", async (event) => {
      if (bodies(event).includes("bad")) at.push(clock.now());
      return failing(event, (body) => body === "bad" && at.length < 4);
    });
    await send("good", "bad");
    await clock.advance(60_000);
    expect(at.slice(1).map((time, index) => time - at[index]!)).toEqual([250, 500, 1_000]);
    expect(queue.nextVisibleAt("work")).toBeUndefined();
  });

  test("whose handler throws comes again as a whole", async () => {
    let invocations = 0;
    const { send, clock, queue } = pumping("work", async () => {
      if (++invocations === 1) throw new Error("no");
      return { batchItemFailures: [] };
    });
    await send("a", "b");
    await clock.advance(10_000);
    expect([invocations, queue.nextVisibleAt("work")]).toEqual([2, undefined]);
  });
});

test("no more invocations are out at once than allowed", async () => {
  let out = 0;
  let most = 0;
  let seen = 0;
  const { send, clock } = pumping(
    "work",
    async (event) => {
      most = Math.max(most, ++out);
      await clock.sleep(10);
      seen += event.Records.length;
      out--;
      return { batchItemFailures: [] };
    },
    3,
  );
  await send(...Array.from({ length: 75 }, (_, index) => `m${index}`));
  await clock.advance(1_000);
  expect([most, seen]).toEqual([3, 75]);
});

test("a FIFO group keeps its order over a failure, and holds up no other", async () => {
  const taken: string[] = [];
  let failures = 0;
  const { send, clock } = pumping("signals", async (event) => {
    const failsNow = bodies(event).includes("a1") && failures++ === 0;
    const again = (body: string) => failsNow && body.startsWith("a");
    taken.push(...bodies(event).filter((body) => !again(body)));
    return failing(event, again);
  });
  await send("a1", "a2", "b1");
  await clock.advance(1);
  expect(taken).toEqual(["b1"]);
  await clock.advance(5_000);
  expect(taken).toEqual(["b1", "a1", "a2"]);
});

test("stop waits for what is under way", async () => {
  let isDone = false;
  const { send, clock } = pumping("work", async () => {
    await clock.sleep(100);
    isDone = true;
    return { batchItemFailures: [] };
  });
  await send("a");
  await clock.settle();
  const stopped = pumps.splice(0)[0]!.stop();
  await clock.advance(100);
  await stopped;
  expect(isDone).toBe(true);
});
