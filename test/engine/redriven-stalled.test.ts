/** A run that is stalled, because its code no longer does what its journal says, and is redriven from an operation. */
import { describe, expect, it, test } from "vitest";
import type { RunContext } from "../../shared/core/context.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { everyCrash, type TestHost, testHost } from "../../shared/testing/index.ts";

const nap = workflow("nap", (run) => run.sleep("nap", "1 day"));
const waits: Record<string, (run: RunContext) => Promise<unknown>> = {
  sleep: (run) => run.sleep("wait", "1h"),
  signal: (run) => run.waitForSignal("wait", { timeout: "1h" }),
  gate: (run) => run.gate("wait", { timeout: "1h" }),
  child: (run) => run.child("wait", nap),
  map: (run) => run.map("wait", [1, 2], (item) => item.sleep("nap", "1h"), { batch: 1 }),
  both: (run) =>
    run.all("wait", {
      one: (branch) => branch.child("nap", nap),
      other: (branch) => branch.sleep("nap", "1h"),
    }),
  branches: (run) => run.all("wait", { one: (branch) => branch.sleep("nap", "1h") }),
};

/** A stalled run of the workflow `works`: it has done a step, and waited for what the code no longer asks for. */
async function stalledAt(what: string) {
  const done: string[] = [];
  const works = (wait: (run: RunContext) => Promise<unknown>) =>
    workflow("works", async (run) => {
      await run.step("first", () => void done.push("first"));
      await wait(run);
      return run.step("last", () => done);
    });
  const host = testHost({ workflows: [works(waits[what]!), nap] });
  const runId = await host.start("works");
  host.deploy([works((run) => run.step("otherwise", () => void done.push("otherwise"))), nap]);
  host.evict(runId);
  await host.skip("1h");
  await host.signal(runId, "poke");
  expect((await host.get(runId)).stalled).toMatchObject({ code: "NonDeterminism" });
  return { host, runId };
}

it.each(Object.keys(waits))("goes on with the new code in the place of a %s", async (what) => {
  const { host, runId } = await stalledAt(what);
  await host.redrive(runId, { from: "wait" });
  expect(await host.result(runId)).toEqual(["first", "otherwise"]);
  expect((await host.get(runId)).stalled).toBeUndefined();
  await host.skip("2h");
  expect((await host.get(runId)).status).toBe("completed");
});

it("cancels the children that it gives up", async () => {
  const { host, runId } = await stalledAt("child");
  const child = (await host.operations(runId)).find(({ kind }) => kind === "child")!.childRunId!;
  expect((await host.get(child)).status).toBe("sleeping");
  await host.redrive(runId, { from: "wait" });
  expect((await host.get(child)).status).toBe("cancelled");
});

it("is cancelled then, if it was to be", async () => {
  const { host, runId } = await stalledAt("sleep");
  await host.cancel(runId, { reason: "late" });
  expect((await host.get(runId)).status).not.toBe("cancelled");
  await host.redrive(runId, { from: "wait" });
  expect(await host.get(runId)).toMatchObject({ status: "cancelled", cancel: { reason: "late" } });
});

it("goes on from what was before the failure that it cleaned up after", async () => {
  const works = (read: (text: string) => string) =>
    workflow("works", async (run) => {
      try {
        return read(await run.step("fetch", () => "text"));
      } finally {
        await run.step("clean", () => {});
      }
    });
  const old = works(() => {
    throw new Error("not understood");
  });
  const host = testHost({ workflows: [old] });
  const runId = await host.start("works");
  host.deploy([
    workflow("works", async (run) => {
      const text = await run.step("fetch", () => "text");
      await run.step("read", () => {});
      return text.toUpperCase();
    }),
  ]);
  await host.redrive(runId);
  expect((await host.get(runId)).stalled?.message).toMatch('step "clean", the code has step "read"');
  await expect(host.redrive(runId, { from: "read" })).rejects.toMatchObject({ code: "OperationNotFound" });
  await host.redrive(runId, { from: "clean" });
  expect(await host.result(runId)).toBe("TEXT");
});

it.each(["sleep", "gate", "both"])(
  "comes to the same whenever a process dies, in the place of a %s",
  async (what) => {
    const asks = (wait: (run: RunContext) => Promise<unknown>) =>
      workflow("works", async (run) => {
        const first = await run.step("first", () => "first", { compensate() {} });
        await wait(run);
        await run.waitForSignal("go");
        return run.step("last", () => [first, "last"]);
      });
    const otherwise = asks((run) => run.step("otherwise", () => {}));
    const { crashes } = await everyCrash({ workflows: [asks(waits[what]!), nap] }, async (host) => {
      const runId = await host.start("works", undefined, { runId: "works" });
      await host.skip("10m");
      host.deploy([otherwise, nap]);
      host.evict(runId);
      await host.signal(runId, "go");
      await host.skip("2h");
      const { stalled } = await host.get(runId);
      await host.redrive(runId, { from: "wait" });
      await host.skip("10m");
      const children = (await host.operations(runId)).filter(({ kind }) => kind === "child");
      return { stalled: stalled?.code, result: await host.result(runId), children: children.length };
    });
    expect(crashes).toBeGreaterThan(20);
  },
  60_000,
);

describe("a stalled run that is cancelled for good", () => {
  const ended = async (host: TestHost, removed: boolean) => {
    const book = workflow("book", async (run) => {
      await run.step("charge", () => "charged", { compensate() {} });
      await waits.both!(run);
    });
    host.deploy([book, nap]);
    const runId = await host.start("book", undefined, { runId: "book" });
    const child = (await host.operations(runId)).find(({ kind }) => kind === "child")!.childRunId!;
    host.deploy(removed ? [nap] : [workflow("book", (run) => run.step("other", () => {})), nap]);
    host.evict(runId);
    await host.skip("2h");
    await host.cancel(runId, { reason: "gone", final: true });
    await host.skip("10m");
    return { run: await host.get(runId), child: await host.get(child) };
  };

  test.each([true, false])(
    "ends without its code, its children with it; its workflow removed: %s",
    async (removed) => {
      const { run, child } = await ended(testHost({ workflows: [nap] }), removed);
      expect(run).toMatchObject({
        status: "cancelled",
        cancel: { reason: "gone" },
        uncompensated: [{ name: "charge", error: { code: "NotUndone" } }],
      });
      expect([run.stalled, child.status]).toEqual([undefined, "cancelled"]);
    },
  );

  test("ends so whenever a process dies", async () => {
    const { crashes } = await everyCrash({ workflows: [nap] }, async (host) => {
      const { run, child } = await ended(host, true);
      return [run.status, child.status];
    });
    expect(crashes).toBeGreaterThan(20);
  }, 60_000);
});

it("refuses to be redriven from an operation while it is not stalled", async () => {
  const host = testHost({ workflows: [nap] });
  const runId = await host.start(nap);
  await expect(host.redrive(runId, { from: "nap" })).rejects.toMatchObject({ code: "NotRedrivable" });
});
