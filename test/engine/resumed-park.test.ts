import { expect, it } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { pause, resume, start } from "../../shared/engine/control.ts";
import { loadRun } from "../../shared/engine/load.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import type { JournalStore } from "../../shared/ports/journal.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** A run with a step in flight and another that a pause holds back; it is resumed as its leg is about to park. */
async function resumedWhileParking(
  isAlone: boolean,
): Promise<{ phases: string[]; status: string | undefined }> {
  const ports = memoryPorts();
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const phases: string[] = [];
  const phase = async () => (await loadRun(ports, "run", { consistent: true }))!.state.phase;
  const work = workflow("work", async (run) => {
    const beside = isAlone ? undefined : run.step("beside", () => second.promise);
    await run.step("first", () => first.promise);
    await run.step("held", async () => void phases.push(await phase()));
    await beside;
  });
  const engineOf = (journal: JournalStore, owner: string) =>
    createEngine(
      { ...ports, journal },
      { workflows: [work], log: silent, settings: { owner, codeHash: "c" } },
    );
  const api = engineOf(ports.journal, "api");
  let hasResumed = false;
  const append: JournalStore["append"] = async (key, entry, expiresAt) => {
    if (!hasResumed && entry.events.some(({ type }) => type === "LegParked")) {
      hasResumed = true;
      await resume(api, "run");
    }
    return ports.journal.append(key, entry, expiresAt);
  };
  const worker = engineOf(
    new Proxy(ports.journal, {
      get: (journal, name) => (name === "append" ? append : Reflect.get(journal, name).bind(journal)),
    }),
    "worker",
  );
  await start(api, { workflow: "work", runId: "run" });
  const leg = advance(worker, ports.queue.pending("work")[0]!.body);
  await ports.clock.advance(10);
  await pause(api, "run");
  first.resolve();
  await ports.clock.advance(10);
  second.resolve();
  await ports.clock.advance(10);
  await leg;
  return { phases, status: (await loadRun(ports, "run"))?.state.finished?.status };
}

it("a run that is resumed as its leg parks goes on in that leg, and begins nothing without it", async () => {
  expect(await resumedWhileParking(false)).toEqual({ phases: ["leased"], status: "completed" });
});

it("so does one whose leg had nothing to store but the park", async () => {
  expect(await resumedWhileParking(true)).toEqual({ phases: ["leased"], status: "completed" });
});
