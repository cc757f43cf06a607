/** The functions' handlers, given what Lambda gives. */
import type { Context, SNSEvent, SQSEvent } from "aws-lambda";
import { describe, expect, test } from "vitest";
import { contextOf, sqsEvent } from "../../cli/host/invocation.ts";
import { advanceFunction } from "../../functions/advance.ts";
import { failedInOrder } from "../../functions/batch.ts";
import { settingsFrom } from "../../functions/environment.ts";
import { signalsFunction } from "../../functions/signals.ts";
import { sweepFunction } from "../../functions/sweep.ts";
import { triggersFunction } from "../../functions/triggers.ts";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { start } from "../../shared/engine/control.ts";
import { loadRun } from "../../shared/engine/load.ts";
import { createEngine } from "../../shared/engine/settings.ts";

const context = (leftMs = Number.MAX_SAFE_INTEGER): Context => ({
  ...contextOf("f", "1"),
  getRemainingTimeInMillis: () => leftMs,
});
const quick = workflow("quick", (_run, input: unknown) => input ?? null);
const listening = workflow("listening", (run) => run.waitForSignal("go"));

function anEngine() {
  const errors: unknown[] = [];
  const ports = memoryPorts();
  const log = {
    debug() {},
    info() {},
    warn() {},
    error: (message: string, data?: object) => errors.push({ message, ...data }),
  };
  const engine = createEngine(ports, {
    workflows: [quick, listening],
    log,
    settings: { owner: "me", codeHash: "h" },
  });
  const received = async (queue: "work" | "signals"): Promise<SQSEvent> =>
    sqsEvent(await ports.queue.receive(queue, { max: 10, waitMs: 0 }));
  const message = (body: string, messageId = "1"): SQSEvent =>
    sqsEvent([{ messageId, receipt: messageId, body, receiveCount: 1, sentAt: 0 }]);
  return { engine, ports, errors, received, message };
}

describe("advance", () => {
  test("runs a leg for each message, and answers those that failed", async () => {
    const { engine, received, message, errors } = anEngine();
    for (const runId of ["a", "b"]) await start(engine, { workflow: "quick", runId, input: 1 });
    const { Records } = await received("work");
    const batch = { Records: [...Records, ...message("no wake", "bad").Records] };
    expect(await advanceFunction(engine)(batch, context())).toEqual({
      batchItemFailures: [{ itemIdentifier: "bad" }],
    });
    for (const runId of ["a", "b"])
      expect((await loadRun(engine, runId))?.state.finished?.status).toBe("completed");
    expect(errors).toMatchObject([{ messageId: "bad", error: { code: "MalformedMessage" } }]);
  });

  test("a leg's lease ends before the invocation does", async () => {
    const { engine, received } = anEngine();
    await start(engine, { workflow: "quick", runId: "a" });
    const before = engine.clock.now();
    await advanceFunction(engine)(await received("work"), context(30_000));
    const { entries } = (await engine.journal.read("a"))!;
    const leg = entries.flatMap(({ events }) => events).find((event) => event.type === "LegStarted");
    expect(leg?.until).toBe(before + 27_000);
  });
});

test("signals: what is behind a failed message of its group fails too", async () => {
  const { engine, ports, received } = anEngine();
  await start(engine, { workflow: "listening", runId: "l" });
  const record = (messageId: string, group: string) => ({
    messageId,
    receipt: messageId,
    body: "",
    group,
    receiveCount: 1,
    sentAt: 0,
  });
  const { Records } = sqsEvent([
    record("1", "a"),
    record("2", "a"),
    record("3", "b"),
    record("4", "a"),
    record("5", "b"),
  ]);
  const failed = failedInOrder(engine, Records, ["2"]).batchItemFailures.map(
    ({ itemIdentifier }) => itemIdentifier,
  );
  expect(failed.sort()).toEqual(["2", "4"]);

  await ports.queue.send("signals", [
    { runId: "l", body: JSON.stringify({ runId: "l", signalId: "s", name: "go" }), group: "l", id: "s" },
  ]);
  const handled = signalsFunction(engine)(await received("signals"), context());
  await ports.clock.advance(1_000);
  expect(await handled).toEqual({ batchItemFailures: [] });
  expect((await loadRun(engine, "l"))?.state.signals.has("s")).toBe(true);
});

test("signals: other services may send them as they are", async () => {
  const { engine, ports, received } = anEngine();
  await start(engine, { workflow: "listening", runId: "l" });
  const told = [
    { runId: "l", signal: "go", payload: { a: 1 }, signalId: "own" },
    { runId: "l", signal: "bare" },
    { runId: "l", signal: "line\nbreak", payload: 1 },
    { runId: "l", payload: 1 },
    { runId: "l", signal: "large", payload: "x".repeat(300_000) },
  ];
  await ports.queue.send(
    "signals",
    told.map((message, at) => ({ runId: "l", body: JSON.stringify(message), group: `g${at}`, id: `m${at}` })),
  );
  const { Records } = await received("signals");
  const handled = signalsFunction(engine)({ Records }, context());
  await ports.clock.advance(1_000);
  expect((await handled).batchItemFailures).toHaveLength(3);
  const { signals } = (await loadRun(engine, "l"))!.state;
  expect([...signals.values()].map(({ signalId, name, payload }) => ({ signalId, name, payload }))).toEqual([
    { signalId: "own", name: "go", payload: { v: { a: 1 } } },
    { signalId: Records[1]!.messageId, name: "bare", payload: undefined },
  ]);
});

describe("triggers", () => {
  test("takes messages of the intake queue, each once however often it comes", async () => {
    const { engine, ports, message } = anEngine();
    const event = message(JSON.stringify({ workflow: "quick", input: 7 }), "m1");
    const triggers = triggersFunction(engine);
    expect(await triggers(event, context())).toEqual({ batchItemFailures: [] });
    expect(await triggers(event, context())).toEqual({ batchItemFailures: [] });
    expect((await ports.journal.list({ order: "asc", limit: 10 })).headers).toHaveLength(1);
    expect(await triggers(message("nonsense", "bad"), context())).toEqual({
      batchItemFailures: [{ itemIdentifier: "bad" }],
    });
  });

  test("takes what a topic invokes it with, once", async () => {
    const { engine, ports } = anEngine();
    const Sns = {
      Type: "Notification",
      MessageId: "n1",
      TopicArn: "arn:aws:sns:eu-west-1:123456789012:any",
      Message: JSON.stringify({ workflow: "quick", input: 7 }),
    };
    for (const _again of [1, 2])
      await triggersFunction(engine)({ Records: [{ Sns }] } as unknown as SNSEvent, context());
    expect((await ports.journal.list({ order: "asc", limit: 10 })).headers).toHaveLength(1);
  });

  test("takes one trigger as the whole event, and fails aloud", async () => {
    const { engine, ports } = anEngine();
    await triggersFunction(engine)({ workflow: "quick", idempotencyKey: "k" }, context());
    expect((await ports.journal.list({ order: "asc", limit: 10 })).headers).toHaveLength(1);
    await expect(triggersFunction(engine)({ workflow: "none" }, context())).rejects.toMatchObject({
      code: "WorkflowNotFound",
    });
  });
});

test("sweep wakes what should have moved by itself", async () => {
  const { engine, ports, received } = anEngine();
  await start(engine, { workflow: "quick", runId: "lost" });
  const { Records } = await received("work");
  await ports.queue.acknowledge(
    "work",
    Records.map(({ receiptHandle }) => receiptHandle),
  );
  expect(await sweepFunction(engine)({}, context())).toEqual({ woken: 0 });
  await ports.clock.advance(120_000);
  expect(await sweepFunction(engine)({}, context())).toEqual({ woken: 1 });
  expect((await received("work")).Records).toHaveLength(1);
});

test("an invocation goes through the engine's middlewares", async () => {
  const { engine } = anEngine();
  const seen: string[] = [];
  const middleware = { before: () => void seen.push("before"), after: () => void seen.push("after") };
  await sweepFunction({ ...engine, middlewares: [middleware] })({}, context());
  expect(seen).toEqual(["before", "after"]);
});

test("failed messages and woken runs are counted", async () => {
  const { engine, ports, received, message } = anEngine();
  const counted: [string, number][] = [];
  const counting = {
    ...engine,
    count: (metric: string, value: number) => void counted.push([metric, value]),
  };
  await advanceFunction(counting)(message("no wake"), context());
  await start(engine, { workflow: "quick", runId: "lost" });
  await advanceFunction(counting)(await received("work"), context());
  expect(counted).toEqual([["FailedMessages", 1]]);
  await start(engine, { workflow: "quick", runId: "lost-too" });
  await ports.clock.advance(120_000);
  await sweepFunction(counting)({}, context());
  expect(counted.at(-1)).toEqual(["WokenRuns", 1]);
});

test("settings come from the environment, or the host says what is wrong with them", () => {
  expect(settingsFrom({ STEPFOLD_LEG_MS: "5000", STEPFOLD_SWEEP_AFTER_MS: "" })).toEqual({ legMs: 5_000 });
  expect(() => settingsFrom({ STEPFOLD_LEG_MS: "5s" })).toThrow(/STEPFOLD_LEG_MS.*"5s"/);
});
