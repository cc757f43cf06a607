import { expect, it } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import { start } from "../../shared/engine/start.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };

it("a timer that is over before its park is stored does not wait for the lease's end", async () => {
  const ports = memoryPorts();
  const blink = workflow("blink", (run) => run.sleep("blink", "2 s"));
  const receive = () => ports.queue.receive("work", { max: 10, waitMs: 0 });
  const append = ports.journal.append.bind(ports.journal);
  let isSlow = true;
  ports.journal.append = async (key, entry, expiresAt) => {
    if (isSlow && entry.events.some(({ type }) => type === "LegParked")) {
      isSlow = false;
      await ports.clock.advance(3_000);
      for (const timer of await receive()) {
        await advance(engine, timer.body);
        await ports.queue.acknowledge("work", [timer.receipt]);
      }
    }
    return append(key, entry, expiresAt);
  };
  const engine = createEngine(ports, {
    workflows: [blink],
    log,
    settings: { owner: "test", codeHash: "test" },
  });
  const { state } = await start(engine, { workflow: "blink" });
  const [first] = await receive();
  await advance(engine, first!.body);
  expect(isSlow).toBe(false);
  for (const wake of await receive()) await advance(engine, wake.body);
  expect((await ports.journal.header(state.runId))?.status).toBe("completed");
});
