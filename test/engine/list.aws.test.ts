/**
 * What lists cost and show, by DynamoDB's own account: an owner costs one write unit at the start and nothing later, a
 * child that its parent starts costs nothing more, and a page never shows a run twice, whatever is written meanwhile.
 */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DynamoJournal } from "../../shared/adapters/aws/journal.ts";
import { ensureTable } from "../../shared/adapters/aws/provision.ts";
import { systemClock } from "../../shared/adapters/local/clock.ts";
import { type MemoryPorts, memoryPorts } from "../../shared/adapters/memory/index.ts";
import type { Json } from "../../shared/core/json.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { runsOf } from "../../shared/engine/list.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import { type StartRequest, start } from "../../shared/engine/start.ts";
import type { ListQuery } from "../../shared/ports/journal.ts";
import { Meter } from "../../shared/ports/meter.ts";
import { type Dynoxide, startDynoxide } from "../support/dynoxide.ts";

const leaf = workflow("leaf", async (run, _input: Json) => run.step("one", () => 1));
const family = workflow("family", async (run) => {
  await run.child("first", leaf, 1);
  await run.child("second", leaf, 2);
});
const again = workflow("again", async (run, left: number) => (left > 0 ? run.continueAsNew(left - 1) : left));
const keeper = workflow("keeper", (run) => run.child("again", again, 2));
const log = { debug() {}, info() {}, warn() {}, error() {} };

let dynoxide: Dynoxide;
let client: DynamoDBClient;
let written = 0;
let read = 0;

beforeAll(async () => {
  dynoxide = await startDynoxide();
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  client = new DynamoDBClient({ endpoint: dynoxide.endpoint, region: "us-east-1", credentials });
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const result = await next(args);
      const { ConsumedCapacity } = result.output as { ConsumedCapacity?: { CapacityUnits?: number } };
      const units = [ConsumedCapacity].flat().reduce((sum, one) => sum + (one?.CapacityUnits ?? 0), 0);
      if (/Get|Query/.test(String(context.commandName))) read += units;
      else written += units;
      return result;
    },
    { step: "initialize" },
  );
});
afterAll(async () => {
  client.destroy();
  await dynoxide.stop();
});

let ports: MemoryPorts;
let engine: Engine;
let tables = 0;

beforeEach(async () => {
  ports = memoryPorts();
  const table = `runs-${tables++}`;
  await ensureTable(table, client);
  const meter = new Meter();
  const journal = new DynamoJournal({ client, table, clock: systemClock, meter });
  engine = createEngine(
    { ...ports, journal, clock: systemClock, meter },
    { workflows: [leaf, family, again, keeper], log, settings: { owner: "test", codeHash: "test" } },
  );
  written = 0;
  read = 0;
});

async function run(request: StartRequest): Promise<string> {
  const { state } = await start(engine, request);
  for (;;) {
    const [wake] = await ports.queue.receive("work", { max: 1, waitMs: 0 });
    if (wake === undefined) return state.runId;
    await advance(engine, wake.body);
    await ports.queue.acknowledge("work", [wake.receipt]);
  }
}

const list = (query: Partial<ListQuery>) => runsOf(engine, { order: "asc", limit: 50, ...query });
const ids = async (query: Partial<ListQuery>) => (await list(query)).headers.map(({ runId }) => runId);

describe("an owner", () => {
  test("costs one write unit, at the start; a run without one costs none", async () => {
    await run({ workflow: "leaf" });
    const without = written;
    expect(without, "created and two index rows, the claim, the result, the end").toBe(3 + 1 + 1 + 2);
    written = 0;
    await run({ workflow: "leaf", owner: "ann" });
    expect(written).toBe(without + 1);
    written = 0;
    await start(engine, { workflow: "leaf", owner: "ann" });
    expect(written).toBe(4);
  });

  test("has a list that reads its runs alone", async () => {
    for (let index = 0; index < 60; index++) await start(engine, { workflow: "leaf", owner: "ben" });
    const own = [
      await run({ workflow: "leaf", owner: "ann" }),
      await run({ workflow: "leaf", owner: "ann" }),
    ];
    read = 0;
    expect(await ids({ owner: "ann", limit: 2 })).toEqual(own);
    // One page of the index, and two headers read consistently.
    expect(read).toBeLessThanOrEqual(0.5 + 2);
    expect(await ids({ owner: "ann", workflow: "family" })).toEqual([]);
    expect(await ids({ owner: "nobody" })).toEqual([]);
  });
});

describe("children", () => {
  test("cost nothing more than other runs, and are found through their parent's journal", async () => {
    await run({ workflow: "leaf" });
    const alone = written;
    await start(engine, { workflow: "leaf", parent: { runId: "elsewhere", operation: "1" } });
    expect(written - alone, "header, list and due index").toBe(3);
    const parent = await run({ workflow: "family", owner: "ann" });
    const { headers } = await list({ parent });
    expect(headers.map(({ created }) => [created.workflow, created.owner, created.parent?.runId])).toEqual([
      ["leaf", "ann", parent],
      ["leaf", "ann", parent],
    ]);
    const [first, second] = headers.map(({ runId }) => runId);
    expect(await ids({ parent, order: "desc" })).toEqual([second, first]);
    expect(await ids({ parent, owner: "ben" })).toEqual([]);
    expect(await ids({ parent, workflow: "leaf", status: ["completed"] })).toEqual([first, second]);
    expect(await ids({ parent, status: ["failed"] })).toEqual([]);
  });

  test("that continued are listed with those they continue as", async () => {
    const parent = await run({ workflow: "keeper" });
    const { headers } = await list({ parent });
    expect(headers.map(({ created }) => created.workflow)).toEqual(["again", "again", "again"]);
  });

  test("that somebody else started under a parent are found too, for one write unit each", async () => {
    const parent = await run({ workflow: "family" });
    written = 0;
    const { state } = await start(engine, { workflow: "leaf", parent: { runId: parent, operation: "" } });
    expect(written).toBe(4);
    const all = await ids({ parent });
    expect(all).toHaveLength(3);
    expect(all.at(-1)).toBe(state.runId);
    await start(engine, { workflow: "leaf", parent: { runId: "outside", operation: "" } });
    expect(await ids({ parent: "outside" })).toHaveLength(1);
  });

  test("of both kinds come page by page, each once, in order, while more are started", async () => {
    const parent = await run({ workflow: "family" });
    const startOne = () =>
      start(engine, { workflow: "leaf", parent: { runId: parent, operation: "" } }).then(
        ({ state }) => state.runId,
      );
    for (let index = 0; index < 5; index++) await startOne();
    const expected = await ids({ parent, order: "desc" });
    expect(expected).toHaveLength(7);
    for (const limit of [1, 2, 3]) {
      const seen: string[] = [];
      for (let cursor: string | undefined; ; ) {
        const page = await list({ parent, order: "desc", limit, ...(cursor && { cursor }) });
        seen.push(...page.headers.map(({ runId }) => runId));
        if (page.cursor === undefined) break;
        cursor = page.cursor;
        await startOne();
      }
      const known = seen.filter((runId) => expected.includes(runId));
      expect(known, `pages of ${limit}`).toEqual(expected);
      expect(new Set(seen).size).toBe(seen.length);
    }
  });
});
