/** A redrive goes on from where the code was: not from where it had ended and was being undone. */
import { describe, expect, test } from "vitest";
import { workflow } from "../../shared/core/workflow.ts";
import { testHost } from "../../shared/testing/index.ts";

const retry = { maxAttempts: 2, initialDelay: "1h", jitter: "none" } as const;

describe.each(["cancelled", "past its deadline"] as const)(
  "a failed run that is %s while it undoes",
  (how) => {
    test.each([
      ["what it could undo", 1],
      ["what it could not undo", 2],
    ] as const)("does the failed step again: %s", async (_what, refusals) => {
      let [refunds, isBroken] = [0, true];
      const order = workflow("order", { retry }, async (run) => {
        const charged = await run.step("charge", () => "charged", {
          compensate() {
            if (++refunds <= refusals) throw new Error("the bank is closed");
          },
        });
        const ship = () => {
          if (isBroken) throw new Error("no truck");
          return `${charged}, shipped`;
        };
        return run.step("ship", ship, { retry: { maxAttempts: 1 } });
      });
      const host = testHost({ workflows: [order] });
      const runId = await host.start(order, undefined, how === "cancelled" ? {} : { timeoutMs: 60_000 });
      if (how === "cancelled") await host.cancel(runId);
      await host.skip("2h");
      expect(await host.get(runId)).toMatchObject({ status: "failed", error: { message: "no truck" } });
      isBroken = false;
      await host.redrive(runId);
      expect(await host.result(runId)).toBe("charged, shipped");
    });
  },
);

describe("a run whose own code threw", () => {
  const broken = (what: string): never => {
    throw new Error(`${what} is not understood`);
  };

  test("goes on with mended code though it had something open", async () => {
    const reader = (read: (what: string) => string) =>
      workflow("reader", async (run) => {
        const nap = run.sleep("nap", "1h");
        const what = read(await run.step("fetch", () => "text"));
        await nap;
        return what;
      });
    const host = testHost({ workflows: [reader(broken)] });
    const runId = await host.start("reader");
    expect((await host.get(runId)).status).toBe("failed");
    host.deploy([reader((what) => what.toUpperCase())]);
    await host.redrive(runId);
    await host.skip("1h");
    expect(await host.result(runId)).toBe("TEXT");
  });

  test("goes on with mended code though it was in a branch", async () => {
    const reader = (read: (what: string) => string) =>
      workflow("reader", async (run) => {
        const { text, nap } = await run.all("both", {
          text: async (branch) => read(await branch.step("fetch", () => "text")),
          nap: (branch) => branch.sleep("nap", "1h").then(() => "slept"),
        });
        return [text, nap];
      });
    const host = testHost({ workflows: [reader(broken)] });
    const runId = await host.start("reader");
    expect((await host.get(runId)).status).toBe("failed");
    host.deploy([reader((what) => what.toUpperCase())]);
    await host.redrive(runId);
    await host.skip("1h");
    expect(await host.result(runId)).toEqual(["TEXT", "slept"]);
  });

  test("goes on with mended code, and starts no second child that it does not wait for", async () => {
    const note = workflow("note", async () => "noted");
    const reader = (read: (what: string) => string) =>
      workflow("reader", async (run) => {
        const text = await run.step("fetch", () => "text");
        const noted = await run.child("note", note, undefined, { detached: true });
        return [read(text), noted];
      });
    const host = testHost({ workflows: [reader(broken), note] });
    const runId = await host.start("reader");
    expect((await host.get(runId)).status).toBe("failed");
    const before = (await host.operations(runId)).find(({ name }) => name === "note")?.childRunId;
    expect(before).toBeDefined();
    host.deploy([reader((what) => what.toUpperCase()), note]);
    await host.redrive(runId);
    expect(await host.result(runId)).toEqual(["TEXT", before]);
  });

  test("goes on with mended code though something could not be undone", async () => {
    const fetched: string[] = [];
    const reader = (read: (what: string) => string) =>
      workflow("reader", { maxRetries: 0 }, async (run) => {
        const text = await run.step("fetch", () => `text ${fetched.push("text")}`, {
          compensate() {
            throw new Error("it is not taken back");
          },
        });
        return read(text);
      });
    const host = testHost({ workflows: [reader(broken)] });
    const runId = await host.start("reader");
    expect(await host.get(runId)).toMatchObject({ status: "failed", uncompensated: [{ name: "fetch" }] });
    host.deploy([reader((what) => what.toUpperCase())]);
    await host.redrive(runId);
    expect(await host.result(runId)).toBe("TEXT 1");
    expect(fetched).toHaveLength(1);
  });

  test.each([true, false])(
    "stays on the side of a version gate that it came to last: behind a step %s",
    async (isBehind) => {
      const reader = (read: (what: string) => string) =>
        workflow("reader", async (run) => {
          if (isBehind) await run.step("fetch", () => "text");
          return run.patched("read it") ? read("new") : "old";
        });
      const host = testHost({ workflows: [reader(broken)] });
      const runId = await host.start("reader");
      expect((await host.get(runId)).status).toBe("failed");
      host.deploy([reader((what) => what.toUpperCase())]);
      await host.redrive(runId);
      expect(await host.result(runId)).toBe("NEW");
    },
  );
});
