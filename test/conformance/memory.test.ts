import { describe, expect, it } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import { MESSAGE_DELAY_MS_MAX } from "../../shared/core/limits.ts";
import type { QueueName } from "../../shared/ports/queue.ts";
import { blobsSuite } from "./blobs.suite.ts";
import { clockSuite } from "./clock.suite.ts";
import { journalSuite } from "./journal.suite.ts";
import { queueSuite, VISIBILITY_MS } from "./queue.suite.ts";
import { registersSuite } from "./registers.suite.ts";
import { schedulerSuite } from "./scheduler.suite.ts";

async function open() {
  const ports = memoryPorts({ visibilityMs: VISIBILITY_MS });
  return {
    ...ports,
    advance: (ms: number) => ports.clock.advance(ms),
    deadLetters: async (queue: QueueName) => ports.queue.deadLetters(queue).map((letter) => letter.body),
    close: async () => {},
  };
}

journalSuite("memory", open);
queueSuite("memory", open);
schedulerSuite("memory", open);
blobsSuite("memory", open);
registersSuite("memory", open);
clockSuite("memory", open);

describe("virtual time", () => {
  it("is the same for the same seed, and another for another", () => {
    const draw = (seed: number) => {
      const { clock } = memoryPorts({ seed });
      return [clock.now(), clock.id(), clock.random(), clock.id()];
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it("calls timers at exactly their times, with what they set going settled between", async () => {
    const { clock } = memoryPorts({ now: 1_000 });
    const seen: string[] = [];
    const note = (name: string) => seen.push(`${name}@${clock.now()}`);
    clock.after(20, () => note("b"));
    clock.after(10, () => {
      note("a");
      void (async () => {
        for (let index = 0; index < 50; index++) await Promise.resolve();
        note("settled");
        await clock.sleep(5);
        note("slept");
      })();
    });
    clock.after(20, () => note("c"));
    await clock.advance(100);
    expect(seen).toEqual(["a@1010", "settled@1010", "slept@1015", "b@1020", "c@1020"]);
    expect(clock.now()).toBe(1_100);
  });

  it("jumps from timer to timer until it is idle, a year in no time", async () => {
    const { clock } = memoryPorts({ now: 0 });
    let days = 0;
    void (async () => {
      for (; days < 365; days++) await clock.sleep(86_400_000);
    })();
    expect(await clock.runUntilIdle(10 * 86_400_000)).toBe(false);
    expect(days).toBe(10);
    expect(await clock.runUntilIdle()).toBe(true);
    expect(clock.now()).toBe(365 * 86_400_000);
  });
});

describe("what a test host sees", () => {
  it("pending messages, when the next is visible, and a call when it is", async () => {
    const { queue, clock } = memoryPorts({ now: 0, visibilityMs: 1_000 });
    let calls = 0;
    const stop = queue.onMessage("work", () => calls++);
    await queue.send("work", [{ runId: "r", body: "later", delayMs: 500 }]);
    expect(queue.nextVisibleAt("work")).toBe(500);
    await clock.advance(499);
    expect(calls).toBe(0);
    await clock.advance(1);
    expect(calls).toBe(1);
    const [message] = await queue.receive("work", { max: 1, waitMs: 0 });
    expect(queue.nextVisibleAt("work")).toBe(1_500);
    expect(queue.pending("work")).toMatchObject([{ body: "later", receiveCount: 1 }]);
    await queue.acknowledge("work", [message!.receipt]);
    expect(queue.pending("work")).toEqual([]);
    expect(queue.nextVisibleAt("work")).toBeUndefined();
    stop();
    await queue.send("work", [{ runId: "r", body: "unheard" }]);
    await clock.advance(10);
    expect(calls).toBe(1);
  });

  it("of a batch of one group, the last to be acknowledged unblocks it", async () => {
    const { queue } = memoryPorts();
    const takeBodies = async (max: number) => {
      const messages = await queue.receive("signals", { max, waitMs: 0 });
      return { messages, bodies: messages.map((message) => message.body) };
    };
    await queue.send(
      "signals",
      ["a1", "a2", "a3"].map((body) => ({ runId: "r", body, group: "a", id: body })),
    );
    const { messages, bodies } = await takeBodies(2);
    expect(bodies).toEqual(["a1", "a2"]);
    await queue.release("signals", messages[0]!.receipt, 0);
    expect((await takeBodies(10)).bodies).toEqual([]);
    await queue.acknowledge("signals", [messages[1]!.receipt]);
    expect((await takeBodies(10)).bodies).toEqual(["a1", "a3"]);
  });

  it("a delay is cut to the longest that SQS takes", async () => {
    const { queue } = memoryPorts({ now: 0 });
    await queue.send("work", [{ runId: "r", body: "far", delayMs: 86_400_000 }]);
    expect(queue.nextVisibleAt("work")).toBe(MESSAGE_DELAY_MS_MAX);
  });

  it("an id is accepted again after five minutes", async () => {
    const { queue, clock } = memoryPorts();
    const signal = { runId: "r", body: "b", group: "r", id: "same" };
    await queue.send("signals", [signal]);
    await clock.advance(5 * 60_000 - 1);
    await queue.send("signals", [signal]);
    expect(queue.pending("signals")).toHaveLength(1);
    await clock.advance(1);
    await queue.send("signals", [signal]);
    expect(queue.pending("signals")).toHaveLength(2);
  });

  it("schedules that have not fired", async () => {
    const { scheduler, clock } = memoryPorts({ now: 0 });
    await scheduler.schedule({ runId: "r", name: "n", at: 5_000, body: "b" });
    expect(scheduler.pending()).toEqual([{ runId: "r", name: "n", at: 5_000, body: "b" }]);
    await clock.runUntilIdle();
    expect(scheduler.pending()).toEqual([]);
    expect(clock.now()).toBe(5_000);
  });
});
