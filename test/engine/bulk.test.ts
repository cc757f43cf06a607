/** Bulk operations outlive whatever process dies under them, and work over the real table's lists. */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DynamoJournal } from "../../shared/adapters/aws/journal.ts";
import { ensureTable } from "../../shared/adapters/aws/provision.ts";
import { systemClock } from "../../shared/adapters/local/clock.ts";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { BULK, type BulkReport, type BulkRequest } from "../../shared/engine/bulk.ts";
import { loadRun, readPayload } from "../../shared/engine/load.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import { start } from "../../shared/engine/start.ts";
import { Meter } from "../../shared/ports/meter.ts";
import { testHost } from "../../shared/testing/index.ts";
import { type Dynoxide, startDynoxide } from "../support/dynoxide.ts";

const listens = workflow("listens", async (run) => {
  const first = await run.waitForSignal<string>("go");
  await run.sleep("rest", "1h");
  return first;
});
const log = { debug() {}, info() {}, warn() {}, error() {} };
const engineOn = (ports: ReturnType<typeof memoryPorts> | Engine) =>
  createEngine(ports, { workflows: [listens], log, settings: { owner: "api", codeHash: "test" } });
const startBulk = (engine: Engine, request: BulkRequest) =>
  start(engine, { workflow: BULK, runId: "bulk-run", input: request as never }, engine.registry.find(BULK));

test("whichever call its process dies at, each run is signalled once, and reported", async () => {
  const runIds = ["a", "b", "c"];
  for (let crashAt = 1; ; crashAt++) {
    const host = testHost({ workflows: [listens], crashAt });
    for (const runId of runIds) await host.start(listens, undefined, { runId });
    await startBulk(engineOn(host.ports), { action: "signal", filter: {}, signal: { name: "go" } });
    await host.skip("10m");
    const { status, output } = await host.get("bulk-run");
    expect(status, `crash at ${crashAt}`).toBe("completed");
    expect(output).toMatchObject({ matched: 3, done: 3, refused: 0, failed: 0 });
    for (const runId of runIds) {
      const received = (await host.journal(runId)).filter(({ type }) => type === "SignalReceived");
      expect(received, `crash at ${crashAt}`).toHaveLength(1);
    }
    if (host.moments < crashAt) {
      expect(crashAt).toBeGreaterThan(50);
      return;
    }
  }
}, 60_000);

let dynoxide: Dynoxide;
let client: DynamoDBClient;
beforeAll(async () => {
  dynoxide = await startDynoxide();
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  client = new DynamoDBClient({ endpoint: dynoxide.endpoint, region: "us-east-1", credentials });
  await ensureTable("runs", client);
});
afterAll(async () => {
  client.destroy();
  await dynoxide.stop();
});

test("over a table: those of one owner are cancelled, the others left alone", async () => {
  const memory = memoryPorts();
  const meter = new Meter();
  const journal = new DynamoJournal({ client, table: "runs", clock: systemClock, meter });
  const engine = engineOn({ ...memory, journal, clock: systemClock, meter } as never);
  for (const [runId, owner] of [
    ["ada-1", "ada"],
    ["bob-1", "bob"],
    ["ada-2", "ada"],
  ] as const)
    await start(engine, { workflow: "listens", runId, owner });
  await startBulk(engine, { action: "cancel", filter: { owner: "ada", status: ["pending", "waiting"] } });
  for (;;) {
    const messages = await memory.queue.receive("work", { max: 10, waitMs: 0 });
    if (messages.length === 0) break;
    for (const message of messages) {
      await advance(engine, message.body);
      await memory.queue.acknowledge("work", [message.receipt]);
    }
  }
  const stateOf = async (runId: string) => (await loadRun(engine, runId, { consistent: true }))!.state;
  const report = (await readPayload(
    engine,
    (
      await stateOf("bulk-run")
    ).finished!.output,
  )) as never as BulkReport;
  expect(report.items.map(({ runId, outcome }) => `${runId} ${outcome}`).sort()).toEqual([
    "ada-1 done",
    "ada-2 done",
  ]);
  expect((await stateOf("ada-2")).finished?.status).toBe("cancelled");
  expect((await stateOf("bob-1")).cancel).toBeUndefined();
});
