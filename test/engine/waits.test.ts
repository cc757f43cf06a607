import { describe, expect, it } from "vitest";
import { workflow } from "../../shared/core/workflow.ts";
import { testHost } from "../../shared/testing/index.ts";
import { noise } from "../support/builders.ts";

const noted = <T>(log: string[], line: string, value: T): T => {
  log.push(line);
  return value;
};
const hostOf = (...workflows: unknown[]) => testHost({ workflows });

describe("gates", () => {
  const gated = workflow("gated", async (run) => run.gate("ok", { prompt: "Ship?", timeout: "2 days" }));

  it("hands over who decided, the feedback and the selections", async () => {
    const host = hostOf(gated);
    const id = await host.start(gated);
    await host.approve(id, "ok", { by: "ann", feedback: "go", selections: ["a"] });
    expect(await host.result(id)).toEqual({ approved: true, by: "ann", feedback: "go", selections: ["a"] });
  });

  it("keeps the first decision: the same again is answered, the other one is AlreadyDecided", async () => {
    const host = hostOf(gated);
    const id = await host.start(gated);
    await host.reject(id, "ok");
    await host.reject(id, "ok");
    await expect(host.approve(id, "ok")).rejects.toMatchObject({ code: "AlreadyDecided" });
    expect(await host.result(id)).toEqual({ approved: false });
  });

  it("times out", async () => {
    const host = hostOf(gated);
    const id = await host.start(gated);
    await host.skip("3 days");
    await expect(host.result(id)).rejects.toMatchObject({ code: "GateTimeout" });
  });

  it("buffers no decision", async () => {
    const late = workflow("late", async (run) => {
      await run.sleep("nap", "1h");
      return run.gate("ok");
    });
    const host = hostOf(late);
    const id = await host.start(late);
    await expect(host.approve(id, "ok")).rejects.toMatchObject({ code: "NotWaiting" });
  });
});

describe("callbacks", () => {
  const tokens: string[] = [];
  const called = workflow("called", async (run) =>
    run.callback("print", (token) => void tokens.push(token), { timeout: "1 day", heartbeat: "1h" }),
  );

  it("gives the output sent with the token, and knows a forged one", async () => {
    const host = hostOf(called);
    const id = await host.start(called);
    const token = tokens.at(-1)!;
    await expect(host.succeed(`${token}x`, 1)).rejects.toMatchObject({ code: "InvalidToken" });
    await host.succeed(token, { pages: 3 });
    await host.succeed(token, { pages: 3 });
    await expect(host.succeed(token, { pages: 4 })).rejects.toMatchObject({ code: "AlreadyDecided" });
    expect(await host.result(id)).toEqual({ pages: 3 });
  });

  it("fails by its token, by silence, and by time", async () => {
    const host = hostOf(called);
    const failing = await host.start(called);
    await host.fail(tokens.at(-1)!, "out of paper");
    await expect(host.result(failing)).rejects.toMatchObject({
      code: "CallbackFailed",
      message: "out of paper",
    });
    const silent = await host.start(called);
    await host.skip("50m");
    await host.heartbeat(tokens.at(-1)!);
    await host.skip("50m");
    expect((await host.get(silent)).status).toBe("waiting");
    await host.skip("20m");
    await expect(host.result(silent)).rejects.toMatchObject({ code: "CallbackTimeout" });
  });

  it("is silent for too long from its last heartbeat on, to the second", async () => {
    const host = hostOf(called);
    const id = await host.start(called);
    for (let beats = 0; beats < 4; beats++) {
      await host.skip("50m");
      await host.heartbeat(tokens.at(-1)!);
    }
    await host.skip("59m");
    expect((await host.get(id)).status).toBe("waiting");
    await host.skip("61s");
    expect((await host.get(id)).status).toBe("failed");
  });

  it("keeps nothing else from its time by a heartbeat", async () => {
    const beside = workflow("beside", (run) =>
      run.race("first", {
        called: (run) => run.callback("print", (token) => void tokens.push(token), { heartbeat: "1h" }),
        slept: (run) => run.sleep("nap", "90m"),
      }),
    );
    const host = hostOf(beside);
    const id = await host.start(beside);
    await host.skip("50m");
    await host.heartbeat(tokens.at(-1)!);
    await host.skip(2_401);
    expect((await host.get(id)).status).toBe("completed");
  });
});

describe("polls", () => {
  it("checks with backoff until the condition holds, and forgives a check that throws", async () => {
    const at: number[] = [];
    const polling = workflow("polling", async (run) =>
      run.poll(
        "ready",
        () => {
          at.push(host.now().getTime());
          if (at.length === 2) throw new Error("down");
          return at.length >= 4 ? { ready: true } : undefined;
        },
        { every: "1m", backoff: 2 },
      ),
    );
    const host = hostOf(polling);
    const id = await host.start(polling);
    await host.skip("1h");
    expect(await host.result(id)).toEqual({ ready: true });
    expect(at.map((time) => (time - at[0]!) / 60_000)).toEqual([0, 1, 3, 7]);
  });

  it("times out", async () => {
    const never = workflow("never", async (run) =>
      run.poll("ready", () => false, { every: "1m", timeout: "5m" }),
    );
    const host = hostOf(never);
    const id = await host.start(never);
    await host.skip("10m");
    await expect(host.result(id)).rejects.toMatchObject({ code: "PollTimeout" });
  });
});

describe("pausing", () => {
  it("a sleeping run that is due stays put, and goes on when resumed", async () => {
    const sleeper = workflow("sleeper", async (run) => {
      await run.sleep("nap", "1h");
      return run.step("done", () => "done");
    });
    const host = hostOf(sleeper);
    const id = await host.start(sleeper);
    await host.pause(id, { by: "ann" });
    await host.skip("5h");
    expect((await host.get(id)).status).toBe("paused");
    await host.resume(id);
    expect(await host.result(id)).toBe("done");
  });

  it("a running one stops at its next operation", async () => {
    const done: string[] = [];
    let hold = () => {};
    const two = workflow("two", async (run) => {
      await run.step(
        "one",
        () => new Promise<void>((resolve) => (hold = () => resolve(void done.push("one")))),
      );
      await run.step("two", () => void done.push("two"));
      return done;
    });
    const host = testHost({ workflows: [two], patienceMs: 30 });
    const id = await host.start(two);
    await host.pause(id);
    hold();
    await host.skip("10s");
    expect(done).toEqual(["one"]);
    await host.resume(id);
    expect(await host.result(id)).toEqual(["one", "two"]);
  });

  it("a paused run can be cancelled", async () => {
    const sleeper = workflow("sleeper", async (run) => run.sleep("nap", "1h"));
    const host = hostOf(sleeper);
    const id = await host.start(sleeper);
    await host.pause(id);
    await host.cancel(id);
    expect((await host.get(id)).status).toBe("cancelled");
  });
});

describe("compensation", () => {
  const log: string[] = [];
  const saga = workflow("saga", async (run, input: { fail?: boolean }) => {
    for (const name of ["a", "b", "c"])
      await run.step(name, () => noted(log, name, name), {
        compensate: (output) => {
          if (input.fail && output === "b") throw new Error("stuck");
          log.push(`-${output}`);
        },
        retry: { maxAttempts: 2, initialDelay: "1s" },
      });
    await run.sleep("wait", "1h");
    throw new Error("no");
  });

  it("undoes completed steps in reverse order after a failure, and after a cancel", async () => {
    const host = hostOf(saga);
    log.length = 0;
    const failed = await host.start(saga, {});
    await host.skip("2h");
    expect((await host.get(failed)).status).toBe("failed");
    expect(log).toEqual(["a", "b", "c", "-c", "-b", "-a"]);
    log.length = 0;
    const cancelled = await host.start(saga, {});
    await host.cancel(cancelled);
    expect((await host.get(cancelled)).status).toBe("cancelled");
    expect(log).toEqual(["a", "b", "c", "-c", "-b", "-a"]);
  });

  it("lists what could not be undone, and undoes the rest", async () => {
    const host = hostOf(saga);
    log.length = 0;
    const id = await host.start(saga, { fail: true });
    await host.cancel(id);
    await host.skip("1m");
    expect(log).toEqual(["a", "b", "c", "-c", "-a"]);
    const kinds = (await host.operations(id)).filter(({ kind }) => kind === "compensation");
    expect(kinds.map(({ status }) => status)).toEqual(["completed", "failed", "completed"]);
  });
});

describe("redrive", () => {
  it("goes on from the failed operation and keeps completed results", async () => {
    const calls: string[] = [];
    let broken = true;
    const flow = workflow("flow", async (run) => {
      const { left } = await run.all("both", {
        left: (branch) => branch.step("left", () => noted(calls, "left", 1)),
        right: (branch) => branch.step("right", () => noted(calls, "right", 2)),
      });
      await run.step(
        "breaks",
        () => {
          calls.push("breaks");
          if (broken) throw new Error("broken");
        },
        { retry: { maxAttempts: 1 } },
      );
      return run.step("last", () => left);
    });
    const host = hostOf(flow);
    const id = await host.start(flow);
    await expect(host.result(id)).rejects.toMatchObject({ message: "broken" });
    await host.redrive(id);
    await expect(host.result(id)).rejects.toMatchObject({ message: "broken" });
    broken = false;
    await host.redrive(id);
    expect(await host.result(id)).toBe(1);
    expect(calls).toEqual(["left", "right", "breaks", "breaks", "breaks"]);
  });

  it("from a named operation does it and what follows again; a completed run is NotRedrivable", async () => {
    const calls: string[] = [];
    const flow = workflow("flow", async (run) => {
      for (const name of ["a", "b", "c"]) await run.step(name, () => void calls.push(name));
      if (calls.length < 6) throw new Error("again");
      return calls.length;
    });
    const host = hostOf(flow);
    const id = await host.start(flow);
    await host.redrive(id, { from: "b" });
    await host.redrive(id, { from: "c" });
    expect(await host.result(id)).toBe(6);
    expect(calls.join("")).toBe("abcbcc");
    await expect(host.redrive(id)).rejects.toMatchObject({ code: "NotRedrivable" });
  });

  it("a cancelled run goes on where it was cancelled; a failed child is started anew", async () => {
    let fail = true;
    const child = workflow("child", async (run) =>
      run.step(
        "work",
        () => {
          if (fail) throw new Error("child");
          return "child";
        },
        { retry: { maxAttempts: 1 } },
      ),
    );
    const parent = workflow("parent", async (run) => {
      await run.sleep("nap", "1h");
      return run.child("c", child, {});
    });
    const host = hostOf(child, parent);
    const id = await host.start(parent);
    await host.cancel(id);
    await host.redrive(id);
    await host.skip("2h");
    await expect(host.result(id)).rejects.toMatchObject({ code: "ChildFailed" });
    fail = false;
    await host.redrive(id);
    expect(await host.result(id)).toBe("child");
  });
});

describe("the rest", () => {
  it("continueAsNew carries unconsumed signals, and whoever waits follows the chain", async () => {
    const loop = workflow("loop", async (run, input: { left: number; got: string[] }): Promise<string[]> => {
      const got = [...input.got, await run.waitForSignal<string>("item")];
      if (input.left === 0) return got;
      return run.continueAsNew({ left: input.left - 1, got });
    });
    const parent = workflow("parent", async (run) => run.child("loop", loop, { left: 2, got: [] }));
    const host = hostOf(loop, parent);
    const id = await host.start(parent);
    const childRunId = (await host.operations(id))[0]!.childRunId!;
    for (const item of ["a", "b", "c"]) await host.signal(childRunId, "item", item);
    expect(await host.result(id)).toEqual(["a", "b", "c"]);
  });

  it("continueAsNew carries more signals than one entry holds", async () => {
    const loop = workflow("loop", async (run, left: number): Promise<number[]> => {
      await run.waitForSignal("go");
      if (left > 0) return run.continueAsNew(left - 1);
      const got: number[] = [];
      while (got.length < 300) got.push((await run.waitForSignal<{ n: number }>("item")).n);
      return got;
    });
    const host = hostOf(loop);
    const id = await host.start(loop, 1);
    const sent = Array.from({ length: 300 }, (_, n) => n);
    for (const n of sent) await host.signal(id, "item", { n, text: noise(2_000, n + 1) });
    for (let link = 0; link < 2; link++) await host.signal(id, "go", null);
    expect(await host.result(id)).toEqual(sent);
  });

  it("an atMostOnce step that a crash interrupts fails with StepInterrupted", async () => {
    let calls = 0;
    const once = workflow("once", async (run) =>
      run.step(
        "pay",
        () => {
          calls++;
          host.crash();
          return new Promise(() => {});
        },
        { atMostOnce: true },
      ),
    );
    const host = testHost({ workflows: [once], patienceMs: 30 });
    const id = await host.start(once);
    await host.skip("5m");
    await expect(host.result(id)).rejects.toMatchObject({ code: "StepInterrupted" });
    expect(calls).toBe(1);
  });

  it("a version gate keeps old runs on the old side", async () => {
    const calls: string[] = [];
    const before = workflow("w", async (run) => {
      await run.step("a", () => void calls.push("a"));
      await run.sleep("nap", "1h");
      await run.step("old", () => void calls.push("old"));
    });
    const after = workflow("w", async (run) => {
      if (run.patched("check")) await run.step("check", () => void calls.push("check"));
      await run.step("a", () => void calls.push("a"));
      await run.sleep("nap", "1h");
      await run.step("old", () => void calls.push("old"));
    });
    const host = hostOf(before);
    const id = await host.start(before);
    host.deploy([after]);
    const second = await host.start(after);
    await host.skip("2h");
    expect((await host.get(id)).status).toBe("completed");
    expect((await host.get(second)).status).toBe("completed");
    expect(calls).toEqual(["a", "check", "a", "old", "old"]);
  });

  it("a map works through its items with limited concurrency, tolerating failures", async () => {
    let now = 0;
    let most = 0;
    const mapped = workflow("mapped", async (run) =>
      run.map(
        "each",
        [1, 2, 3, 4, 5],
        (item, value) =>
          item.step(
            "work",
            async () => {
              most = Math.max(most, ++now);
              await new Promise((resolve) => setTimeout(resolve, 2));
              now--;
              if (value === 3) throw new Error("three");
              return value * 2;
            },
            { retry: { maxAttempts: 1 } },
          ),
        { concurrency: 2, tolerate: "20%" },
      ),
    );
    const host = hostOf(mapped);
    const id = await host.start(mapped);
    expect(await host.result(id)).toEqual([2, 4, null, 8, 10]);
    expect(most).toBe(2);
  });

  it("a dry run skips its steps and takes their stand-ins", async () => {
    let calls = 0;
    const dry = workflow("dry", async (run) => run.step("pay", () => ++calls, { dryRun: () => 42 }));
    const host = hostOf(dry);
    const id = await host.start(dry, undefined, { dryRun: true });
    expect(await host.result(id)).toBe(42);
    expect(calls).toBe(0);
    expect((await host.operations(id))[0]!.status).toBe("skipped");
  });
});
