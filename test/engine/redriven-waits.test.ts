/** A redriven run that waits: who brings it back, and until when it waits. */
import { describe, expect, it } from "vitest";
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
