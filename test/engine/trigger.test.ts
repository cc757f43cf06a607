/** What other AWS services send, and what becomes of it. */
import { describe, expect, test } from "vitest";
import { workflow } from "../../shared/core/workflow.ts";
import { at, isPath, mapped } from "../../shared/engine/mapping.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import {
  type Trigger,
  type TriggerMessage,
  type TriggerSource,
  trigger,
} from "../../shared/engine/trigger.ts";
import { testHost } from "../../shared/testing/index.ts";

const echo = workflow("echo", (_run, input: unknown) => input ?? "nothing");
const order = workflow("order", (run) => run.waitForSignal("paid"));

const TOPIC = "arn:aws:sns:eu-west-1:123456789012:orders";
const QUEUE = "arn:aws:sqs:eu-west-1:123456789012:orders";
const from = (path: string) => ({ $from: path });

function aWorld(sources: TriggerSource[] = []) {
  const host = testHost({ workflows: [echo, order] });
  const logged: unknown[] = [];
  const note = (message: string, data?: object) => logged.push({ message, ...data });
  const log = { debug() {}, info() {}, warn: note, error: note };
  const engine = createEngine(host.ports, {
    workflows: [echo, order],
    log,
    settings: { owner: "triggers", codeHash: "test" },
  });
  const take = async (message: unknown, rest: Partial<TriggerMessage> = {}) => {
    const body = typeof message === "string" ? message : JSON.stringify(message);
    await trigger(engine, { body, id: "message-1", ...rest }, sources);
    await host.skip(0);
  };
  const outputs = async () => {
    const { headers } = await host.ports.journal.list({ order: "asc", limit: 100 });
    return Promise.all(headers.map(async ({ runId }) => (await host.get(runId)).output));
  };
  return { host, take, outputs, logged };
}

describe("mapping", () => {
  const event = {
    id: "e",
    "detail-type": "Paid",
    detail: { id: 7, items: [{ sku: "a" }, { sku: "b" }], no: null },
  };

  test("a path leads to what is there", () => {
    expect(at(event, "$")).toBe(event);
    expect(at(event, "$.detail.items[1].sku")).toBe("b");
    expect(at(event, "$['detail-type']")).toBe("Paid");
    expect(at(event, "$.detail-type")).toBe("Paid");
    expect(at(event, "$.detail.no")).toBe(null);
  });

  test("and to nothing where there is nothing", () => {
    for (const path of [
      "$.gone",
      "$.detail.id.x",
      "$.detail.items[9]",
      "$.detail[0]",
      "$.detail.items.length",
    ])
      expect(at(event, path), path).toBeUndefined();
    expect(at({}, "$.constructor")).toBeUndefined();
  });

  test("only such paths are paths", () => {
    expect(["$", "$.a.b-c", "$['a b'][0].c"].map(isPath)).toEqual([true, true, true]);
    expect(["", "a", "$a", "$..a", "$.a[*]", "$.a[?(@.b)]", "$."].map(isPath)).toEqual(Array(7).fill(false));
  });

  test("what is not there is left out of an object, and null in a list", () => {
    const template = {
      a: from("$.detail.id"),
      b: from("$.gone"),
      c: [from("$.gone"), 1],
      d: { e: from("$.detail") },
    };
    expect(mapped(template, event)).toEqual({ a: 7, c: [null, 1], d: { e: event.detail } });
    expect(mapped(from("$.gone"), event)).toBeUndefined();
  });

  test("a text is made of parts, and refused by name without one", () => {
    expect(mapped({ $text: ["order-", from("$.detail.id"), "!"] }, event)).toBe("order-7!");
    expect(() => mapped({ $text: ["order-", from("$.detail.gone")] }, event)).toThrow(
      /Expected .* to be a text at \$\.detail\.gone, got nothing in the event \{"id":"e"/,
    );
  });
});

describe("a rule's message", () => {
  const start = (more: Partial<NonNullable<Trigger["start"]>> = {}): Trigger => ({
    id: "Shop/Rule/echo",
    start: { workflow: "echo", input: from("$.detail"), ...more },
  });
  const event = (id: string, detail: object = { id: 1 }) => ({ id, detail });

  test("starts a run once for an event, however often and in whatever message it comes", async () => {
    const { take, outputs } = aWorld();
    await take({ trigger: start(), event: event("e-1") });
    await take({ trigger: start(), event: event("e-1") }, { id: "message-2" });
    await take({ trigger: start(), event: event("e-2") });
    expect(await outputs()).toEqual([{ id: 1 }, { id: 1 }]);
  });

  test("starts a run once for the key that it takes from the event", async () => {
    const { take, outputs, host } = aWorld();
    for (const id of ["e-1", "e-2"])
      await take({ trigger: start({ idempotencyKey: from("$.detail.id") }), event: event(id) });
    expect(await outputs()).toHaveLength(1);
    const { headers } = await host.ports.journal.list({ order: "asc", limit: 10 });
    expect(headers[0]!.created.trigger).toBe("Shop/Rule/echo");
  });

  test("without what its key is taken from says what was expected and what came", async () => {
    const { take, outputs } = aWorld();
    const message = { trigger: start({ idempotencyKey: from("$.detail.key") }), event: event("e-1") };
    await expect(take(message)).rejects.toMatchObject({
      code: "MalformedMessage",
      message: expect.stringMatching(
        /Expected the idempotency key of trigger Shop\/Rule\/echo to be a text at \$\.detail\.key, got nothing in the event \{"id":"e-1"/,
      ),
    });
    expect(await outputs()).toEqual([]);
  });

  const paid: Trigger = {
    id: "Shop/Rule/paid",
    signal: { name: "paid", runId: from("$.detail.run"), payload: from("$.detail.amount") },
  };

  test("signals a run once for an event", async () => {
    const { take, host } = aWorld();
    const runId = await host.start(order, {});
    const message = { trigger: paid, event: event("e-1", { run: runId, amount: 5 }) };
    await take(message);
    await take(message);
    expect(await host.result(runId)).toBe(5);
    expect((await host.journal(runId)).filter(({ type }) => type === "SignalReceived")).toHaveLength(1);
  });

  test("comes again for a run that is not there yet, and not for one that is finished", async () => {
    const { take, host, logged } = aWorld();
    const message = (run: string) => ({ trigger: paid, event: event("e", { run, amount: 5 }) });
    await expect(take(message("later"))).rejects.toMatchObject({ code: "RunNotFound" });
    const runId = await host.start(echo, {});
    await take(message(runId));
    expect(logged).toEqual([
      { message: "A signal came too late: its run is finished.", runId, signal: "paid" },
    ]);
  });
});

describe("a topic's and a queue's messages", () => {
  const twice: Trigger[] = [
    { id: "Topic/echo", start: { workflow: "echo", input: from("$") } },
    { id: "Topic/again", start: { workflow: "echo", input: { n: from("$.n") } } },
  ];
  const notification = (Message: string, MessageId = "n-1") => ({
    Type: "Notification",
    TopicArn: TOPIC,
    MessageId,
    Message,
  });

  test("are known by their source, and each of its triggers takes them", async () => {
    const { take, outputs } = aWorld([{ arn: TOPIC, triggers: twice }]);
    await take(notification('{"n":1,"m":2}'));
    await take(notification('{"n":1,"m":2}'), { id: "another delivery" });
    expect(await outputs()).toEqual([{ n: 1, m: 2 }, { n: 1 }]);
  });

  test("may be a text that is no JSON", async () => {
    const { take, outputs } = aWorld([{ arn: QUEUE, triggers: [twice[0]!] }]);
    await take("hello", { queueArn: QUEUE });
    await take("hello", { queueArn: QUEUE });
    await take("hello", { queueArn: QUEUE, id: "message-2" });
    expect(await outputs()).toEqual(["hello", "hello"]);
  });

  test("of a source that no trigger was declared on are refused", async () => {
    const { take } = aWorld([{ arn: QUEUE, triggers: twice }]);
    await expect(take(notification("{}"))).rejects.toMatchObject({
      code: "MalformedMessage",
      message: expect.stringMatching(/^Expected a trigger .*, got .*Notification/),
    });
  });
});

describe("a schedule's message", () => {
  const nightly = (scheduledAt: string) => ({
    trigger: {
      id: "schedule/nightly",
      schedule: { name: "nightly", overlap: "skip", workflow: "echo", input: { at: from("$.scheduledAt") } },
    },
    event: { id: scheduledAt, schedule: "nightly", scheduledAt },
  });

  test("starts a run for its time, once", async () => {
    const { take, outputs } = aWorld();
    await take(nightly("2026-01-01T03:00:00Z"));
    await take(nightly("2026-01-01T03:00:00Z"));
    await take(nightly("2026-01-02T03:00:00Z"));
    expect(new Set(await outputs())).toEqual(
      new Set([{ at: "2026-01-01T03:00:00Z" }, { at: "2026-01-02T03:00:00Z" }]),
    );
    expect(await outputs()).toHaveLength(2);
  });

  test("without a time is refused", async () => {
    const { take } = aWorld();
    await expect(take(nightly("<aws.scheduler.scheduled-time>"))).rejects.toMatchObject({
      message:
        'Expected the time of schedule/nightly to be an ISO 8601 time, got "<aws.scheduler.scheduled-time>".',
    });
  });
});

describe("anybody's message", () => {
  test("starts and signals runs", async () => {
    const { take, outputs, host } = aWorld();
    await take({ workflow: "echo", input: { a: 1 } });
    expect(await outputs()).toEqual([{ a: 1 }]);
    const runId = await host.start(order, {});
    await take({ runId, signal: "paid", payload: 7 });
    expect(await host.result(runId)).toBe(7);
  });

  test("does so by a topic, too, once for each of its messages", async () => {
    const { take, outputs } = aWorld();
    const told = (id: string) => ({
      Type: "Notification",
      MessageId: id,
      TopicArn: TOPIC,
      Message: JSON.stringify({ workflow: "echo", input: id }),
    });
    for (const [at, id] of ["a", "a", "b"].entries()) await take(told(id), { id: `message-${at}` });
    expect((await outputs()).sort()).toEqual(["a", "b"]);
  });

  test("that is none of these is refused, with what was expected and what came", async () => {
    const { take } = aWorld();
    for (const body of ["", "no JSON", "null", "[]", "7", '{"workflow":7}', '{"runId":"r"}'])
      await expect(take(body), body).rejects.toMatchObject({
        code: "MalformedMessage",
        message: expect.stringContaining(`got ${JSON.stringify(body)}`),
      });
    await expect(take({ workflow: "echo", idempotencyKey: 7 })).rejects.toMatchObject({
      message: "Expected idempotencyKey of a trigger to be a text, got 7.",
    });
  });

  test("starts no workflow of the engine's own", async () => {
    const { take } = aWorld();
    await expect(take({ workflow: "stepfold.turn", input: {} })).rejects.toMatchObject({
      code: "WorkflowNotFound",
    });
  });
});
