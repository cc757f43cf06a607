/** Snapshots: a long run's journal is packed when that pays off, and read from the entries whenever it cannot be. */
import { describe, expect, test } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import type { Log } from "../../shared/core/context.ts";
import { HEAD_ENTRIES } from "../../shared/core/limits.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { removeRun, sendSignal } from "../../shared/engine/control.ts";
import { loadRun } from "../../shared/engine/load.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import { start } from "../../shared/engine/start.ts";
import { priceOf } from "../../shared/ports/meter.ts";
import { noise } from "../support/builders.ts";

/** So many steps, then a signal for each further one, until one says that it is enough. */
const long = workflow("long", async (run, input: { steps: number; bytes?: number }) => {
  let total = 0;
  for (let index = 0; index < input.steps; index++)
    total += await run
      .step(`step-${index}`, () => ({ index, text: noise(input.bytes ?? 60, index + 1) }))
      .then(({ index: at }) => at);
  for (;;) {
    const word = await run.waitForSignal<string>("go");
    if (word === "enough") return total;
    await run.step(`more ${word}`, () => word);
  }
});

interface Said {
  message: string;
  data?: object;
}

function aWorld(settings: Partial<Engine["settings"]> = {}, pages?: Engine["pages"]) {
  const ports = memoryPorts();
  const warnings: Said[] = [];
  const log: Log = {
    debug() {},
    info() {},
    warn: (message, data) => void warnings.push({ message, ...(data === undefined ? {} : { data }) }),
    error() {},
  };
  const runners = { ask: () => Promise.reject(new Error("no remote runs here")) };
  /** A process that has never seen the run. */
  const aProcess = (residentRunsMax = 0): Engine =>
    createEngine(
      { ...ports, runners, ...(pages === undefined ? {} : { pages }) },
      { workflows: [long], log, settings: { owner: "one", codeHash: "x", ...settings }, residentRunsMax },
    );
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
  const grow = async (steps: number, bytes?: number) => {
    await start(aProcess(), {
      workflow: "long",
      runId: "a",
      input: { steps, ...(bytes === undefined ? {} : { bytes }) },
    });
    await work(aProcess());
  };
  const wake = async (word: string, engine = aProcess()) => {
    await sendSignal(engine, { runId: "a", name: "go", payload: word, strict: true });
    await work(engine);
  };
  const segments = async () => {
    const header = (await ports.journal.header("a"))!;
    return { key: header, segments: (await ports.journal.segments(header, -1)).segments };
  };
  const readUnits = async (read: () => Promise<unknown>) => {
    const before = ports.meter.total.readUnits;
    await read();
    return ports.meter.total.readUnits - before;
  };
  return { ports, warnings, aProcess, grow, wake, segments, readUnits, work };
}

/** Packs at every park. */
const EAGER = { packAfter: 0 };

describe("when it is packed", () => {
  test("a run that is no longer than its first page has nothing to do with it", async () => {
    const { grow, wake, segments, ports, aProcess, readUnits } = aWorld(EAGER);
    await grow(HEAD_ENTRIES - 10);
    await wake("x");
    expect((await segments()).segments).toEqual([]);
    const rows = await readUnits(() => ports.journal.read("a"));
    expect(await readUnits(() => loadRun(aProcess(), "a"))).toBe(rows);
  });

  test("a run that this process keeps in memory never pays for it", async () => {
    const { grow, wake, segments, aProcess } = aWorld();
    await grow(400);
    const warm = aProcess(10);
    for (let index = 0; index < 60; index++) await wake(`w${index}`, warm);
    expect((await segments()).segments).toEqual([]);
  });

  test("cold wakes pay until packing would have cost as much, then they are cheap", async () => {
    const { grow, wake, segments, aProcess, readUnits } = aWorld();
    await grow(600);
    const before = await readUnits(() => loadRun(aProcess(), "a"));
    let wakes = 0;
    while ((await segments()).segments.length === 0 && wakes < 50) await wake(`w${wakes++}`);
    expect(wakes).toBeGreaterThan(1);
    expect(wakes).toBeLessThan(20);
    const after = await readUnits(() => loadRun(aProcess(), "a"));
    expect(after).toBeLessThan(before / 3);
  });

  test("what is spent on segments is never more than what the reads without them cost", async () => {
    const { grow, wake, ports, segments } = aWorld();
    await grow(500);
    const put = ports.journal.putSegment.bind(ports.journal);
    let writeUnits = 0;
    ports.journal.putSegment = async (...args) => {
      const from = ports.meter.total.writeUnits;
      await put(...args);
      writeUnits += ports.meter.total.writeUnits - from;
    };
    for (let index = 0; index < 120; index++) await wake(`w${index}`);
    expect((await segments()).segments.length).toBeGreaterThan(1);
    const { readUnits } = ports.meter.total;
    const usage = { queueRequests: 0, schedules: 0 };
    expect(priceOf({ ...usage, writeUnits, readUnits: 0 })).toBeLessThan(
      priceOf({ ...usage, writeUnits: 0, readUnits }),
    );
  });

  test("what hardly packs is packed only once that pays off too", async () => {
    const { grow, wake, segments } = aWorld();
    await grow(300, 2_000);
    let wakes = 0;
    while ((await segments()).segments.length === 0 && wakes < 100) await wake(`w${wakes++}`);
    expect(wakes).toBeGreaterThan(15);
    expect(wakes).toBeLessThan(100);
  });

  test("each segment goes on where the one before ends, and none is written twice", async () => {
    const { grow, wake, segments } = aWorld(EAGER, { head: 10, next: 25 });
    await grow(100);
    for (const word of ["a", "b", "c"]) await wake(word);
    const { segments: packed } = await segments();
    expect(packed[0]!.from).toBe(10);
    for (const [index, { from }] of packed.entries())
      if (index > 0) expect(from).toBe(packed[index - 1]!.to + 1);
    const seen = packed.map(({ to }) => to);
    await wake("d");
    expect((await segments()).segments.map(({ to }) => to).slice(0, seen.length)).toEqual(seen);
  });
});

describe("what is read", () => {
  const states = async (world: ReturnType<typeof aWorld>) => {
    const { aProcess, ports } = world;
    const packed = await loadRun(aProcess(), "a");
    const none = { ...ports.journal, segments: async () => ({ segments: [], more: false }) };
    const journal = Object.setPrototypeOf(none, ports.journal) as typeof ports.journal;
    for (const name of ["read", "tail", "header"] as const)
      Object.assign(journal, { [name]: ports.journal[name].bind(ports.journal) });
    const plain = await loadRun({ ...aProcess(), journal }, "a");
    return { packed: packed!.state, plain: plain!.state };
  };

  test("a packed run is the run that its entries tell of", async () => {
    const world = aWorld(EAGER, { head: 10, next: 25 });
    await world.grow(100);
    await world.wake("x");
    const { packed, plain } = await states(world);
    expect((await world.segments()).segments.length).toBeGreaterThan(3);
    expect(packed).toEqual(plain);
  });

  test("overlapping segments of two processes do no harm", async () => {
    const world = aWorld(EAGER, { head: 10, next: 25 });
    await world.grow(100);
    const { key, segments } = await world.segments();
    const other = aWorld(EAGER, { head: 10, next: 40 });
    await other.grow(100);
    for (const segment of (await other.segments()).segments)
      await world.ports.journal.putSegment(key, segment, key.expiresAt);
    expect((await world.segments()).segments.length).toBeGreaterThan(segments.length);
    const { packed } = await states(world);
    expect(packed.sequence).toBe(101);
    expect(packed.operations.size).toBe(101);
  });

  const damages: Record<string, (bytes: Uint8Array) => Uint8Array> = {
    "a byte has changed": (bytes) => bytes.map((byte, index) => (index === 50 ? byte ^ 1 : byte)),
    "it is cut off": (bytes) => bytes.slice(0, bytes.length - 9),
    "it is of a form that this engine does not know": (bytes) =>
      bytes.map((byte, index) => (index === 0 ? 99 : byte)),
    "it is empty": () => new Uint8Array(),
  };
  test.each(Object.keys(damages))("a damaged segment is passed over with a warning: %s", async (how) => {
    const world = aWorld(EAGER, { head: 10, next: 25 });
    await world.grow(100);
    const { key, segments } = await world.segments();
    const damaged = { ...segments[1]!, bytes: damages[how]!(segments[1]!.bytes) };
    await world.ports.journal.putSegment(key, damaged, key.expiresAt);
    const { packed, plain } = await states(world);
    expect(packed).toEqual(plain);
    expect(world.warnings[0]).toMatchObject({
      message: expect.stringContaining("is damaged"),
      data: { runId: "a", from: damaged.from, to: damaged.to },
    });
    // The next park packs it again.
    await world.wake("x");
    world.warnings.length = 0;
    await states(world);
    expect(world.warnings).toEqual([]);
  });

  test("a missing segment is passed over with a warning", async () => {
    const world = aWorld(EAGER, { head: 10, next: 25 });
    await world.grow(100);
    const { segments } = await world.segments();
    const all = world.ports.journal.segments.bind(world.ports.journal);
    world.ports.journal.segments = async (key, after) => {
      const page = await all(key, after);
      return { ...page, segments: page.segments.filter(({ to }) => to !== segments[1]!.to) };
    };
    const { packed, plain } = await states(world);
    expect(packed).toEqual(plain);
    expect(world.warnings[0]?.message).toContain("does not go on where the last one ended");
  });

  test("a run is woken, goes on and ends from its segments", async () => {
    const { grow, wake, aProcess } = aWorld(EAGER, { head: 10, next: 25 });
    await grow(100);
    for (const word of ["a", "b", "enough"]) await wake(word);
    const run = await loadRun(aProcess(), "a");
    expect(run?.state.finished).toMatchObject({ status: "completed", output: { v: 4_950 } });
  });
});

describe("what may go wrong", () => {
  test("a store that does not take a segment costs the run nothing", async () => {
    const world = aWorld(EAGER, { head: 10, next: 25 });
    world.ports.journal.putSegment = () => Promise.reject(new Error("throttled"));
    await world.grow(100);
    await world.wake("enough");
    const run = await loadRun(world.aProcess(), "a");
    expect(run?.state.finished?.status).toBe("completed");
    expect(world.warnings[0]?.message).toContain("could not be packed");
  });

  test("a process that dies between two segments leaves a chain that the next one goes on with", async () => {
    const world = aWorld(EAGER, { head: 10, next: 25 });
    const put = world.ports.journal.putSegment.bind(world.ports.journal);
    let puts = 0;
    world.ports.journal.putSegment = (...args) =>
      ++puts > 2 ? Promise.reject(new Error("dead")) : put(...args);
    await world.grow(100);
    expect((await world.segments()).segments).toHaveLength(2);
    world.ports.journal.putSegment = put;
    await world.wake("x");
    const { segments } = await world.segments();
    expect(segments.map(({ from }) => from).slice(1)).toEqual(segments.map(({ to }) => to + 1).slice(0, -1));
    expect(segments.at(-1)!.to).toBeGreaterThan(100);
  });

  test("a removed run's segments go with it", async () => {
    const world = aWorld(EAGER, { head: 10, next: 25 });
    await world.grow(100);
    await world.wake("enough");
    const { key, segments } = await world.segments();
    expect(segments.length).toBeGreaterThan(0);
    await removeRun(world.aProcess(), "a");
    expect((await world.ports.journal.segments(key, -1)).segments).toEqual([]);
  });
});
