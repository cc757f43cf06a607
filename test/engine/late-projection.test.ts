import { expect, it } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { start } from "../../shared/engine/control.ts";
import { createEngine } from "../../shared/engine/settings.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const asks = workflow("asks", (run) => run.gate("approval"));

it("a process that stood still after its park moves no due time away: others may count on it by now", async () => {
  const ports = memoryPorts();
  const publisher = {
    tells: () => true,
    publish: () => ports.clock.sleep(20 * 60_000),
  };
  const options = { workflows: [asks], log: silent, settings: { owner: "slow", codeHash: "c" } };
  await start(createEngine(ports, options), { workflow: "asks", runId: "run" });
  const before = (await ports.journal.header("run"))!.dueAt!;
  const leg = advance(createEngine({ ...ports, publisher }, options), ports.queue.pending("work")[0]!.body);
  await ports.clock.advance(60 * 60_000);
  await leg;
  expect(await ports.journal.header("run")).toMatchObject({ status: "waiting", dueAt: before });
});
