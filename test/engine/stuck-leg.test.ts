import { expect, it } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import { start } from "../../shared/engine/start.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };

it("a leg that is stuck beyond its lease holds no wake up", async () => {
  const ports = memoryPorts();
  const plain = workflow("plain", async (run) => run.step("one", () => 1));
  const engine = createEngine(ports, {
    workflows: [plain],
    log,
    settings: { owner: "test", codeHash: "test" },
  });
  const { state } = await start(engine, { workflow: "plain" });
  const [wake] = await ports.queue.receive("work", { max: 1, waitMs: 0 });
  engine.residents.active.set(state.runId, {
    inc: state.inc,
    generation: 1,
    until: ports.clock.now() - engine.settings.skewMs,
    knows: () => true,
    poke() {},
  });
  await advance(engine, wake!.body);
  expect((await ports.journal.header(state.runId))?.status).toBe("completed");
});
