/** What one process does to one run at the same time, over a store that takes its time. */
import { describe, expect, it } from "vitest";
import { type MemoryPorts, memoryPorts } from "../../shared/adapters/memory/index.ts";
import { type AnyWorkflow, workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { requestCancel, start } from "../../shared/engine/control.ts";
import { Lines } from "../../shared/engine/lines.ts";
import { loadRun } from "../../shared/engine/load.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import type { JournalStore } from "../../shared/ports/journal.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const CALL_MS = 1_500;

const mapping = workflow("mapping", (run) =>
  run.map("each", [...Array(10).keys()], (_item, n) => n, { batch: 1 }),
);

/** Another process: what it asks the journal of `runId` is told to `onCall`, and may take its time or fail. */
function aProcess(
  ports: MemoryPorts,
  workflows: AnyWorkflow[],
  onCall: (method: keyof JournalStore, runId: string) => Promise<void> | void = () => {},
): Engine {
  const journal = new Proxy(ports.journal, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key, target);
      if (typeof member !== "function") return member;
      return async (...args: [string | { runId: string }]) => {
        await onCall(key as keyof JournalStore, typeof args[0] === "string" ? args[0] : args[0].runId);
        return member.apply(target, args);
      };
    },
  });
  const settings = { owner: `process-${++drawn}`, codeHash: "code" };
  return createEngine({ ...ports, journal }, { workflows, log: silent, settings });
}
let drawn = 0;

/** Takes the messages of the work queue until there is none. */
async function work(engine: Engine, { queue }: MemoryPorts): Promise<void> {
  for (;;) {
    const [message] = await queue.receive("work", { max: 1, waitMs: 0 });
    if (message === undefined) return;
    try {
      await advance(engine, message.body);
      await queue.acknowledge("work", [message.receipt]);
    } catch {
      // It comes again, when its time to be seen is over.
    }
  }
}

describe("a line", () => {
  /** What is taken is the number of the taking; each turn answers what it was given. */
  function aLine() {
    const lines = new Lines<number>();
    const [taken, back]: number[][] = [[], []];
    const store = {
      take: async () => taken!.push(taken!.length),
      putBack: (held: number) => void back!.push(held),
    };
    const queue = (isAsBefore = true) =>
      lines.queue("one", store, async (held) => ({ answer: held, isAsBefore }));
    return { lines, store, queue, back };
  }

  it("takes once for all that stood in it before, and never for those that came later", async () => {
    const { queue, back } = aLine();
    expect(await Promise.all([queue(), queue(), queue()])).toEqual([1, 2, 2]);
    expect(await queue()).toBe(3);
    expect(back).toEqual([1, 2, 3]);
  });

  it("takes anew after one that has changed what was taken, or has failed", async () => {
    const { lines, store, queue, back } = aLine();
    const fails = () => lines.queue("one", store, () => Promise.reject(new Error("no")));
    const turns = [queue(), queue(), queue(false), queue(), fails(), queue()];
    const ended = await Promise.allSettled(turns);
    const given = ended.map((end) => (end.status === "fulfilled" ? end.value : end.reason.message));
    expect(given).toEqual([1, 2, 2, 3, "no", 4]);
    expect(back).toEqual([1, 2, 3, 4]);
  });
});

/** A map's run that is over, whose process died before anything of that was seen. */
async function anEndedMap(): Promise<{ ports: MemoryPorts; wake: string }> {
  const ports = memoryPorts();
  const broken = aProcess(ports, [mapping], (method, runId) => {
    if (method === "project" && runId === "run") throw new Error("The header cannot be written.");
  });
  await start(broken, { workflow: "mapping", runId: "run" });
  await work(broken, ports);
  const { inc, status } = (await ports.journal.header("run"))!;
  expect(status).toBe("pending");
  return { ports, wake: JSON.stringify({ runId: "run", inc }) };
}

it("repeats the effects of a run that is over on one read for the wake, made fresh, and one for all of them", async () => {
  const { ports, wake } = await anEndedMap();
  const asked: string[] = [];
  const slow = aProcess(ports, [mapping], (method, runId) => {
    if (runId === "run") asked.push(method);
    return ports.clock.sleep(CALL_MS);
  });
  const closed = advance(slow, wake);
  closed.catch(() => {});
  await ports.clock.advance(600_000);
  await closed;
  const header = (await ports.journal.header("run"))!;
  expect([header.status, header.dueAt]).toEqual(["completed", undefined]);
  expect(asked).toEqual(["read", "tail", "read", "header", "tail", "project"]);
});

it("repeats them once for all the wakes that find them owed at one time, and again once that has failed", async () => {
  const { ports, wake } = await anEndedMap();
  let isBroken = true;
  const done = { create: 0, project: 0 };
  const engine = aProcess(ports, [mapping], async (method, runId) => {
    await ports.clock.sleep(CALL_MS);
    if (method === "create" || (method === "project" && runId === "run")) done[method]++;
    if (method === "project" && isBroken) throw new Error("The header cannot be written.");
  });
  const threeWakes = async () => {
    const ends = Promise.allSettled([1, 2, 3].map(() => advance(engine, wake)));
    await ports.clock.advance(600_000);
    return (await ends).map(({ status }) => status);
  };
  expect(await threeWakes()).toEqual(["rejected", "rejected", "rejected"]);
  expect(done).toEqual({ create: 10, project: 1 });
  isBroken = false;
  expect(await threeWakes()).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
  expect(done).toEqual({ create: 20, project: 2 });
});

it("lets each writer contend from its turn on, however long those before it have taken", async () => {
  const ports = memoryPorts();
  const waits = workflow("waits", (run) => run.waitForSignal("go"));
  const slow = aProcess(ports, [waits], () => ports.clock.sleep(CALL_MS));
  const started = start(slow, { workflow: "waits", runId: "run" });
  await ports.clock.advance(60_000);
  await started;
  const keys = [...Array(20).keys()].map((n) => `key-${n}`);
  const asked = Promise.all(keys.map((requestId) => requestCancel(slow, "run", { requestId })));
  asked.catch(() => {});
  await ports.clock.advance(600_000);
  await asked;
  expect([...(await loadRun(ports, "run"))!.state.requests]).toEqual(keys);
});
