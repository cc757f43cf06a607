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

it("a leg whose time is over stores what came of its steps before it does the rest of its effects", async () => {
  const memory = memoryPorts();
  let lateMs = 0;
  const asked: string[] = [];
  const askedBefore: number[] = [];
  const ports = {
    ...memory,
    clock: but(memory.clock, { now: () => memory.clock.now() + lateMs }),
    journal: but(memory.journal, {
      create: (...args: Parameters<typeof memory.journal.create>) => {
        lateMs += 10_000;
        asked.push(args[0].runId);
        return memory.journal.create(...args);
      },
      append: (...args: Parameters<typeof memory.journal.append>) => {
        askedBefore.push(asked.length);
        return memory.journal.append(...args);
      },
    }),
  };
  const children = Array.from({ length: 40 }, (_, n) => `child ${n}`);
  const many = workflow("many", (run) =>
    Promise.all([run.step("beside", () => "done"), ...children.map((name) => run.child(name, child))]),
  );
  const cold = (owner: string) =>
    createEngine(ports, { workflows: [many, child], log: silent, settings: { owner, codeHash: "c" } });
  await start(cold("api"), { workflow: "many", runId: "run" });
  const wake = JSON.stringify({ runId: "run", inc: (await loadRun(ports, "run"))!.header.inc });
  asked.length = 0;
  await advance(cold("first"), memory.queue.pending("work")[0]!.body);
  expect(askedBefore[1], "when the leg stores what came of its step").toBeLessThan(children.length);
  for (let leg = 2; leg < 12; leg++) await advance(cold(`leg ${leg}`), wake);
  expect(new Set(asked).size).toBe(children.length);
  expect((await loadRun(ports, "run"))!.state.effects.size).toBe(0);
});

/** The port, but for some of its calls. */
function but<T extends object>(port: T, calls: Partial<T>): T {
  return new Proxy(port, {
    get(of, key) {
      const own: unknown = Reflect.get(calls, key) ?? Reflect.get(of, key, of);
      return typeof own === "function" ? own.bind(of) : own;
    },
  });
}
