/** Resident or suspended: a warm process goes on without a replay, a cold one replays, and neither changes the run. */
import { describe, expect, test } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import type { Log } from "../../shared/core/context.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { pause, redrive, requestCancel, resume, sendSignal } from "../../shared/engine/control.ts";
import { entriesOf, loadRun } from "../../shared/engine/load.ts";
import { type Resident, Residents } from "../../shared/engine/residents.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import { start } from "../../shared/engine/start.ts";

const log: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** How often the function was called from its beginning. */
let calls = 0;
let isBroken = false;

const counts = workflow("counts", async (run) => {
  calls++;
  const heard: string[] = [];
  for (;;) {
    const word = await run.waitForSignal<string>("word");
    heard.push(await run.step(`hear ${word}`, () => word));
    if (word === "end") return heard;
    if (word === "break")
      await run.step(
        "fragile",
        () => {
          if (isBroken) throw new Error("broken");
        },
        { retry: { maxAttempts: 1 } },
      );
  }
});

function aWorld() {
  calls = 0;
  isBroken = false;
  const ports = memoryPorts();
  const runners = { ask: () => Promise.reject(new Error("no remote runs here")) };
  const aProcess = (owner: string): Engine =>
    createEngine({ ...ports, runners }, { workflows: [counts], log, settings: { owner, codeHash: "x" } });
  const work = async (engine: Engine) => {
    for (let idle = 0; idle < 2; ) {
      const messages = await ports.queue.receive("work", { max: 1, waitMs: 0 });
      idle = messages.length === 0 ? idle + 1 : 0;
      for (const { body, receipt } of messages) {
        await advance(engine, body);
        await ports.queue.acknowledge("work", [receipt]);
      }
    }
  };
  const say = async (word: string, engine: Engine) => {
    await sendSignal(engine, { runId: "a", name: "word", payload: word, strict: true });
    await work(engine);
  };
  const events = async () => {
    const types: string[] = [];
    for await (const entry of entriesOf(ports, "a")) types.push(...entry.events.map(({ type }) => type));
    return types;
  };
  const state = async () => (await loadRun(aProcess("reader"), "a", { consistent: true }))!.state;
  const begun = async () => {
    const engine = aProcess("one");
    await start(engine, { workflow: "counts", runId: "a" });
    await work(engine);
    return engine;
  };
  return { ports, aProcess, work, say, events, state, begun };
}

describe("a warm process", () => {
  test("goes on with the suspended function, without a replay", async () => {
    const { begun, say, state } = aWorld();
    const engine = await begun();
    for (const word of ["a", "b", "c", "end"]) await say(word, engine);
    expect(calls).toBe(1);
    expect((await state()).finished?.output).toEqual({ v: ["a", "b", "c", "end"] });
  });

  test("replays once after it has forgotten the run, however often it is told to", async () => {
    const { begun, say, state } = aWorld();
    const engine = await begun();
    await say("a", engine);
    for (let times = 0; times < 3; times++) engine.residents.evict("a");
    await say("b", engine);
    await say("end", engine);
    expect(calls).toBe(2);
    expect((await state()).finished?.output).toEqual({ v: ["a", "b", "end"] });
  });

  test("goes on after another process did, from what is new alone", async () => {
    const { begun, aProcess, say, state } = aWorld();
    const one = await begun();
    const two = aProcess("two");
    for (const [word, engine] of [
      ["a", two],
      ["b", one],
      ["c", two],
      ["end", one],
    ] as const)
      await say(word, engine);
    expect(calls).toBe(2);
    expect((await state()).finished?.output).toEqual({ v: ["a", "b", "c", "end"] });
  });

  test("begins anew with a run that was redriven behind its back", async () => {
    const { begun, aProcess, say, state, work } = aWorld();
    const one = await begun();
    await say("a", one);
    const two = aProcess("two");
    isBroken = true;
    await say("break", two);
    expect((await state()).finished?.status).toBe("failed");
    isBroken = false;
    await redrive(two, "a");
    await work(one);
    await say("end", one);
    expect((await state()).finished).toMatchObject({
      status: "completed",
      output: { v: ["a", "break", "end"] },
    });
  });

  test("holds nothing of what its function was told", async () => {
    const { begun, say } = aWorld();
    const engine = await begun();
    for (let index = 0; index < 50; index++) await say(`word ${index}`, engine);
    const { state } = engine.residents.take("a")!;
    expect(state.history).toEqual([]);
    expect([...state.operations.values()].filter(({ output }) => output !== undefined)).toEqual([]);
    expect([...state.signals.values()].filter(({ payload }) => payload !== undefined)).toEqual([]);
  });
});

describe("suspending and resuming are idempotent", () => {
  test("a wake for what has happened already changes nothing", async () => {
    const { begun, say, ports, work, events, aProcess } = aWorld();
    const engine = await begun();
    await say("a", engine);
    const before = await events();
    const { runId, inc } = (await ports.journal.header("a"))!;
    for (const process of [engine, aProcess("two"), engine])
      for (let times = 0; times < 3; times++) {
        await advance(process, JSON.stringify({ runId, inc }));
        await work(process);
      }
    expect(await events()).toEqual(before);
  });

  test("pausing what is paused and resuming what is not change nothing", async () => {
    const { begun, work, events, state } = aWorld();
    const engine = await begun();
    await resume(engine, "a");
    const before = await events();
    await pause(engine, "a", { reason: "first" });
    for (let times = 0; times < 3; times++) await pause(engine, "a", { reason: "again" });
    expect((await state()).pause).toMatchObject({ reason: "first" });
    for (let times = 0; times < 3; times++) await resume(engine, "a");
    await work(engine);
    expect((await events()).slice(before.length)).toEqual(["PauseRequested", "ResumeRequested"]);
    expect((await state()).pause).toBeUndefined();
  });

  test("a run that is not there is RunNotFound", async () => {
    const { aProcess, ports, work } = aWorld();
    const engine = aProcess("one");
    for (const ask of [pause, resume, requestCancel, redrive])
      await expect(ask(engine, "nobody")).rejects.toMatchObject({
        code: "RunNotFound",
        data: { runId: "nobody" },
      });
    await expect(sendSignal(engine, { runId: "nobody", name: "word" })).rejects.toMatchObject({
      code: "RunNotFound",
    });
    // A wake for it is dropped.
    await advance(engine, JSON.stringify({ runId: "nobody", inc: "x" }));
    await work(engine);
    expect(await ports.queue.receive("work", { max: 1, waitMs: 0 })).toEqual([]);
  });
});

describe("what is kept is bounded", () => {
  const holding = (operations: number): Resident =>
    ({
      state: {
        operations: new Map(Array.from({ length: operations }, (_, index) => [String(index), {}])),
        signals: new Map(),
        history: [],
        patches: [],
      },
    }) as never;

  test("by how many runs there are: the one kept longest ago goes first", () => {
    const residents = new Residents(2, 1_000);
    for (const runId of ["a", "b", "a", "c"]) residents.keep(runId, holding(1));
    expect(residents.take("b")).toBeUndefined();
    expect(residents.take("a")).toBeDefined();
    expect(residents.take("c")).toBeDefined();
    expect(residents.size).toEqual({ runs: 0, events: 0 });
  });

  test("by how much they hold together", () => {
    const residents = new Residents(1_000, 1_000);
    for (let index = 0; index < 50; index++) residents.keep(`run-${index}`, holding(99));
    expect(residents.size).toEqual({ runs: 10, events: 1_000 });
    residents.keep("large", holding(949));
    expect(residents.size).toEqual({ runs: 1, events: 950 });
  });

  test("a run that alone holds too much is not kept, and pushes nobody out", () => {
    const residents = new Residents(1_000, 1_000);
    residents.keep("small", holding(9));
    residents.keep("huge", holding(5_000));
    expect(residents.take("huge")).toBeUndefined();
    expect(residents.take("small")).toBeDefined();
  });

  test("none at all, if the host says so", () => {
    const residents = new Residents(0, 1_000);
    residents.keep("a", holding(1));
    expect(residents.size).toEqual({ runs: 0, events: 0 });
  });
});
