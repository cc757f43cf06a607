/** Remote workflows: what their runner is asked, and what its answers come to. */
import { describe, expect, test } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import type { TurnAction, TurnRequest } from "../../shared/core/remote/protocol.ts";
import { remote } from "../../shared/core/remote/remote.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { start } from "../../shared/engine/control.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import { everyCrash, type ScriptedRunner, type TestHost, testHost } from "../../shared/testing/index.ts";

const billing = remote("billing", { url: "http://runner.test/turn" });

/** Answers by the names of the steps that are completed, and keeps what it was asked. */
function scripted(next: (done: string[], turn: TurnRequest) => TurnAction) {
  const turns: TurnRequest[] = [];
  const ids: string[] = [];
  const runner: ScriptedRunner = (turn, { turnId }) => {
    turns.push(turn);
    ids.push(turnId);
    const completed = turn.completed_steps.filter(({ status }) => status === "completed");
    return next(
      completed.map(({ name }) => name),
      turn,
    );
  };
  return { runner, turns, ids };
}

const complete = (step_name: string, output?: string): TurnAction => ({
  action: "step_complete",
  step_name,
  ...(output === undefined ? {} : { output }),
});

const whole = () =>
  scripted((done, { current_step }) => {
    if (!done.includes("invoice")) return { ...complete("invoice", "i-1"), duration_ms: 7 } as TurnAction;
    if (current_step === 1) return { action: "sleep", duration: "3 days" };
    if (!done.includes("event:paid")) return { action: "wait_event", event: "paid" };
    if (!done.includes("book")) return complete("book");
    return { action: "complete", output: { done } };
  });

async function through(host: TestHost): Promise<string> {
  const runId = await host.start(billing, { order: 7 });
  await host.skip("3 days");
  await host.signal(runId, "paid", { cents: 420 });
  await host.skip("5 minutes");
  return runId;
}

describe("a remote run", () => {
  test("does what its runner says: steps, a sleep, an event, its end", async () => {
    const { runner, turns } = whole();
    const host = testHost({ workflows: [billing], runners: { billing: runner } });
    const runId = await host.start(billing, { order: 7 });
    expect(await host.get(runId)).toMatchObject({ status: "sleeping" });
    await host.skip("3 days");
    expect(await host.get(runId)).toMatchObject({
      status: "waiting",
      waitingFor: [{ kind: "signal", name: "paid" }],
    });
    await host.signal(runId, "paid", { cents: 420 });
    expect(await host.result(runId)).toEqual({ done: ["invoice", "event:paid", "book"] });
    expect(turns.map(({ current_step }) => current_step)).toEqual([0, 1, 2, 3, 4]);
    expect(turns.at(-1)).toEqual({
      workflow_id: runId,
      workflow_name: "billing",
      name: "billing",
      input: { order: 7 },
      current_step: 4,
      completed_steps: [
        {
          step_id: "1",
          name: "invoice",
          status: "completed",
          output: "i-1",
          started_at: "2026-01-01T00:00:00.000Z",
          completed_at: "2026-01-01T00:00:00.000Z",
          duration_ms: 7,
          retry_count: 0,
        },
        {
          step_id: "4",
          name: "event:paid",
          status: "completed",
          output: { cents: 420 },
          started_at: "2026-01-04T00:00:00.000Z",
          completed_at: "2026-01-04T00:00:00.000Z",
          duration_ms: 0,
          retry_count: 0,
        },
        {
          step_id: "6",
          name: "book",
          status: "completed",
          started_at: "2026-01-04T00:00:00.000Z",
          completed_at: "2026-01-04T00:00:00.000Z",
          duration_ms: 0,
          retry_count: 0,
        },
      ],
    });
  });

  test("shows what its runner reported as its operations", async () => {
    const host = testHost({ workflows: [billing], runners: { billing: whole().runner } });
    const runId = await through(host);
    expect(await host.operations(runId)).toMatchObject([
      { id: "1", kind: "step", name: "invoice", status: "completed", output: "i-1", attempts: 1 },
      { kind: "timer", name: "sleep", status: "completed" },
      { kind: "signal", name: "paid", status: "completed", output: { cents: 420 } },
      { kind: "step", name: "book", status: "completed" },
    ]);
  });

  test("costs one write unit a turn", async () => {
    const { runner } = scripted((done) =>
      done.length < 10 ? complete(`step ${done.length}`, "ok") : { action: "complete", output: "done" },
    );
    const host = testHost({ workflows: [billing], runners: { billing: runner } });
    const before = host.ports.meter.total.writeUnits;
    expect(await host.result(await host.start(billing))).toBe("done");
    // As a code run of ten steps (16), and one more: that nothing follows is a turn of its own.
    expect(host.ports.meter.total.writeUnits - before).toBe(17);
  });

  test("has its input, or null, and the same turn id for each try of one turn alone", async () => {
    const { runner, turns, ids } = scripted((done) => {
      if (ids.length === 2) throw new Error("gone");
      return done.length === 0 ? complete("one") : { action: "complete" };
    });
    const host = testHost({ workflows: [billing], runners: { billing: runner } });
    const runId = await host.start(billing);
    await host.skip("1 minute");
    expect(await host.result(runId)).toBeUndefined();
    expect(turns[0]?.input).toBeNull();
    const [first, second, third] = ids;
    expect([new Set(ids).size, second === third, first === second]).toEqual([2, true, false]);
  });

  test("keeps what is too large for the journal out of it, once", async () => {
    const large = "x".repeat(100_000);
    const { runner, turns } = scripted((done) =>
      done.length === 0 ? complete("read", large) : { action: "complete", output: `${large}!` },
    );
    const host = testHost({ workflows: [billing], runners: { billing: runner } });
    const runId = await host.start(billing);
    expect(await host.result(runId)).toBe(`${large}!`);
    expect(turns[1]?.completed_steps[0]?.output).toBe(large);
    expect(host.ports.blobs.keys()).toHaveLength(2);
  });

  test("is kept in memory while it waits, counted by what its reports hold", async () => {
    const eventsOf = async (outputBytes: number): Promise<number> => {
      const ports = memoryPorts();
      const log = { debug() {}, info() {}, warn() {}, error() {} };
      const settings = { owner: "test", codeHash: "test" };
      const engine = createEngine(ports, { workflows: [billing], log, settings });
      ports.runners.script("billing", ({ completed_steps: steps }) =>
        steps.length === 0
          ? complete("read", "x".repeat(outputBytes))
          : { action: "wait_event", event: "go" },
      );
      await start(engine, { workflow: "billing" });
      const [wake] = await ports.queue.receive("work", { max: 1, waitMs: 0 });
      await advance(engine, wake!.body);
      expect(engine.residents.size.runs).toBe(1);
      return engine.residents.size.events;
    };
    expect((await eventsOf(500_000)) - (await eventsOf(0))).toBe(1_000);
  });

  test("is a child like any other", async () => {
    const parent = workflow("parent", (run) => run.child("bill", billing, { order: 1 }));
    const { runner } = scripted(() => ({ action: "complete", output: "billed" }));
    const host = testHost({ workflows: [parent, billing], runners: { billing: runner } });
    expect(await host.result(await host.start(parent))).toBe("billed");
  });

  test("refuses an input that does not hold its schema", async () => {
    const never = {
      "~standard": { version: 1, vendor: "test", validate: () => ({ issues: [{ message: "no" }] }) },
    };
    const strict = remote("strict", { url: "http://runner.test", input: never as never });
    const host = testHost({ workflows: [strict], runners: { strict: () => ({ action: "complete" }) } });
    await expect(host.start(strict, 1 as never)).rejects.toMatchObject({ code: "InvalidInput" });
  });
});

describe("a failed step", () => {
  const failing = (times: number) =>
    scripted((done, { completed_steps }) => {
      if (!done.includes("fetch")) return complete("fetch");
      const failed = completed_steps.filter(({ status }) => status === "failed").length;
      if (failed < times) return { action: "fail", step_name: "charge", error: `no ${failed}` };
      return done.includes("charge") ? { action: "complete", output: "ok" } : complete("charge", "c");
    });
  const twice = remote("billing", { url: "http://runner.test", maxRetries: 2 });

  test("is tried again, without growing the current step", async () => {
    const { runner, turns } = failing(2);
    const host = testHost({ workflows: [twice], runners: { billing: runner } });
    const runId = await host.start(twice);
    await host.skip("1 minute");
    expect(await host.result(runId)).toBe("ok");
    expect(turns.map(({ current_step }) => current_step)).toEqual([0, 1, 1, 1, 2]);
    expect(turns.at(-1)?.completed_steps).toMatchObject([
      { name: "fetch", status: "completed", retry_count: 0 },
      { step_id: "2", name: "charge", status: "failed", error: "no 0", retry_count: 0 },
      { step_id: "2", name: "charge", status: "failed", error: "no 1", retry_count: 1 },
      { step_id: "2", name: "charge", status: "completed", output: "c", retry_count: 2 },
    ]);
    expect((await host.get(runId)).retryCount).toBe(2);
    expect(await host.operations(runId)).toMatchObject([
      { name: "fetch", attempts: 1 },
      { id: "2", name: "charge", kind: "step", status: "completed", attempts: 3, output: "c" },
    ]);
  });

  test("waits for its next attempt as a sleeping step", async () => {
    const host = testHost({ workflows: [twice], runners: { billing: failing(1).runner }, seed: 5 });
    const runId = await host.start(twice);
    expect(await host.get(runId)).toMatchObject({ status: "sleeping" });
    expect(await host.operations(runId)).toMatchObject([
      { name: "fetch" },
      { id: "2", name: "charge", kind: "step", status: "sleeping", attempts: 1 },
      { kind: "step", name: "turn", status: "sleeping" },
    ]);
  });

  test("fails the run after its last attempt, with what the runner said", async () => {
    const error = { name: "CardDeclined", message: "insufficient funds", code: 51 };
    const { runner, turns } = scripted(() => ({ action: "fail", step_name: "charge", error }));
    const host = testHost({ workflows: [twice], runners: { billing: runner } });
    const runId = await host.start(twice);
    await host.skip("5 minutes");
    expect(turns).toHaveLength(3);
    expect((await host.get(runId)).error).toEqual({
      code: "StepFailed",
      name: "CardDeclined",
      message: "insufficient funds",
      operation: "charge",
      attempts: 3,
      data: error,
    });
    expect(await host.operations(runId)).toMatchObject([{ name: "charge", status: "failed", attempts: 3 }]);
  });

  test("has retries of its own, anew after it has completed", async () => {
    const { runner } = scripted((_done, { completed_steps }) => {
      const { length } = completed_steps;
      if (length === 9) return { action: "complete", output: "survived" };
      return length % 3 === 2 ? complete("poll") : { action: "fail", step_name: "poll", error: "not yet" };
    });
    const host = testHost({ workflows: [twice], runners: { billing: runner } });
    const runId = await host.start(twice);
    await host.skip("1 hour");
    expect(await host.result(runId)).toBe("survived");
    expect((await host.operations(runId)).map(({ attempts }) => attempts)).toEqual([3, 3, 3]);
  });

  test("may be left for another step, and fails with the run's end", async () => {
    const { runner } = scripted((done, { completed_steps }) => {
      if (completed_steps.length === 0) return { action: "fail", step_name: "fast", error: "busy" };
      return done.length === 0 ? complete("slow") : { action: "complete" };
    });
    const host = testHost({ workflows: [billing], runners: { billing: runner } });
    const runId = await host.start(billing);
    await host.skip("1 minute");
    expect(await host.operations(runId)).toMatchObject([
      { name: "fast", status: "failed", error: { message: "busy" } },
      { name: "slow", status: "completed" },
    ]);
  });

  test("with no retries left at all fails at once", async () => {
    const none = remote("billing", { url: "http://runner.test", maxRetries: 0 });
    const { runner } = scripted(() => ({ action: "fail", step_name: "charge", error: "no" }));
    const host = testHost({ workflows: [none], runners: { billing: runner } });
    await expect(host.result(await host.start(none))).rejects.toMatchObject({ details: { attempts: 1 } });
  });
});

describe("an answer that does not hold fails the run, and says why", () => {
  test.each([
    [{ action: "dance" }, /an action of step_complete.*got "dance"/],
    [{ step_name: "x" }, /a field action, got none/],
    [["complete"], /an object with an action, got \["complete"\]/],
    [null, /an object with an action, got null/],
    [{ action: "step_complete" }, /a field step_name with action step_complete, got none/],
    [{ action: "step_complete", step_name: "" }, /step_name to be a name/],
    [{ action: "step_complete", step_name: "x", duration_ms: "1" }, /duration_ms to be a number/],
    [{ action: "sleep" }, /a field duration with action sleep, got none/],
    [{ action: "sleep", duration: "a while" }, /a duration such as .* got "a while"/],
    [{ action: "sleep", duration: -1 }, /a duration such as .* got -1/],
    [{ action: "wait_event" }, /a field event with action wait_event, got none/],
    [{ action: "wait_event", event: 7 }, /event to be a name .* got 7/],
    [{ action: "fail", error: "x" }, /a field step_name with action fail, got none/],
    [{ action: "fail", step_name: "x" }, /a field error with action fail, got none/],
  ])("%j", async (answer, message) => {
    const { runner, turns } = scripted(() => answer as TurnAction);
    const host = testHost({ workflows: [billing], runners: { billing: runner } });
    const runId = await host.start(billing);
    expect((await host.get(runId)).error).toMatchObject({
      code: "RunnerProtocolError",
      name: "RunnerProtocolError",
      message: expect.stringMatching(message),
    });
    expect(turns, "it is not asked again").toHaveLength(1);
  });
});

describe("a runner that is out of reach", () => {
  test("is tried again, and uses no retries", async () => {
    let tries = 0;
    const runner: ScriptedRunner = () => {
      if (++tries < 6) throw new Error("ECONNREFUSED");
      return { action: "complete", output: "back" };
    };
    const none = remote("billing", { url: "http://runner.test", maxRetries: 0 });
    const host = testHost({ workflows: [none], runners: { billing: runner } });
    const runId = await host.start(none);
    expect(await host.operations(runId)).toMatchObject([{ kind: "step", name: "turn", status: "sleeping" }]);
    await host.skip("2 minutes");
    expect(await host.result(runId)).toBe("back");
    expect((await host.get(runId)).retryCount).toBe(0);
    expect(await host.operations(runId)).toEqual([]);
  });

  test("for five minutes, then fails the run, which can be redriven", async () => {
    let isBack = false;
    const { runner } = scripted((done) => {
      if (done.length === 0) return complete("one", "1");
      if (!isBack) throw new Error("ECONNREFUSED");
      return { action: "complete", output: "back" };
    });
    const host = testHost({ workflows: [billing], runners: { billing: runner } });
    const runId = await host.start(billing);
    await host.skip("4 minutes");
    expect((await host.get(runId)).status).toBe("sleeping");
    await host.skip("2 minutes");
    const { error } = await host.get(runId);
    expect(error).toMatchObject({
      code: "RunnerUnavailable",
      message: expect.stringContaining("was out of reach for 5 minutes"),
      cause: { code: "RunnerUnavailable", message: expect.stringContaining("ECONNREFUSED") },
    });
    isBack = true;
    await host.redrive(runId);
    expect(await host.result(runId)).toBe("back");
    expect(await host.operations(runId)).toMatchObject([{ name: "one", status: "completed", output: "1" }]);
  });

  test("a pause does not use the five minutes up", async () => {
    let isBack = false;
    const runner: ScriptedRunner = () => {
      if (!isBack) throw new Error("gone");
      return { action: "complete", output: "back" };
    };
    const host = testHost({ workflows: [billing], runners: { billing: runner } });
    const runId = await host.start(billing);
    await host.skip("30s");
    await host.pause(runId);
    await host.skip("1 day");
    await host.resume(runId);
    await host.skip("2 minutes");
    expect((await host.get(runId)).status).toBe("sleeping");
    isBack = true;
    await host.skip("1 minute");
    expect(await host.result(runId)).toBe("back");
  });

  test("one that hangs is given up at the step's timeout, and asked again", async () => {
    let tries = 0;
    const aborted: boolean[] = [];
    const runner: ScriptedRunner = (_turn, { signal }) => {
      if (++tries > 1) return { action: "complete", output: "at last" };
      signal.addEventListener("abort", () => aborted.push(true));
      return new Promise(() => {});
    };
    const slow = remote("billing", { url: "http://runner.test", stepTimeout: "20s" });
    const host = testHost({ workflows: [slow], runners: { billing: runner }, patienceMs: 20 });
    const runId = await host.start(slow);
    await host.skip("19s");
    expect([tries, aborted]).toEqual([1, []]);
    await host.skip("10s");
    expect([tries, aborted]).toEqual([2, [true]]);
    expect(await host.result(runId)).toBe("at last");
  });

  test("is asked nothing that is too large to be sent", async () => {
    const { runner, turns } = scripted((done) => complete(`s${done.length}`, "x".repeat(3_100_000)));
    const host = testHost({ workflows: [billing], runners: { billing: runner } });
    const runId = await host.start(billing);
    expect((await host.get(runId)).error).toMatchObject({ code: "TurnTooLarge" });
    expect(turns).toHaveLength(2);
  });
});

describe("a remote run is steered like any other", () => {
  test("a cancel aborts the turn in flight", async () => {
    const aborted: string[] = [];
    const runner: ScriptedRunner = (_turn, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          aborted.push(String(signal.reason));
          reject(signal.reason as Error);
        });
      });
    const host = testHost({ workflows: [billing], runners: { billing: runner }, patienceMs: 20 });
    const runId = await host.start(billing);
    await host.cancel(runId, { reason: "wrong order" });
    await host.skip("5s");
    expect(await host.get(runId)).toMatchObject({ status: "cancelled" });
    expect(aborted).toHaveLength(1);
    expect(await host.operations(runId)).toEqual([]);
  });

  test("a cancel ends its sleep and its waiting", async () => {
    for (const answer of [
      { action: "sleep", duration: "52 weeks" },
      { action: "wait_event", event: "never" },
    ] as TurnAction[]) {
      const host = testHost({ workflows: [billing], runners: { billing: () => answer } });
      const runId = await host.start(billing);
      await host.cancel(runId);
      expect((await host.get(runId)).status).toBe("cancelled");
    }
  });

  test("a deadline ends it", async () => {
    const brief = remote("billing", { url: "http://runner.test", timeout: "1 hour" });
    const host = testHost({
      workflows: [brief],
      runners: { billing: () => ({ action: "wait_event", event: "never" }) },
    });
    const runId = await host.start(brief);
    await host.skip("61 minutes");
    expect((await host.get(runId)).status).toBe("timedOut");
  });

  test("paused, its runner is not asked", async () => {
    const { runner, turns } = scripted((done) =>
      done.length === 0 ? { action: "wait_event", event: "go" } : { action: "complete", output: done },
    );
    const host = testHost({ workflows: [billing], runners: { billing: runner } });
    const runId = await host.start(billing);
    await host.pause(runId);
    await host.signal(runId, "go");
    await host.skip("1 day");
    expect(turns).toHaveLength(1);
    await host.resume(runId);
    expect(await host.result(runId)).toEqual(["event:go"]);
  });

  test("redriven, it goes on with the step that failed, whose retries begin anew", async () => {
    let isMended = false;
    const { runner, turns, ids } = scripted((done) => {
      if (!done.includes("one")) return complete("one", "1");
      if (!isMended && !done.includes("two")) return { action: "fail", step_name: "two", error: "broken" };
      return done.includes("two") ? { action: "complete", output: done } : complete("two", "2");
    });
    const host = testHost({ workflows: [billing], runners: { billing: runner } });
    const runId = await host.start(billing);
    await host.skip("5 minutes");
    expect((await host.get(runId)).status).toBe("failed");
    const asked = turns.length;
    await host.redrive(runId);
    await host.skip("5 minutes");
    expect(turns.length - asked, "three attempts once more").toBe(3);
    isMended = true;
    await host.redrive(runId);
    await host.skip("5 minutes");
    expect(await host.result(runId)).toEqual(["one", "two"]);
    expect(turns.at(-1)?.completed_steps[0]).toMatchObject({ name: "one", output: "1" });
    expect(await host.operations(runId)).toMatchObject([
      { name: "one", attempts: 1 },
      { name: "two", status: "completed", output: "2" },
    ]);
    expect(new Set(ids).size, "no turn of a redrive has the id of an earlier one").toBe(ids.length);
  });

  test("redriven from a step, it forgets what came after it", async () => {
    let times = 0;
    const { runner } = scripted((done) => {
      if (done.length < 3) return complete(`s${done.length}`, String(++times));
      return times < 6
        ? { action: "fail", step_name: "last", error: "no" }
        : { action: "complete", output: times };
    });
    const once = remote("billing", { url: "http://runner.test", maxRetries: 0 });
    const host = testHost({ workflows: [once], runners: { billing: runner } });
    const runId = await host.start(once);
    await host.redrive(runId, { from: "s1" });
    expect((await host.get(runId)).status).toBe("failed");
    expect((await host.operations(runId)).map(({ name, output }) => [name, output])).toEqual([
      ["s0", "1"],
      ["s1", "4"],
      ["s2", "5"],
      ["last", undefined],
    ]);
  });

  test("a change of maxRetries leaves runs under way as they are", async () => {
    const { runner } = scripted((done, { completed_steps }) =>
      completed_steps.length < 2
        ? { action: "fail", step_name: "charge", error: "no" }
        : done.length === 0
          ? complete("charge")
          : { action: "complete", output: "whole" },
    );
    const host = testHost({ workflows: [billing], runners: { billing: runner } });
    const runId = await host.start(billing);
    await host.skip("10s");
    host.deploy([remote("billing", { url: "http://runner.test", maxRetries: 0 })]);
    await host.wake(runId);
    expect(await host.result(runId)).toBe("whole");
  });

  test("whenever a process dies, its outcome is the same", async () => {
    const { crashes } = await everyCrash(
      { workflows: [billing], runners: { billing: (turn, call) => whole().runner(turn, call) } },
      async (host) => {
        const runId = await through(host);
        const { status } = await host.get(runId);
        const names = (await host.operations(runId)).map(({ name }) => name);
        return { status, names, output: await host.result(runId) };
      },
    );
    expect(crashes).toBeGreaterThan(40);
  });
});
