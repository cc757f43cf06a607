/** What a wake may conclude from a read that need not be consistent: nothing that could lose something. */
import { expect, it } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import type { Entry } from "../../shared/core/events.ts";
import type { RunState } from "../../shared/core/state.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { redrive, removeRun, requestCancel, sendSignal, start } from "../../shared/engine/control.ts";
import { loadRun } from "../../shared/engine/load.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import { wakeOf } from "../../shared/engine/wake.ts";
import type { JournalStore } from "../../shared/ports/journal.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };
const ends = workflow("ends", (run) => run.waitForSignal("go", { timeout: "10h" }));

/** Two processes at one store; what the second one reads misses all after entry `last`, where it need not be consistent. */
function twoProcesses() {
  const ports = memoryPorts();
  const { journal, queue } = ports;
  const calls: string[] = [];
  const works = workflow("works", async (run) => {
    await Promise.race([run.waitForSignal("go"), run.sleep("patience", "10m")]);
    await run.step("work", () => void calls.push("work"));
  });
  const stale = { last: Number.POSITIVE_INFINITY };
  const seen = (entries: Entry[]) => entries.filter(({ sequence }) => sequence <= stale.last);
  const read: JournalStore["read"] = async (runId, options) => {
    const rows = await journal.read(runId, options);
    if (options?.consistent === true || rows === undefined) return rows;
    return { ...rows, entries: seen(rows.entries) };
  };
  const tail: JournalStore["tail"] = async (key, after, options) => {
    const page = await journal.tail(key, after, options);
    return options?.consistent === false ? { ...page, entries: seen(page.entries) } : page;
  };
  const behind = new Proxy(journal, {
    get: (_, name) =>
      name === "read" ? read : name === "tail" ? tail : Reflect.get(journal, name).bind(journal),
  });
  const engineOf = (owner: string, journal: JournalStore) =>
    createEngine(
      { ...ports, journal },
      { workflows: [ends, works], log, settings: { owner, codeHash: "c" } },
    );
  const [first, second] = [engineOf("first", journal), engineOf("second", behind)];
  const takeAll = async (engine: Engine) => {
    for (const { body, receipt } of await queue.receive("work", { max: 10, waitMs: 0 })) {
      await advance(engine, body);
      await queue.acknowledge("work", [receipt]);
    }
  };
  const stateOf = async (runId: string) => (await loadRun(ports, runId, { consistent: true }))!.state;
  return { ports, first, second, stale, calls, takeAll, stateOf };
}

const HOUR_MS = 3_600_000;

/** A run that the first process has parked, to be looked at by the sweep in ten hours. */
async function aParkedRun() {
  const processes = twoProcesses();
  await start(processes.first, { workflow: "ends", runId: "run" });
  await processes.takeAll(processes.first);
  return { ...processes, parked: await processes.stateOf("run") };
}

it("a wake that names nothing finds what its reads have missed", async () => {
  const { first, second, stale, stateOf, parked } = await aParkedRun();
  await sendSignal(first, { runId: "run", name: "go", strict: true });
  stale.last = parked.sequence;
  await advance(second, JSON.stringify(wakeOf(parked)));
  expect((await stateOf("run")).finished?.status).toBe("completed");
});

it.each([
  ["names the signal", true],
  ["names nothing", false],
])(
  "a wake that %s is not dropped for an end that its reads have seen, and a redrive has undone",
  async (_, names) => {
    const { first, second, stale, takeAll, stateOf } = await aParkedRun();
    await requestCancel(first, "run");
    await takeAll(first);
    const ended = await stateOf("run");
    await redrive(first, "run");
    await takeAll(first);
    await sendSignal(first, { runId: "run", name: "go", signalId: "1", strict: true });
    stale.last = ended.sequence;
    await advance(second, JSON.stringify(wakeOf(ended, names ? { event: "signal:1" } : {})));
    expect((await stateOf("run")).finished?.status).toBe("completed");
  },
);

it("a wake of a run is not dropped by a process that still knows another of its id, which was removed", async () => {
  const { first, second, takeAll, stateOf, ports } = twoProcesses();
  await start(first, { workflow: "ends", runId: "run" });
  await takeAll(second);
  await sendSignal(first, { runId: "run", name: "go", strict: true });
  await takeAll(first);
  await removeRun(first, "run");
  await start(first, { workflow: "ends", runId: "run" });
  await takeAll(second);
  expect(await stateOf("run")).toMatchObject({ phase: "parked", sequence: 1 });
  expect((await ports.journal.header("run"))?.status).toBe("waiting");
});

it("a process that still knows a run that was removed begins nothing more of it", async () => {
  const { first, second, takeAll, calls, ports } = twoProcesses();
  await start(first, { workflow: "works", runId: "run" });
  await takeAll(first);
  await sendSignal(second, { runId: "run", name: "go", strict: true });
  await takeAll(second);
  await removeRun(second, "run");
  await ports.clock.advance(600_000);
  await takeAll(first);
  expect(calls).toEqual(["work"]);
});

/** Another process' claim, which nobody will end. */
const claim = ({ ports }: ReturnType<typeof twoProcesses>, { runId, inc, sequence }: RunState) => {
  const until = ports.clock.now() + 120_000;
  const events = [{ type: "LegStarted", owner: "gone", until, codeHash: "c" } as const];
  const [generation, at] = [sequence + 1, ports.clock.now()];
  const entry = { sequence: generation, at, generation, nonce: "claim", events };
  return ports.journal.append({ runId, inc }, entry, at + 1000 * HOUR_MS);
};

it("a wake that gives way to a lease leaves the run to the sweep too, where that was to come much later", async () => {
  const processes = await aParkedRun();
  const { ports, second, parked } = processes;
  expect((await ports.journal.header("run"))!.dueAt).toBeGreaterThan(ports.clock.now() + 9 * HOUR_MS);
  await claim(processes, parked);
  await advance(second, JSON.stringify(wakeOf(parked)));
  expect((await ports.journal.header("run"))!.dueAt).toBe(ports.clock.now() + 120_000 + 2_000 + 60_000);
});

it("so does one that has lost its claim, decided on less, to another's", async () => {
  const processes = await aParkedRun();
  const { ports, second, parked, stale } = processes;
  await ports.clock.advance(10 * HOUR_MS);
  await ports.journal.reschedule(parked, { dueAt: ports.clock.now() + 9 * HOUR_MS });
  await claim(processes, parked);
  stale.last = parked.sequence;
  await advance(second, JSON.stringify(wakeOf(parked)));
  expect((await ports.journal.header("run"))!.dueAt).toBe(ports.clock.now() + 120_000 + 2_000 + 60_000);
});

it("so does one that meets a leg of its own process", async () => {
  const processes = await aParkedRun();
  const { ports, first, parked } = processes;
  const until = ports.clock.now() + 120_000;
  const leg = { inc: parked.inc, generation: 1, until, knows: () => true, poke() {} };
  first.residents.active.set("run", leg);
  await advance(first, JSON.stringify(wakeOf(parked)));
  expect((await ports.journal.header("run"))!.dueAt).toBe(until + 2_000 + 60_000);
});

it("a wake that leaves a run whose next leg takes its time moves nothing, where the sweep has just been there", async () => {
  const processes = await aParkedRun();
  const { ports, second, parked } = processes;
  const dueAt = ports.clock.now() + 180_000;
  await ports.journal.reschedule(parked, { dueAt });
  await claim(processes, parked);
  await advance(second, JSON.stringify(wakeOf(parked)));
  expect((await ports.journal.header("run"))!.dueAt).toBe(dueAt);
});

it.each([
  ["a signal that nothing waits for", { event: "signal:1" }],
  ["a time that is over", { at: 1 }],
  ["nothing", {}],
])(
  "a wake that names %s and finds nothing to do moves a due time earlier that is too late",
  async (_, named) => {
    const { ports, second, parked } = await aParkedRun();
    const entry = {
      sequence: parked.sequence + 1,
      at: parked.at,
      generation: parked.generation,
      nonce: "other",
    };
    const events = [{ type: "SignalReceived", signalId: "1", name: "other" } as const];
    await ports.journal.append(parked, { ...entry, events }, parked.at + 1000 * HOUR_MS);
    const { dueAt } = (await ports.journal.header("run"))!;
    await ports.journal.reschedule(parked, { dueAt: dueAt! + 9 * HOUR_MS });
    await advance(second, JSON.stringify(wakeOf(parked, named)));
    expect((await ports.journal.header("run"))!.dueAt).toBe(dueAt);
  },
);
