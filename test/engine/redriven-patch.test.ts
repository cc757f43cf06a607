/** A redrive of a run whose state was patched from outside: the code sees the patch again. */
import { describe, expect, test } from "vitest";
import { workflow } from "../../shared/core/workflow.ts";
import { patchState } from "../../shared/engine/control.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import { testHost } from "../../shared/testing/index.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

describe("a patch of a run that is redriven", () => {
  test.each([undefined, "nap", "break"])("is seen by its code behind a redrive from %s", async (from) => {
    let works = false;
    const painting = workflow("painting", { retry: { maxAttempts: 1 } }, async (run) => {
      await run.sleep("nap", "1h");
      await run.step("break", () => {
        if (!works) throw new Error("not yet");
      });
      return run.state;
    });
    const host = testHost({ workflows: [painting] });
    const runId = await host.start(painting, undefined, { state: { colour: "red" } });
    const settings = { owner: "api", codeHash: "none" };
    const outside = createEngine(host.ports, { workflows: [], log: silent, settings });
    await patchState(outside, runId, { patch: { colour: "blue" } });
    await host.skip("2h");
    await expect(host.result(runId)).rejects.toThrow("not yet");
    works = true;
    await host.redrive(runId, from === undefined ? {} : { from });
    await host.skip("2h");
    expect(await host.result(runId)).toEqual({ colour: "blue" });
  });
});
