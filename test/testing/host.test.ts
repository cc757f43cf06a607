import { setTimeout as realTime } from "node:timers/promises";
import { OperationError, type RunContext, StepfoldError, workflow } from "stepfold";
import { testHost } from "stepfold/testing";
import { describe, expect, test } from "vitest";

const nap = workflow("nap", async (run) => {
  const begun = run.now().getTime();
  await run.sleep("short", "10m");
  await run.sleep("long", "40 days");
  return run.now().getTime() - begun;
});

const DAY_MS = 86_400_000;

describe("virtual time", () => {
  test("stands still but for skips, and fires what is due at its own time", async () => {
    const host = testHost({ workflows: [nap], now: "2030-05-05T00:00:00Z" });
    const runId = await host.start(nap);
    expect(host.now().toISOString()).toBe("2030-05-05T00:00:00.000Z");
    expect((await host.get(runId)).wakeAt?.toISOString()).toBe("2030-05-05T00:10:00.000Z");
    await host.skip("9m");
    expect((await host.operations(runId)).map(({ name }) => name)).toEqual(["short"]);
    await host.skip("41 days");
    expect(await host.result(runId)).toBe(40 * DAY_MS + 600_000);
    expect(host.now().getTime()).toBe(Date.parse("2030-05-05T00:09:00Z") + 41 * DAY_MS);
    const [, long] = await host.operations(runId);
    expect(long!.finishedAt!.getTime() - long!.startedAt.getTime()).toBe(40 * DAY_MS);
  });

  test("a result that is not there yet says what the run waits for", async () => {
    const asking = workflow("asking", (run) => run.waitForSignal("answer", { timeout: "2h" }));
    const host = testHost({ workflows: [asking] });
    const runId = await host.start(asking);
    const error: unknown = await host.result(runId).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StepfoldError);
    expect(error).toMatchObject({
      code: "RunNotFinished",
      data: { status: "waiting", waitingFor: ["answer"] },
    });
    expect(String(error)).toMatch(/signal "answer".*2026-01-01T02:00/);
  });

  test("the same calls with the same seed give the same journal; another seed gives other ids", async () => {
    const journalWith = async (seed: number) => {
      const host = testHost({ workflows: [nap], seed });
      const runId = await host.start(nap);
      await host.skip("41 days");
      return { runId, journal: await host.journal(runId) };
    };
    const [first, second, other] = [await journalWith(7), await journalWith(7), await journalWith(8)];
    expect(second).toEqual(first);
    expect(other.runId).not.toBe(first.runId);
  });

  test("waits for the real work of steps, also in branches", async () => {
    const slow = (name: string) => (run: RunContext) => run.step(name, () => realTime(60, name));
    const working = workflow("working", (run) =>
      run.all("both", { left: slow("l"), right: (inner) => inner.race("first", { only: slow("r") }) }),
    );
    const host = testHost({ workflows: [working] });
    expect(await host.result(await host.start(working))).toEqual({ left: "l", right: "r" });
  });
});

describe("steps that fail or hang", () => {
  const hanging = (aborted: unknown[]) =>
    workflow("hanging", (run) =>
      run.step(
        "hang",
        ({ signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener("abort", () => {
              aborted.push(signal.reason);
              reject(signal.reason);
            });
          }),
        { timeout: "30s", retry: { maxAttempts: 1 } },
      ),
    );

  test("one that hangs ends by its timeout once time is skipped to it", async () => {
    const aborted: unknown[] = [];
    const definition = hanging(aborted);
    const host = testHost({ workflows: [definition], patienceMs: 20 });
    const runId = await host.start(definition);
    await host.skip("29s");
    expect((await host.operations(runId))[0]).toMatchObject({ name: "hang", status: "running" });
    expect(aborted).toEqual([]);
    await host.skip("1s");
    await expect(host.result(runId)).rejects.toMatchObject({ code: "StepTimeout" });
    expect(aborted).toHaveLength(1);
  });

  test("one that hangs is aborted by a cancel", async () => {
    const aborted: unknown[] = [];
    const definition = hanging(aborted);
    const host = testHost({ workflows: [definition], patienceMs: 20 });
    const runId = await host.start(definition);
    await host.cancel(runId, { reason: "enough" });
    expect(aborted).toHaveLength(1);
    expect((await host.get(runId)).status).toBe("cancelled");
    await expect(host.result(runId)).rejects.toBeInstanceOf(OperationError);
  });

  test("failNext makes one attempt fail, and the retry comes after its delay", async () => {
    let calls = 0;
    const definition = workflow("failing", (run) =>
      run.step("work", () => ++calls, { retry: { initialDelay: "10s", jitter: "none" } }),
    );
    const host = testHost({ workflows: [definition] });
    host.failNext("work", new Error("as asked"));
    const runId = await host.start(definition);
    await host.skip("9s");
    expect(calls).toBe(0);
    await host.skip("1s");
    expect(await host.result(runId)).toBe(1);
    expect((await host.operations(runId))[0]).toMatchObject({ attempts: 2 });
  });

  test("a result waits for retries of the run's steps, and of its children's, but for nothing else", async () => {
    const inner = workflow("inner", (run) => run.step("inner work", () => "done"));
    const definition = workflow("outer", async (run) => {
      const first = await run.step("work", () => 1, { retry: { initialDelay: "1h", maxDelay: "1h" } });
      const second = await run.child("inner", inner);
      await run.sleep("nap", "1 minute");
      return [first, second];
    });
    const host = testHost({ workflows: [definition, inner] });
    host.failNext("work", "as asked, without an error");
    host.failNext("inner work");
    host.failNext("inner work", new RangeError("as asked"));
    const runId = await host.start(definition);
    await expect(host.result(runId)).rejects.toMatchObject({
      code: "RunNotFinished",
      data: { status: "sleeping" },
    });
    expect((await host.operations(runId)).map(({ name, attempts }) => [name, attempts])).toEqual([
      ["work", 2],
      ["inner", 1],
      ["nap", 1],
    ]);
    await host.skip("1 minute");
    expect(await host.result(runId)).toEqual([1, "done"]);
  });
});

test("a result is that of the last run of those that a run continued as", async () => {
  const countdown = workflow("countdown", async (run, left: number): Promise<string> => {
    await run.sleep("tick", "1h");
    return left === 0 ? "go" : run.continueAsNew(left - 1);
  });
  const host = testHost({ workflows: { countdown } });
  const runId = await host.start(countdown, 2);
  await host.skip("2h");
  await expect(host.result(runId)).rejects.toMatchObject({ code: "RunNotFinished" });
  await host.skip("1h");
  expect(await host.result(runId)).toBe("go");
});

describe("processes that die", () => {
  test("a crash in the midst of a step loses its result: it is done again, under the same key", async () => {
    const keys: string[] = [];
    let before = 0;
    const definition = workflow("crashing", async (run) => {
      await run.step("before", () => void before++);
      return run.step("fragile", ({ idempotencyKey }) => {
        keys.push(idempotencyKey);
        if (keys.length === 1) host.crash();
        return `call ${keys.length}`;
      });
    });
    const host = testHost({ workflows: [definition] });
    const runId = await host.start(definition);
    expect(await host.result(runId)).toBe("call 2");
    expect(keys).toEqual([keys[0], keys[0]]);
    expect(before).toBe(1);
    const events = await host.journal(runId);
    const owners = events.flatMap((event) => (event.type === "LegStarted" ? [event.owner] : []));
    expect(owners).toEqual(["process-1", "process-2"]);
  });

  test("a step that always kills its process fails by its retry policy", async () => {
    let kills = 0;
    const definition = workflow("deadly", (run) =>
      run.step(
        "kill",
        () => {
          kills++;
          host.crash();
        },
        { retry: { maxAttempts: 3 } },
      ),
    );
    const host = testHost({ workflows: [definition] });
    const runId = await host.start(definition);
    await host.skip("10m");
    await expect(host.result(runId)).rejects.toMatchObject({ code: "LegCrashed", details: { attempts: 3 } });
    expect(kills).toBe(3);
  });

  test("what a dead process still writes is not stored", async () => {
    const definition = workflow("ghost", async (run) => {
      await run.step("one", async ({ attempt }) => {
        if (attempt > 1) return;
        host.crash();
        await realTime(30);
      });
      await run.sleep("wait", "1h");
    });
    const host = testHost({ workflows: [definition] });
    const runId = await host.start(definition);
    await host.skip("1m");
    await realTime(60);
    const owners = (await host.journal(runId)).flatMap((event) =>
      event.type === "LegStarted" ? [event.owner] : [],
    );
    expect(owners[0]).toBe("process-1");
    expect(new Set(owners.slice(1))).toEqual(new Set(["process-2"]));
    const { revision } = await host.get(runId);
    expect((await host.get(runId)).revision).toBe(revision);
    await host.skip("1h");
    await host.result(runId);
  });

  test("an evicted run is replayed; a wake for nothing changes nothing", async () => {
    let calls = 0;
    const definition = workflow("replayed", async (run) => {
      calls++;
      const drawn = run.random();
      await run.sleep("wait", "1h");
      return drawn === run.random() ? "the same" : "another";
    });
    const host = testHost({ workflows: [definition] });
    const runId = await host.start(definition);
    const { revision } = await host.get(runId);
    await host.wake(runId);
    expect((await host.get(runId)).revision).toBe(revision);
    expect(calls).toBe(1);
    host.evict(runId);
    await host.skip("1h");
    expect(await host.result(runId)).toBe("another");
    expect(calls).toBe(2);
  });
});

describe("runs that start runs", () => {
  test("a child's answer and a child's failure reach the parent", async () => {
    const half = workflow("half", async (run, number: number) => {
      await run.sleep("think", "1h");
      if (number % 2 === 1) throw new RangeError(`${number} is odd`);
      return number / 2;
    });
    const parent = workflow("parent", async (run, number: number) => run.child("half", half, number));
    const host = testHost({ workflows: [half, parent] });
    const [even, odd] = [await host.start(parent, 42), await host.start(parent, 41)];
    await host.skip("1h");
    expect(await host.result(even)).toBe(21);
    await expect(host.result(odd)).rejects.toMatchObject({
      code: "ChildFailed",
      message: expect.stringContaining("41 is odd"),
    });
  });
});
