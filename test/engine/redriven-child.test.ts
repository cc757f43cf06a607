/** A redrive of a run that has started children: it waits for none that can no longer be waited for. */
import { describe, expect, test } from "vitest";
import { workflow } from "../../shared/core/workflow.ts";
import { testHost } from "../../shared/testing/index.ts";

const apart = workflow("apart", () => "done");
const retry = { maxAttempts: 1 };

describe("a redrive behind a detached child", () => {
  test.each([undefined, "break"])("goes on from %s, with the same child", async (from) => {
    let works = false;
    const parent = workflow("parent", { retry }, async (run) => {
      const child = await run.child("apart", apart, undefined, { detached: true });
      await run.step("break", () => {
        if (!works) throw new Error("not yet");
      });
      return child;
    });
    const host = testHost({ workflows: [apart, parent] });
    const runId = await host.start(parent);
    await expect(host.result(runId)).rejects.toThrow("not yet");
    const [child] = (await host.operations(runId)).map(({ output }) => output);
    works = true;
    await host.redrive(runId, from === undefined ? {} : { from });
    expect(await host.result(runId)).toBe(child);
    expect(await host.operations(runId)).toMatchObject([
      { name: "apart", kind: "child", status: "completed" },
      { name: "break", status: "completed" },
    ]);
  });
});

describe("a redrive behind a child that runs beside what failed", () => {
  const slow = workflow("slow", async (run, name: string) => {
    await run.sleep("nap", "1m");
    return name;
  });

  test("starts another in the place of one that was cut", async () => {
    let works = false;
    const parent = workflow("parent", { retry }, (run) =>
      run.all("both", {
        child: (run) => run.child("slow", slow, "cut"),
        step: (run) =>
          run.step("break", () => {
            if (!works) throw new Error("not yet");
            return "done";
          }),
      }),
    );
    const host = testHost({ workflows: [slow, parent] });
    const runId = await host.start(parent);
    await expect(host.result(runId)).rejects.toThrow("not yet");
    works = true;
    await host.redrive(runId);
    await host.skip("2 minutes");
    expect(await host.result(runId)).toEqual({ child: "cut", step: "done" });
  });

  test("from another child starts both again", async () => {
    let works = false;
    const parent = workflow("parent", { retry }, async (run) => {
      const both = await run.all("both", {
        left: (run) => run.child("left", slow, "left"),
        right: (run) => run.child("right", slow, "right"),
      });
      await run.step("break", () => {
        if (!works) throw new Error("not yet");
      });
      return both;
    });
    const host = testHost({ workflows: [slow, parent] });
    const runId = await host.start(parent);
    await host.skip("2 minutes");
    await expect(host.result(runId)).rejects.toThrow("not yet");
    works = true;
    await host.redrive(runId, { from: "right" });
    await host.skip("2 minutes");
    expect(await host.result(runId)).toEqual({ left: "left", right: "right" });
  });
});

describe("a redrive from before a spread map that was cut before it began", () => {
  test("does its items", async () => {
    let works = false;
    const parent = workflow("parent", { retry }, (run) =>
      run.all("both", {
        step: (run) =>
          run.step("break", () => {
            if (!works) throw new Error("not yet");
            return "done";
          }),
        map: (run) =>
          run.map("each", [1, 2, 3], (run, item) => run.step("add", () => item + 1), { batch: 2 }),
      }),
    );
    const host = testHost({ workflows: [parent] });
    const runId = await host.start(parent);
    await expect(host.result(runId)).rejects.toThrow("not yet");
    works = true;
    await host.redrive(runId, { from: "both" });
    await host.skip("1 minute");
    expect(await host.result(runId)).toEqual({ step: "done", map: [2, 3, 4] });
  });
});

describe("a redrive that takes a signal back", () => {
  test("keeps its place before those that came after it", async () => {
    let works = false;
    const parent = workflow("parent", { retry }, async (run) => {
      await run.step("first", () => {});
      const one = await run.waitForSignal<number>("item");
      await run.sleep("nap", "1m");
      await run.step("break", () => {
        if (!works) throw new Error("not yet");
      });
      return [one, await run.waitForSignal<number>("item")];
    });
    const host = testHost({ workflows: [parent] });
    const runId = await host.start(parent);
    await host.signal(runId, "item", 1);
    await host.signal(runId, "item", 2);
    await host.skip("2 minutes");
    await expect(host.result(runId)).rejects.toThrow("not yet");
    works = true;
    await host.redrive(runId, { from: "first" });
    await host.skip("2 minutes");
    expect(await host.result(runId)).toEqual([1, 2]);
  });
});
