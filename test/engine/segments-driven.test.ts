/** A driven run never parks: its journal is packed with what it is told, once cold reads of it have cost as much. */
import { expect, test } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import { patchState } from "../../shared/engine/control.ts";
import { loadOutline, loadRun } from "../../shared/engine/load.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import { start } from "../../shared/engine/start.ts";
import { priceOf } from "../../shared/ports/meter.ts";
import { noise } from "../support/builders.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };

async function aRun({ changes }: { changes: number }) {
  const ports = memoryPorts();
  const runners = { ask: () => Promise.reject(new Error("no remote runs here")) };
  const settings = { owner: "one", codeHash: "x" };
  /** A process that has never seen the run. */
  const aProcess = (): Engine => createEngine({ ...ports, runners }, { workflows: [], log, settings });
  let told = 0;
  const tell = (engine: Engine) => patchState(engine, "a", { patch: { at: ++told, text: noise(60, told) } });
  let putUnits = 0;
  const put = ports.journal.putSegment.bind(ports.journal);
  ports.journal.putSegment = async (...args) => {
    const before = ports.meter.total.writeUnits;
    await put(...args);
    putUnits += ports.meter.total.writeUnits - before;
  };
  const segments = async () => {
    const key = (await ports.journal.header("a"))!;
    return (await ports.journal.segments(key, -1)).segments;
  };
  const readUnits = async (read: () => Promise<unknown>) => {
    const before = ports.meter.total.readUnits;
    await read();
    return ports.meter.total.readUnits - before;
  };
  const warm = aProcess();
  await start(warm, { workflow: "w", driver: "managed", runId: "a" });
  while (told < changes) await tell(warm);
  return { ports, warm, aProcess, tell, segments, readUnits, spent: () => putUnits };
}

test("a writer that keeps the run in memory never pays for it", async () => {
  const { segments } = await aRun({ changes: 600 });
  expect(await segments()).toEqual([]);
});

test("cold writers pay until packing would have cost as much, then all reads are cheap", async () => {
  const { ports, aProcess, tell, segments, readUnits, spent } = await aRun({ changes: 600 });
  const cold = () => readUnits(() => loadRun(aProcess(), "a"));
  const before = await cold();
  let writers = 0;
  for (; (await segments()).length === 0 && writers < 50; writers++) await tell(aProcess());
  expect(writers).toBeGreaterThan(1);
  expect(writers).toBeLessThan(25);
  expect(await cold()).toBeLessThan(before / 2);
  const { readUnits: read } = ports.meter.total;
  const nothing = { readUnits: 0, writeUnits: 0, queueRequests: 0, schedules: 0 };
  expect(priceOf({ ...nothing, writeUnits: spent() })).toBeLessThan(priceOf({ ...nothing, readUnits: read }));
  const { state } = (await loadRun(aProcess(), "a"))!;
  expect([state.sequence, state.patches.length]).toEqual([600 + writers, 600 + writers]);
  expect(state.patches.at(-1)).toMatchObject({ v: { at: 600 + writers } });
});

test("reads by a process that writes the run are part of the account", async () => {
  const { warm, tell, segments } = await aRun({ changes: 600 });
  for (let reads = 0; reads < 25; reads++) await loadOutline(warm, "a");
  await tell(warm);
  expect((await segments()).length).toBeGreaterThan(0);
});

test("what another process has packed is not packed again", async () => {
  const { warm, aProcess, tell, segments, spent } = await aRun({ changes: 600 });
  for (let writers = 0; (await segments()).length === 0 && writers < 50; writers++) await tell(aProcess());
  const units = spent();
  expect(units).toBeGreaterThan(0);
  for (let changes = 0; changes < 5; changes++) await tell(warm);
  expect(spent()).toBe(units);
});
