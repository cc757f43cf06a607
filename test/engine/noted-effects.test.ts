import { expect, it } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { start } from "../../shared/engine/control.ts";
import { loadRun } from "../../shared/engine/load.ts";
import { createEngine } from "../../shared/engine/settings.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const child = workflow("child", (run) => run.waitForSignal("go"));
const parent = workflow("parent", async (run) => {
  await run.all("both", {
    child: (run) => run.child("child", child, undefined),
    nap: (run) => run.sleep("nap", "1h"),
  });
});

it("a process that repeats an effect notes it: further wakes find nothing to do, and send none", async () => {
  const ports = memoryPorts();
  const cold = (owner: string) =>
    createEngine(ports, { workflows: [parent, child], log: silent, settings: { owner, codeHash: "c" } });
  await start(cold("api"), { workflow: "parent", runId: "run" });
  await advance(cold("first"), ports.queue.pending("work")[0]!.body);
  const wake = JSON.stringify({ runId: "run", inc: (await loadRun(ports, "run"))!.header.inc });
  await advance(cold("second"), wake);
  const known = (await loadRun(ports, "run"))!.state.sequence;
  const sent = ports.queue.pending("work").length + ports.scheduler.pending().length;
  for (const owner of ["third", "fourth", "fifth"]) await advance(cold(owner), wake);
  expect((await loadRun(ports, "run"))!.state.sequence).toBe(known);
  expect(ports.queue.pending("work").length + ports.scheduler.pending().length).toBe(sent);
});
