/** A redriven run that waits: who brings it back, and until when it waits. */
import { describe, expect, it } from "vitest";
import type { RunContext } from "../../shared/core/context.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { isActionable } from "../../shared/engine/decide.ts";
import { testHost } from "../../shared/testing/index.ts";
import * as a from "../support/journal.ts";

const isForALeg = (...entries: Parameters<typeof a.stateOf>) =>
  isActionable({ state: a.stateOf(...entries), effectsDone: new Set() }, 0, "code-1");

describe("a redriven run", () => {
  it("is for a leg also where all that is open again only waits: its park sends the wake", () => {
    const redriven = [
      [a.legStarted(), a.timerStarted("1", "nap", 9_000_000), a.legParked()],
      [a.cancelRequested()],
      [a.legStarted(), a.cancelDelivered(), a.runCancelled()],
      [a.runRedriven(3)],
    ];
    expect(isForALeg(...redriven)).toBe(true);
    expect(isForALeg(...redriven, [a.legStarted(), a.legParked()])).toBe(false);
  });

  it("asks for its failed branch again while another branch waits", async () => {
    let works = false;
    const offers = workflow("offers", { maxRetries: 0 }, (run) =>
      run.race("first", {
        silent: (run) => run.waitForSignal("offer"),
        asked: (run) =>
          run.step("ask", () => {
            if (!works) throw new Error("no");
            return "yes";
          }),
      }),
    );
    const host = testHost({ workflows: [offers] });
    const runId = await host.start(offers);
    works = true;
    await host.redrive(runId);
    expect(await host.result(runId)).toBe("yes");
  });
});

const timeout = "1h";
const kinds: Record<string, (run: RunContext) => Promise<unknown>> = {
  "a signal": (run) => run.waitForSignal("wait", { timeout }),
  "a decision": (run) => run.gate("wait", { timeout }),
  "a callback": (run) => run.callback("wait", () => {}, { timeout }),
  "a condition": (run) => run.poll("wait", () => false, { timeout, every: "20m" }),
  "the end of a sleep": (run) => run.sleep("wait", timeout),
};

const answerable = Object.entries(kinds).filter(([kind]) => kind !== "the end of a sleep");

describe("what a redrive asks for again", () => {
  it.each(Object.entries(kinds))("waits its whole time for %s, from the redrive on", async (_, wait) => {
    const late = workflow("late", async (run) => {
      await run.step("before", () => 1);
      await wait(run);
      throw new Error("over");
    });
    const host = testHost({ workflows: [late] });
    const runId = await host.start(late);
    await host.skip("5h");
    for (const time of ["once", "and again"]) {
      expect((await host.get(runId)).status, time).toBe("failed");
      await host.redrive(runId, { from: "wait" });
      host.crash();
      await host.skip("59m");
      expect((await host.get(runId)).status, time).toMatch(/waiting|sleeping/);
      await host.skip("2m");
    }
    expect((await host.get(runId)).status).toBe("failed");
  });

  it("takes what comes within that time, without an operation named", async () => {
    const late = workflow("late", (run) => run.waitForSignal("paid", { timeout }));
    const host = testHost({ workflows: [late] });
    const runId = await host.start(late);
    await host.skip("5h");
    await host.redrive(runId);
    await host.skip("59m");
    await host.signal(runId, "paid", 7);
    expect(await host.result(runId)).toBe(7);
  });

  it.each(answerable)("waits its whole time again for %s that was open at the end", async (_, wait) => {
    const late = workflow("late", async (run) => {
      await run.all("both", { wait, nap: (branch) => branch.sleep("nap", "4h") });
    });
    const host = testHost({ workflows: [late] });
    const runId = await host.start(late);
    await host.skip("50m");
    for (const time of ["once", "and again"]) {
      await host.cancel(runId);
      await host.skip("5h");
      await host.redrive(runId);
      host.crash();
      await host.skip("59m");
      expect((await host.get(runId)).status, time).toMatch(/waiting|sleeping/);
      const { waitingFor, wakeAt } = await host.get(runId);
      expect(waitingFor[0]?.until ?? wakeAt, time).toEqual(new Date(host.now().getTime() + 60_000));
    }
  });

  it("watches over a callback's heartbeats that was open at the end", async () => {
    const silent = workflow("silent", (run) => run.callback("wait", () => {}, { heartbeat: "10m" }));
    const host = testHost({ workflows: [silent] });
    const runId = await host.start(silent);
    await host.cancel(runId);
    await host.redrive(runId);
    await host.skip("9m");
    expect((await host.get(runId)).status).toBe("waiting");
    await host.skip("2m");
    expect(await host.get(runId)).toMatchObject({ status: "failed", error: { code: "CallbackTimeout" } });
  });

  it("gives each redrive's callback a token of its own, opened again or asked for again", async () => {
    const tokens: string[] = [];
    const asks = workflow("asks", (run) =>
      run.callback("wait", (token) => void tokens.push(token), { timeout }),
    );
    const host = testHost({ workflows: [asks] });
    const runId = await host.start(asks);
    await host.cancel(runId);
    for (let redrives = 0; redrives < 2; redrives++) {
      await host.redrive(runId);
      await host.skip("2h");
    }
    expect(tokens).toHaveLength(3);
    expect(new Set(tokens).size).toBe(3);
  });

  it("lets a sleep that was under way end when it was to end", async () => {
    const naps = workflow("naps", (run) => run.sleep("nap", "2h"));
    const host = testHost({ workflows: [naps] });
    const runId = await host.start(naps);
    await host.cancel(runId);
    await host.skip("1h");
    await host.redrive(runId);
    await host.skip("59m");
    expect((await host.get(runId)).status).toBe("sleeping");
    await host.skip("2m");
    expect((await host.get(runId)).status).toBe("completed");
  });

  it("sleeps no longer than to the date that the code has named", async () => {
    const until = workflow("until", async (run, date: string) => {
      await run.sleepUntil("wait", date);
      throw new Error("over");
    });
    const host = testHost({ workflows: [until] });
    const runId = await host.start(until, new Date(host.now().getTime() + 3_600_000).toISOString());
    await host.skip("5h");
    await host.redrive(runId, { from: "wait" });
    expect((await host.get(runId)).status).toBe("failed");
  });
});
