/**
 * When packing a journal pays off, by DynamoDB's own account: a run of 10,000 events, woken cold again and again,
 * once without segments and once with the engine's own policy. The figures are in docs/performance.md.
 */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DynamoJournal } from "../../shared/adapters/aws/journal.ts";
import { ensureTable } from "../../shared/adapters/aws/provision.ts";
import { systemClock } from "../../shared/adapters/local/clock.ts";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import type { Entry } from "../../shared/core/events.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { sendSignal } from "../../shared/engine/control.ts";
import { entriesOf, loadRun } from "../../shared/engine/load.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import { start } from "../../shared/engine/start.ts";
import { Meter, noUsage, priceOf } from "../../shared/ports/meter.ts";
import { type Dynoxide, startDynoxide } from "../support/dynoxide.ts";

const STEPS = 5_000;
const WAKES = 9;

let dynoxide: Dynoxide;
let client: DynamoDBClient;
/** What the store has said that each request took. */
const units = { read: 0, written: 0 };

beforeAll(async () => {
  dynoxide = await startDynoxide();
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  client = new DynamoDBClient({ endpoint: dynoxide.endpoint, region: "us-east-1", credentials });
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const result = await next(args);
      const { ConsumedCapacity } = result.output as { ConsumedCapacity?: { CapacityUnits?: number } };
      const isRead = /Get|Query/.test(String(context.commandName));
      units[isRead ? "read" : "written"] += ConsumedCapacity?.CapacityUnits ?? 0;
      return result;
    },
    { step: "initialize" },
  );
});

afterAll(async () => {
  client.destroy();
  await dynoxide.stop();
});

const grown = workflow("grown", async (run, input: { steps: number }) => {
  for (let index = 0; index < input.steps; index++)
    await run.step(`step-${index}`, () => ({ index, ok: true, data: "x".repeat(60), tag: "step-result" }));
  for (;;) await run.waitForSignal("go");
});

const log = { debug() {}, info() {}, warn() {}, error() {} };
const runners = { ask: () => Promise.reject(new Error("no remote runs here")) };
const anEngine = (ports: ReturnType<typeof memoryPorts>, packAfter: number): Engine =>
  createEngine(
    { ...ports, runners },
    {
      workflows: [grown],
      log,
      settings: { owner: "test", codeHash: "test", packAfter, legMs: 900_000 },
      residentRunsMax: 0,
    },
  );

async function work(engine: Engine): Promise<void> {
  const messages = await engine.queue.receive("work", { max: 10, waitMs: 0 });
  for (const { body, receipt } of messages) {
    await advance(engine, body);
    await engine.queue.acknowledge("work", [receipt]);
  }
}

/** A run's entries, grown in memory: the store is asked for what is measured only. */
async function aJournal(): Promise<Entry[]> {
  const engine = anEngine(memoryPorts(), 1);
  await start(engine, { workflow: "grown", runId: "grown", input: { steps: STEPS } });
  await work(engine);
  const entries: Entry[] = [];
  for await (const entry of entriesOf(engine, "grown")) entries.push(entry);
  return entries;
}

/** An engine on a table that holds the run. */
async function stored(table: string, entries: Entry[], packAfter: number): Promise<Engine> {
  await ensureTable(table, client);
  const meter = new Meter();
  const journal = new DynamoJournal({ client, table, clock: systemClock, meter });
  const engine = anEngine({ ...memoryPorts(), journal, clock: systemClock, meter } as never, packAfter);
  const { state } = await start(engine, { workflow: "grown", runId: "grown", input: { steps: STEPS } });
  await engine.queue.receive("work", { max: 10, waitMs: 0 });
  const { expiresAt } = (await journal.header("grown"))!;
  for (let from = 1; from < entries.length; from += 100)
    await Promise.all(
      entries.slice(from, from + 100).map((entry) => journal.append(state, entry, expiresAt)),
    );
  return engine;
}

interface Wake {
  usd: number;
  read: number;
  written: number;
}

/** What each of so many cold wakes has cost, in dollars, and its read and write units. */
async function woken(engine: Engine, count: number): Promise<Wake[]> {
  const wakes: Wake[] = [];
  await loadRun(engine, "grown");
  for (let index = 0; index < count; index++) {
    await sendSignal(engine, { runId: "grown", name: "go", payload: null, strict: true });
    Object.assign(units, { read: 0, written: 0 });
    await work(engine);
    const { read, written } = units;
    wakes.push({ read, written, usd: priceOf({ ...noUsage(), readUnits: read, writeUnits: written }) });
  }
  return wakes;
}

const sum = (wakes: Wake[]): number => wakes.reduce((total, { usd }) => total + usd, 0);

test("a run of 10,000 events, woken cold: packing never costs twice the reads, and soon costs far less", async () => {
  const entries = await aJournal();
  expect(entries.flatMap(({ events }) => events).length).toBeGreaterThan(10_000);
  // Without segments, one wake is as the other.
  const [first, plain] = await woken(await stored("plain", entries, Number.POSITIVE_INFINITY), 2);
  expect(Math.abs(plain!.read - first!.read)).toBeLessThan(2);
  const packing = await woken(await stored("packing", entries, 1), WAKES);
  if (process.env.SHOW_COSTS !== undefined) console.table([plain, ...packing]);
  const packedAt = packing.findIndex(({ written }) => written > 20);
  expect(packedAt).toBeGreaterThan(0);
  expect(packedAt).toBeLessThan(6);
  // With segments a wake reads a small part of what it reads without.
  expect(packing.at(-1)!.read).toBeLessThan(plain!.read / 4);
  // One park packs it all, for a small part of the 5,000 units that writing the entries took.
  expect(packing[packedAt]!.written).toBeLessThan(STEPS / 20);
  // However often it is woken, packing has at worst doubled what the wakes cost,
  for (let wakes = 1; wakes <= WAKES; wakes++)
    expect(sum(packing.slice(0, wakes))).toBeLessThan(2 * wakes * plain!.usd);
  // and a few wakes later it has paid for itself.
  const even = 2 * (packedAt + 1) + 1;
  expect(sum(packing.slice(0, even))).toBeLessThan(even * plain!.usd);
});
