/** What is removed with a run, what is not, and what outlives whom. */
import { beforeEach, describe, expect, test } from "vitest";
import { type MemoryPorts, memoryPorts } from "../../shared/adapters/memory/index.ts";
import type { Log } from "../../shared/core/context.ts";
import { BLOB_EXPIRY_MS } from "../../shared/core/limits.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { removeRun, requestCancel, sendSignal } from "../../shared/engine/control.ts";
import { receiveSignals } from "../../shared/engine/intake.ts";
import { loadRun, readPayload } from "../../shared/engine/load.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import { start } from "../../shared/engine/start.ts";

const log: Log = { debug() {}, info() {}, warn() {}, error() {} };
const LARGE = "x".repeat(100_000);
const DAY_MS = 86_400_000;

const large = workflow("large", async (run) => run.step("make", () => LARGE));
const nap = workflow("nap", async (run) => run.sleep("nap", "20 days"));
const keeps = workflow("keeps", async (run) => {
  const made = await run.child("made", large, undefined);
  await run.waitForSignal("go");
  return made.length;
});
const spread = workflow("spread", (run) =>
  run.map("double", [1, 2, 3, 4, 5], (item, value) => item.step("double", () => value * 2), { batch: 2 }),
);
const heir = workflow("heir", async (run, left: number) => {
  if (left === 0) return (await run.waitForSignal<string>("will")).length;
  await run.waitForSignal("go");
  return run.continueAsNew(0);
});

let ports: MemoryPorts;
let engine: Engine;
let unscheduled: string[];
let scheduled: string[];
let renewed: string[];

beforeEach(() => {
  ports = memoryPorts();
  [unscheduled, scheduled, renewed] = [[], [], []];
  const { scheduler, blobs } = ports;
  const [schedule, unschedule] = [scheduler.schedule.bind(scheduler), scheduler.unschedule.bind(scheduler)];
  scheduler.schedule = async (made) => {
    scheduled.push(made.name);
    return schedule(made);
  };
  scheduler.unschedule = async (name, runId) => {
    unscheduled.push(name);
    return unschedule(name, runId);
  };
  blobs.renew = async (prefix?: string) => void renewed.push(prefix!);
  engine = createEngine(ports, {
    workflows: [large, nap, keeps, heir, spread],
    log,
    settings: { owner: "test", codeHash: "1" },
  });
});

async function work(): Promise<void> {
  for (;;) {
    const [wake] = await ports.queue.receive("work", { max: 1, waitMs: 0 });
    const [signal] = await ports.queue.receive("signals", { max: 1, waitMs: 0 });
    if (wake === undefined && signal === undefined) return;
    if (wake !== undefined) await advance(engine, wake.body);
    if (signal !== undefined) await receiveSignals(engine, [{ id: "1", body: signal.body }]);
    if (wake !== undefined) await ports.queue.acknowledge("work", [wake.receipt]);
    if (signal !== undefined) await ports.queue.acknowledge("signals", [signal.receipt]);
  }
}

const begun = async (name: string, input?: number): Promise<string> => {
  const { state } = await start(engine, { workflow: name, ...(input !== undefined && { input }) });
  await work();
  return state.runId;
};
const outputOf = async (runId: string) => {
  const run = await loadRun(engine, runId, { consistent: true });
  return readPayload(engine, run?.state.finished?.output);
};

describe("DELETE", () => {
  test("takes the run's blobs and rows", async () => {
    const runId = await begun("large");
    expect(ports.blobs.keys()).not.toEqual([]);
    await removeRun(engine, runId);
    expect(ports.blobs.keys()).toEqual([]);
    await expect(removeRun(engine, runId)).rejects.toMatchObject({ code: "RunNotFound" });
  });

  test("takes the schedule that a cancelled sleep has left behind", async () => {
    const runId = await begun("nap");
    await requestCancel(engine, runId);
    await work();
    expect(scheduled).toHaveLength(1);
    await removeRun(engine, runId);
    expect(unscheduled).toEqual(expect.arrayContaining(scheduled));
  });

  test("takes the schedule of a start that was never reached", async () => {
    const { state } = await start(engine, { workflow: "large", startAt: ports.clock.now() + DAY_MS });
    await requestCancel(engine, state.runId);
    await work();
    await removeRun(engine, state.runId);
    expect(unscheduled).toEqual(expect.arrayContaining(scheduled));
  });

  test("refuses an unfinished run", async () => {
    const runId = await begun("nap");
    await expect(removeRun(engine, runId)).rejects.toMatchObject({ code: "RunNotFinished" });
    expect(unscheduled).toEqual([]);
  });

  test("goes on with a removal that was cut short", async () => {
    const runId = await begun("large");
    const read = ports.journal.read.bind(ports.journal);
    ports.journal.read = async (id, options) => {
      const rows = await read(id, options);
      return rows && { ...rows, entries: rows.entries.slice(0, 1) };
    };
    await removeRun(engine, runId);
    expect(await ports.journal.header(runId)).toBeUndefined();
  });
});

describe("what a run took over from another one", () => {
  test("stays when that one is removed: a child's large output", async () => {
    const runId = await begun("keeps");
    const { headers } = await ports.journal.list({ order: "asc", limit: 10, parent: runId });
    await removeRun(engine, headers[0]!.runId);
    engine.residents.evict(runId);
    await sendSignal(engine, { runId, name: "go" });
    await work();
    expect(await outputOf(runId)).toBe(LARGE.length);
  });

  test("stays when that one is removed: a large signal that it had not consumed", async () => {
    const runId = await begun("heir", 1);
    await sendSignal(engine, { runId, name: "will", payload: LARGE });
    await work();
    await sendSignal(engine, { runId, name: "go" });
    const removing = async () => {
      await work();
      await removeRun(engine, runId);
    };
    const keys = () => ports.blobs.keys().filter((key) => !key.startsWith(`runs/${runId}/`));
    await removing();
    expect(keys()).toHaveLength(1);
    const { headers } = await ports.journal.list({ order: "desc", limit: 1 });
    expect(await outputOf(headers[0]!.runId)).toBe(LARGE.length);
  });
});

describe("a run that lives long", () => {
  test("renews its blobs when its rows are extended, before them", async () => {
    const runId = await begun("nap");
    const header = (await ports.journal.header(runId))!;
    await ports.clock.advance(20 * DAY_MS);
    await work();
    expect(renewed).toEqual([expect.stringMatching(`^runs/${runId}/`)]);
    expect((await ports.journal.header(runId))!.expiresAt).toBeGreaterThan(header.expiresAt);
  });

  test("is never kept for longer than its blobs", () => {
    const kept = (retention: string, blobExpiryMs?: number) =>
      createEngine(ports, {
        workflows: [workflow("kept", { retention }, async () => 1)],
        log,
        settings: { owner: "x", codeHash: "", ...(blobExpiryMs && { blobExpiryMs }) },
      });
    expect(() => kept("215 days", BLOB_EXPIRY_MS)).not.toThrow();
    expect(() => kept("216 days", BLOB_EXPIRY_MS)).toThrow(/at most 215 days.*got 216 days.*blobExpiration/);
    expect(() => kept("10000 days")).not.toThrow();
  });
});

test("the nodes of its maps go with a run", async () => {
  const runId = await begun("spread");
  const { state } = (await loadRun(ports, runId))!;
  expect(state.finished?.status).toBe("completed");
  const nodes = [...state.operations.values()].flatMap(({ childRunId }) => childRunId ?? []);
  expect(nodes).toHaveLength(3);
  await removeRun(engine, runId);
  for (const id of [runId, ...nodes]) expect(await loadRun(ports, id)).toBeUndefined();
});
