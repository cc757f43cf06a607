/** A journal may be as long as it likes, unless its workflow says otherwise. */
import { describe, expect, test } from "vitest";
import { type RunContext, workflow } from "../../shared/index.ts";
import { testHost } from "../../shared/testing/index.ts";

const historyLimit = 20;

/** What has been done and not undone. */
let standing: number[] = [];
const forEver = (catches: boolean) => async (run: RunContext) => {
  for (let index = 0; ; index++) {
    const step = run.step("work", () => void standing.push(index), {
      compensate: () => void standing.splice(standing.indexOf(index), 1),
    });
    await (catches ? step.catch(() => {}) : step);
  }
};

describe("a run whose journal reaches the limit", () => {
  for (const catches of [false, true])
    test(`fails, and what it did is undone${catches ? ", though its code catches every error" : ""}`, async () => {
      standing = [];
      const host = testHost({ workflows: [workflow("endless", { historyLimit }, forEver(catches))] });
      const runId = await host.start("endless");
      const { status, error } = await host.get(runId);
      expect(status).toBe("failed");
      expect(error).toMatchObject({ code: "HistoryLimitExceeded", data: { limit: historyLimit } });
      expect(error?.message).toMatch(/has 20 entries, .*"endless".*historyLimit.*continueAsNew/);
      expect(standing).toEqual([]);
      const operations = await host.operations(runId);
      const undone = operations.filter(({ kind }) => kind === "compensation");
      expect(undone.length).toBeGreaterThan(10);
      expect(undone.every((operation) => operation.status === "completed")).toBe(true);
    });

  test("what it waits for is cancelled", async () => {
    const waits = workflow("waits", { historyLimit }, async (run) => {
      await Promise.all([run.waitForSignal("never"), run.sleep("long", "300 days"), forEver(false)(run)]);
    });
    const host = testHost({ workflows: [waits] });
    const runId = await host.start("waits");
    expect((await host.get(runId)).error).toMatchObject({ code: "HistoryLimitExceeded" });
    const left = (await host.operations(runId)).filter(({ kind }) => kind === "signal" || kind === "timer");
    expect(left.map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
  });

  test("redriven with a higher limit, it goes on where it was", async () => {
    const steps = async (run: RunContext) => {
      for (let index = 0; index < 30; index++) await run.step("work", () => index);
      return "done";
    };
    const host = testHost({ workflows: [workflow("thirty", { historyLimit }, steps)] });
    const runId = await host.start("thirty");
    expect((await host.get(runId)).status).toBe("failed");
    host.deploy([workflow("thirty", { historyLimit: 100 }, steps)]);
    await host.redrive(runId);
    expect(await host.get(runId)).toMatchObject({ status: "completed", output: "done" });
  });

  test("a run that goes on as a new one never reaches it", async () => {
    let worked = 0;
    const loops = workflow("loops", { historyLimit }, async (run, input) => {
      const left = Number(input);
      for (let index = 0; index < 10; index++) await run.step("work", () => ++worked);
      return left === 0 ? "done" : run.continueAsNew(left - 1);
    });
    const host = testHost({ workflows: [loops] });
    await host.start("loops", 5);
    expect(worked).toBe(60);
  });
});

test("a limit that is none is refused", () => {
  for (const wrong of [0, 9, 10.5, Number.NaN])
    expect(() => workflow("wrong", { historyLimit: wrong }, async () => {})).toThrow(
      /Expected historyLimit .* to be a whole number from 10/,
    );
});
