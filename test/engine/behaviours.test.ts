/** What people count on, one test each, named after it. All on virtual time. */
import { describe, expect, test } from "vitest";
import type { Log, RunContext } from "../../shared/core/context.ts";
import { durationMs } from "../../shared/core/duration.ts";
import { flow } from "../../shared/core/flow/flow.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { sendSignal } from "../../shared/engine/control.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import { type TestHost, testHost } from "../../shared/testing/index.ts";

const HOUR_MS = 3_600_000;
const hostOf = (...workflows: unknown[]) => testHost({ workflows, now: 0 });
const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** As the API does with `?mode=strict`. */
const signalStrictly = (host: TestHost, runId: string, name: string, payload: string) =>
  sendSignal(
    createEngine(host.ports, { workflows: [], log: silent, settings: { owner: "api", codeHash: "" } }),
    { runId, name, payload, strict: true },
  );

describe("retry", () => {
  test("up to the maximum, then failed, with each wait twice the one before", async () => {
    const at: number[] = [];
    const failing = workflow("failing", async (run) =>
      run.step(
        "work",
        () => {
          at.push(host.now().getTime() / 1_000);
          throw new RangeError(`attempt ${at.length}`);
        },
        { retry: { maxAttempts: 4, initialDelay: "10s", backoff: 2, jitter: "none" } },
      ),
    );
    const host = hostOf(failing);
    const runId = await host.start(failing);
    await host.skip("1h");
    await expect(host.result(runId)).rejects.toMatchObject({
      code: "StepFailed",
      name: "RangeError",
      details: { message: "attempt 4", attempts: 4, operation: "work" },
    });
    expect(at).toEqual([0, 10, 30, 70]);
    expect(await host.get(runId)).toMatchObject({ status: "failed", retryCount: 3 });
    await host.skip("1h");
    expect(at).toHaveLength(4);
  });

  test("maxRetries is one less than the attempts, and a later success clears what failed", async () => {
    const twice = workflow("twice", { maxRetries: 2 }, async (run) => run.step("work", () => "done"));
    const host = hostOf(twice);
    host.failNext("work", new Error("one"));
    host.failNext("work", new Error("two"));
    const runId = await host.start(twice);
    await host.skip("1m");
    expect(await host.result(runId)).toBe("done");
    expect((await host.operations(runId))[0]).toMatchObject({ attempts: 3, status: "completed" });
  });
});

describe("an event for a run", () => {
  const asking = workflow("asking", async (run) => {
    await run.sleep("nap", "1h");
    return run.waitForSignal("yes");
  });

  test("that is not waiting is kept; in strict mode it is NotWaiting", async () => {
    const host = hostOf(asking);
    const runId = await host.start(asking);
    await expect(signalStrictly(host, runId, "yes", "early")).rejects.toMatchObject({ code: "NotWaiting" });
    await host.signal(runId, "yes", "kept");
    expect((await host.get(runId)).status).toBe("sleeping");
    await host.skip("1h");
    expect(await host.result(runId)).toBe("kept");
  });

  test("that waits for another name changes nothing; in strict mode the answer says for which", async () => {
    const host = hostOf(asking);
    const runId = await host.start(asking);
    await host.skip("1h");
    await expect(signalStrictly(host, runId, "no", "wrong")).rejects.toMatchObject({
      code: "NotWaiting",
      data: { waitingFor: [{ name: "yes" }] },
    });
    await host.signal(runId, "no", "wrong");
    expect(await host.get(runId)).toMatchObject({ status: "waiting", waitingFor: [{ name: "yes" }] });
    await signalStrictly(host, runId, "yes", "right");
    await host.skip("1s");
    expect(await host.result(runId)).toBe("right");
  });

  test("that is finished is RunFinished; that does not exist is RunNotFound", async () => {
    const quick = workflow("quick", async () => 1);
    const host = hostOf(quick);
    const runId = await host.start(quick);
    await expect(host.signal(runId, "yes")).rejects.toMatchObject({ code: "RunFinished" });
    await expect(host.signal("nobody", "yes")).rejects.toMatchObject({ code: "RunNotFound" });
  });
});

describe("duration texts", () => {
  test.each([
    ["45s", 45_000],
    ["30m", 30 * 60_000],
    ["2h", 2 * HOUR_MS],
    ["7d", 168 * HOUR_MS],
    ["1w", 168 * HOUR_MS],
    ["250ms", 250],
    ["1 second", 1_000],
    ["10 minutes", 600_000],
    ["3 Days", 72 * HOUR_MS],
    ["  1.5  hours ", 1.5 * HOUR_MS],
    ["90", 90_000],
    [90, 90_000],
    [0, 0],
  ])("%j is %d ms, and a run sleeps for so long", async (text, ms) => {
    expect(durationMs(text)).toBe(ms);
    const sleeper = workflow("sleeper", async (run) => {
      await run.sleep("nap", text);
      return run.now().getTime();
    });
    const host = hostOf(sleeper);
    const runId = await host.start(sleeper);
    await host.skip(ms / 1_000);
    expect(await host.result(runId)).toBe(ms);
  });

  test.each(["", " ", "soon", "-1s", "1 fortnight", "1h 30m", "s", "1,5h", -5, Number.NaN, Infinity])(
    "%j is refused, and fails the run at once",
    async (text) => {
      expect(() => durationMs(text)).toThrow(/Expected a duration/);
      const sleeper = workflow("sleeper", async (run) => run.sleep("nap", text));
      const host = hostOf(sleeper);
      const runId = await host.start(sleeper);
      await expect(host.result(runId)).rejects.toMatchObject({ code: "InvalidDuration" });
    },
  );
});

describe("cancel", () => {
  const napping = workflow("napping", async (run) => run.sleep("nap", "1 day"));

  test("says why and by whom; the first to ask is kept", async () => {
    const host = hostOf(napping);
    const runId = await host.start(napping);
    await host.cancel(runId, { reason: "too dear", by: "ann" });
    await host.cancel(runId, { reason: "again", by: "bob" });
    expect(await host.get(runId)).toMatchObject({
      status: "cancelled",
      cancel: { reason: "too dear", by: "ann" },
    });
  });

  test("a run that is cancelled before it begins ends without its code being called", async () => {
    let calls = 0;
    const counting = workflow("counting", async () => void calls++);
    const host = hostOf(counting);
    const runId = await host.start(counting, undefined, { startAt: 2 * HOUR_MS });
    expect((await host.get(runId)).status).toBe("pending");
    await host.cancel(runId, { by: "ann" });
    await host.skip("3h");
    expect(await host.get(runId)).toMatchObject({ status: "cancelled", cancel: { by: "ann" } });
    expect(calls).toBe(0);
  });

  test("during a delay it ends the run at once, not when the delay is over", async () => {
    const host = hostOf(napping);
    const runId = await host.start(napping);
    await host.skip("1h");
    await host.cancel(runId);
    expect((await host.get(runId)).status).toBe("cancelled");
    expect(host.now().getTime()).toBeLessThan(2 * HOUR_MS);
    expect((await host.operations(runId))[0]).toMatchObject({ name: "nap", status: "cancelled" });
    const before = await host.journal(runId);
    await host.skip("2 days");
    expect(await host.journal(runId)).toEqual(before);
  });

  test("a finished run cannot be cancelled", async () => {
    const quick = workflow("quick", async () => 1);
    const host = hostOf(quick);
    const runId = await host.start(quick);
    await expect(host.cancel(runId)).rejects.toMatchObject({ code: "RunFinished" });
  });
});

describe("pause", () => {
  const napping = workflow("napping", async (run) => {
    await run.sleep("nap", "1h");
    const word = await run.waitForSignal("word");
    return `${word} at ${run.now().getTime() / HOUR_MS}`;
  });

  test("and unpause: what came due meanwhile happens afterwards, what came is not lost", async () => {
    const host = hostOf(napping);
    const runId = await host.start(napping);
    await host.pause(runId, { reason: "maintenance", by: "ann" });
    await host.signal(runId, "word", "hello");
    await host.skip("3h");
    expect((await host.get(runId)).status).toBe("paused");
    expect((await host.operations(runId)).map(({ name, status }) => [name, status])).toEqual([
      ["nap", "sleeping"],
    ]);
    await host.resume(runId, { by: "bob" });
    expect(await host.result(runId)).toBe("hello at 3");
  });

  test("resumed twice, the second changes nothing", async () => {
    const host = hostOf(napping);
    const runId = await host.start(napping);
    await host.pause(runId);
    await host.resume(runId);
    const before = await host.journal(runId);
    await host.resume(runId);
    expect(await host.journal(runId)).toEqual(before);
    expect((await host.get(runId)).status).toBe("sleeping");
  });

  test("paused twice, one resume is enough", async () => {
    const host = hostOf(napping);
    const runId = await host.start(napping);
    await host.pause(runId);
    await host.pause(runId);
    await host.resume(runId);
    await host.skip("1h");
    expect((await host.get(runId)).status).toBe("waiting");
  });
});

describe("signals", () => {
  test("one that comes before its wait is kept for it, and consumed once", async () => {
    const twice = workflow("twice", async (run) => {
      await run.sleep("nap", "1h");
      const first = await run.waitForSignal<string>("word");
      const second = await run.waitForSignal<string>("word", { timeout: "1h" }).catch(() => "nothing");
      return [first, second];
    });
    const host = hostOf(twice);
    const runId = await host.start(twice);
    await host.signal(runId, "word", "early", { signalId: "s-1" });
    await host.signal(runId, "word", "early", { signalId: "s-1" });
    await host.skip("3h");
    expect(await host.result(runId)).toEqual(["early", "nothing"]);
  });

  test("come in the order in which they were sent", async () => {
    const three = workflow("three", async (run) => {
      await run.sleep("nap", "1h");
      const words: string[] = [];
      while (words.length < 3) words.push(await run.waitForSignal<string>("word"));
      return words;
    });
    const host = hostOf(three);
    const runId = await host.start(three);
    for (const word of ["a", "b", "c"]) await host.signal(runId, "word", word);
    await host.skip("1h");
    expect(await host.result(runId)).toEqual(["a", "b", "c"]);
  });

  test("a wait times out at its time, and a signal after that is too late for it", async () => {
    const waiting = workflow("waiting", async (run) => run.waitForSignal("word", { timeout: "2h" }));
    const host = hostOf(waiting);
    const runId = await host.start(waiting);
    await host.skip("119m");
    expect((await host.get(runId)).status).toBe("waiting");
    await host.skip("1m");
    await expect(host.result(runId)).rejects.toMatchObject({ code: "SignalTimeout" });
    await expect(host.signal(runId, "word")).rejects.toMatchObject({ code: "RunFinished" });
  });
});

describe("declared flows", () => {
  test("delay passes data through", async () => {
    const delayed = flow("delayed")
      .then("make", (count: number) => ({ items: Array.from({ length: count }, (_, index) => index) }))
      .delay("one", "1h")
      .delay("two", "1h")
      .then("count", ({ items }) => items.length)
      .build();
    const host = hostOf(delayed);
    const runId = await host.start(delayed, 3);
    await host.skip("2h");
    expect(await host.result(runId)).toBe(3);
  });

  test("a task that is not implemented is refused before any run", () => {
    const shape = flow("shape").then("have").then("lack").then("want");
    expect(() => shape.build({ tasks: { have: () => 1 } })).toThrow(
      expect.objectContaining({
        code: "TaskNotImplemented",
        data: { flow: "shape", tasks: ["lack", "want"] },
      }),
    );
  });

  test("redeployed with another structure a run stalls, naming both hashes, and goes on when its own is back", async () => {
    const begun = flow("shape")
      .delay("nap", "1h")
      .then("a", () => "a");
    const old = begun.build();
    const other = begun.then("b", () => "b").build();
    const host = hostOf(old);
    const runId = await host.start(old);
    host.deploy([other]);
    await host.skip("2h");
    const stalled = await host.get(runId);
    expect(stalled.status).toBe("sleeping");
    expect(stalled.stalled).toMatchObject({
      code: "DefinitionMismatch",
      message: expect.stringMatching(new RegExp(`${old.definitionHash}.*${other.definitionHash}`)),
    });
    const both = { recorded: old.definitionHash, found: other.definitionHash };
    const refused = { code: "DefinitionMismatch", data: both };
    await expect(host.redrive(runId)).rejects.toMatchObject(refused);
    await host.pause(runId);
    await expect(host.resume(runId)).rejects.toMatchObject(refused);
    expect((await host.get(runId)).status).toBe("paused");
    const fresh = await host.start(other);
    await host.skip("1h");
    expect(await host.result(fresh)).toBe("b");
    host.deploy([old]);
    await host.resume(runId);
    await host.skip("10m");
    expect(await host.result(runId)).toBe("a");
  });

  test("another function for the same task is no other structure", async () => {
    const shape = flow("shape").delay("nap", "1h").then<string>("say");
    const host = hostOf(shape.build({ tasks: { say: () => "old" } }));
    const runId = await host.start("shape");
    host.deploy([shape.build({ tasks: { say: () => "new" } })]);
    await host.skip("1h");
    expect(await host.result(runId)).toBe("new");
  });
});

describe("branches", () => {
  /** When each step was done, in hours. */
  const hours = async (host: TestHost, runId: string) =>
    Object.fromEntries(
      (await host.operations(runId)).flatMap(({ kind, name, finishedAt }) =>
        kind === "step"
          ? [[name, finishedAt === undefined ? undefined : finishedAt.getTime() / HOUR_MS]]
          : [],
      ),
    );
  const napThen = (name: string, duration: string) => async (branch: RunContext) => {
    await branch.sleep(`nap ${name}`, duration);
    return branch.step(name, () => name);
  };

  test("parked at delays go on each at its own time, the join at the last", async () => {
    const parked = workflow("parked", async (run) => {
      const joined = await run.all("all", {
        a: napThen("a", "3h"),
        b: napThen("b", "1h"),
        c: napThen("c", "2h"),
      });
      return run.step("join", () => Object.values(joined));
    });
    const host = hostOf(parked);
    const runId = await host.start(parked);
    await host.skip("1h");
    expect(await hours(host, runId)).toEqual({ b: 1 });
    host.crash();
    await host.skip("1h");
    expect(await hours(host, runId)).toEqual({ b: 1, c: 2 });
    await host.skip("1h");
    expect(await host.result(runId)).toEqual(["a", "b", "c"]);
    expect(await hours(host, runId)).toEqual({ b: 1, c: 2, a: 3, join: 3 });
  });

  test("within branches are joined from the inside out", async () => {
    const nested = workflow("nested", async (run) =>
      run.all("outer", {
        left: (branch) =>
          branch.all("inner", {
            a: napThen("a", "1h"),
            deep: (deeper) => deeper.all("innermost", { b: napThen("b", "2h"), c: napThen("c", "3h") }),
          }),
        right: napThen("d", "1h"),
      }),
    );
    const host = hostOf(nested);
    const runId = await host.start(nested);
    await host.skip("90m");
    expect(await hours(host, runId)).toEqual({ a: 1, d: 1 });
    host.evict(runId);
    await host.skip("90m");
    expect(await host.result(runId)).toEqual({
      left: { a: "a", deep: { b: "b", c: "c" } },
      right: "d",
    });
    const forks = (await host.operations(runId)).filter(({ kind }) => kind === "all");
    expect(forks.map(({ id, parent, name }) => [id, parent, name])).toEqual([
      ["1", undefined, "outer"],
      ["1/left/1", "1", "inner"],
      ["1/left/1/deep/1", "1/left/1", "innermost"],
    ]);
  });
});
