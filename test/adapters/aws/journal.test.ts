/** What the DynamoDB journal does beyond its port's promises: its cost as the store sees it, its faults, its pages. */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bytesOf, encodeEntry, encodeNewRun, writeUnitsOf } from "../../../shared/adapters/aws/items.ts";
import { DynamoJournal } from "../../../shared/adapters/aws/journal.ts";
import { ensureTable } from "../../../shared/adapters/aws/provision.ts";
import { systemClock } from "../../../shared/adapters/local/clock.ts";
import type { Entry } from "../../../shared/core/events.ts";
import { INDEX_SHARDS } from "../../../shared/core/limits.ts";
import type { Projection } from "../../../shared/ports/journal.ts";
import { Meter } from "../../../shared/ports/meter.ts";
import { type Dynoxide, startDynoxide } from "../../support/dynoxide.ts";
import { aNewRun, anEntry, freshRunId, noise } from "../../support/ports.ts";
import { type InstantClock, instantClock, region } from "./clock.ts";

type Output = Record<string, unknown>;
/** Stands between the journal and the SDK: sees each call, and may change or fail its answer. */
type Tap = (name: string, input: Output, next: () => Promise<Output>) => Promise<Output>;

let dynoxide: Dynoxide;
let client: DynamoDBClient;
let clock: InstantClock;
let meter: Meter;
let journal: DynamoJournal;
let tap: Tap = (_name, _input, next) => next();
let drawn = 0;

beforeAll(async () => {
  dynoxide = await startDynoxide();
  client = new DynamoDBClient({ ...region, endpoint: dynoxide.endpoint });
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const name = String(context.commandName);
      let answer: Awaited<ReturnType<typeof next>> | undefined;
      const output = await tap(name, args.input as Output, async () => {
        answer = await next(args);
        return answer.output as unknown as Output;
      });
      return { ...answer!, output } as never;
    },
    { step: "initialize" },
  );
});
beforeEach(async () => {
  const table = `journal-${++drawn}`;
  await ensureTable(table, client);
  clock = instantClock();
  meter = new Meter();
  journal = new DynamoJournal({ client, table, clock, meter });
});
afterEach(() => {
  tap = (_name, _input, next) => next();
});
afterAll(async () => {
  client.destroy();
  await dynoxide.stop();
});

const resetConnection = () => Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
const finished = (at: number): Projection => ({
  headerSequence: 11,
  status: "completed",
  updatedAt: at,
  startedAt: at - 100,
  finishedAt: at,
  dueAt: null,
});

describe("cost", () => {
  it("a 10-step run costs 16 write units by the store's own account, indexes included, as the meter says", async () => {
    let stored = 0;
    const perIndex: Record<string, number> = {};
    tap = async (_name, input, next) => {
      input.ReturnConsumedCapacity = "INDEXES";
      const output = await next();
      const consumed = output.ConsumedCapacity as ConsumedByIndex;
      const indexes = Object.entries(consumed.GlobalSecondaryIndexes ?? {});
      stored += consumed.Table.CapacityUnits;
      for (const [index, { CapacityUnits }] of indexes) {
        stored += CapacityUnits;
        perIndex[index] = (perIndex[index] ?? 0) + CapacityUnits;
      }
      return output;
    };
    const run = aNewRun(clock, { runId: "8b6d3a1e-5f0c-4c1e-9d57-0a4b8a2f9c11" });
    expect(await journal.create(run)).toMatchObject({ created: true });
    const claim = {
      type: "LegStarted",
      owner: clock.id(),
      until: clock.now() + 120_000,
      codeHash: "a1b2c3d4",
    } as const;
    expect(await journal.append(run, anEntry(clock, 1, [claim]), run.expiresAt)).toEqual({ stored: true });
    for (let step = 1; step <= 10; step++) {
      const entry: Entry = anEntry(clock, step + 1, [
        { type: "StepCompleted", operation: `step-${step}.1`, output: { v: { id: step, state: "done" } } },
        ...(step === 10
          ? ([{ type: "RunCompleted", output: { v: { total: 99 } } }] as const)
          : ([{ type: "StepStarted", operation: `step-${step + 1}.1`, name: `step-${step + 1}` }] as const)),
      ]);
      expect(await journal.append(run, entry, run.expiresAt)).toEqual({ stored: true });
    }
    expect(await journal.project(run, finished(clock.now()))).toBe(true);
    expect(stored).toBe(16);
    expect(perIndex).toEqual({ due: 2, list: 1 });
    expect(meter.total.writeUnits).toBe(stored);
    expect(meter.drain(run.runId)?.writeUnits).toBe(stored);
  });

  it("a header of any size is written in one unit, and still after every field has been set", async () => {
    for (let size = 0; size <= 1_200; size += 60) {
      const created = {
        ...aNewRun(clock).created,
        input: { v: noise(size, size + 1) },
        tags: { shop: "basel" },
      };
      const run = aNewRun(clock, { created, requestHash: "f".repeat(64) });
      await journal.create(run);
      const usage = {
        writeUnits: 12_345.5,
        readUnits: 12_345.5,
        queueRequests: 12_345.25,
        schedules: 12_345,
      };
      const full: Projection = {
        ...finished(clock.now()),
        dueAt: run.dueAt,
        wakeAt: run.dueAt,
        stalled: true,
        usage,
      };
      const before = meter.total.writeUnits;
      await journal.project(run, { ...full, headerSequence: 12_345 });
      expect(meter.total.writeUnits - before, `with an input of ${size}`).toBe(1);
    }
  });

  it("sizes are reckoned as the store reckons them", async () => {
    const run = aNewRun(clock);
    await journal.create(run);
    for (let size = 700; size <= 1_500; size += 7) {
      const entry = anEntry(clock, size, [
        { type: "StepCompleted", operation: "o", output: { v: noise(size, size) } },
      ]);
      const units = writeUnitsOf(bytesOf(encodeEntry(run, entry, run.expiresAt)));
      const before = meter.total.writeUnits;
      await journal.append(run, entry, run.expiresAt);
      expect(meter.total.writeUnits - before, `with an output of ${size}`).toBe(units);
    }
  });

  it("an entry is deflated only where that saves a write unit", () => {
    const run = aNewRun(clock);
    const formOf = (output: string) => {
      const entry = anEntry(clock, 1, [{ type: "StepCompleted", operation: "o", output: { v: output } }]);
      return Object.keys(encodeEntry(run, entry, run.expiresAt).e!)[0];
    };
    expect(formOf("a".repeat(100))).toBe("S");
    expect(formOf("a".repeat(2_000))).toBe("B");
    expect(formOf(noise(800))).toBe("S");
    expect(formOf(noise(1_000))).toBe("B");
    expect(formOf(noise(1_300))).toBe("S");
    expect(formOf(noise(2_000))).toBe("B");
  });

  it("attribute names are short", () => {
    const created = { ...aNewRun(clock).created, owner: "ann", input: { v: noise(5_000) } };
    const { header, entryZero } = encodeNewRun(aNewRun(clock, { created }));
    const names = [...Object.keys(header), ...Object.keys(entryZero!)].filter((name) => name !== "ttl");
    expect(names.filter((name) => name.length > 2)).toEqual([]);
  });
});

interface ConsumedByIndex {
  Table: { CapacityUnits: number };
  GlobalSecondaryIndexes?: Record<string, { CapacityUnits: number }>;
}

describe("faults", () => {
  it("a missing table is named, with what to do", async () => {
    const nowhere = new DynamoJournal({ client, table: "nowhere", clock, meter });
    const attempts = [
      () => nowhere.header("r"),
      () => nowhere.create(aNewRun(clock)),
      () => nowhere.list({ order: "asc", limit: 1 }),
    ];
    for (const attempt of attempts) {
      await expect(attempt()).rejects.toMatchObject({
        code: "TableNotFound",
        retryable: false,
        data: { table: "nowhere" },
        message: expect.stringMatching(/table nowhere .*cdk deploy.*AWS_REGION/),
      });
    }
  });

  it("a write whose answer was lost is known again by its nonce", async () => {
    const loseOnce = (command: string) => {
      let isLost = false;
      tap = async (name, _input, next) => {
        const output = await next();
        if (name !== command || isLost) return output;
        isLost = true;
        throw resetConnection();
      };
    };
    const run = aNewRun(clock);
    loseOnce("PutItemCommand");
    expect(await journal.create(run)).toMatchObject({ created: false, own: true });
    loseOnce("PutItemCommand");
    const entry = anEntry(clock, 1);
    expect(await journal.append(run, entry, run.expiresAt)).toEqual({
      stored: false,
      winner: entry,
      own: true,
    });
  });

  it("a call that fails each time says what was being done to which run", async () => {
    const run = aNewRun(clock);
    await journal.create(run);
    tap = async () => {
      throw resetConnection();
    };
    await expect(journal.append(run, anEntry(clock, 7), run.expiresAt)).rejects.toMatchObject({
      code: "Unavailable",
      retryable: true,
      message: `Could not append entry 7 of run ${run.runId}: Error: socket hang up`,
      data: { runId: run.runId },
    });
  });

  it("headers that a batch left out are asked for again", async () => {
    const runs = await manyRuns(30, () => ({}));
    let batches = 0;
    tap = async (name, input, next) => {
      if (name !== "BatchGetItemCommand") return next();
      batches++;
      const [table, request] = Object.entries(input.RequestItems as Record<string, { Keys: unknown[] }>)[0]!;
      const [now, later] = [request.Keys.slice(0, 7), request.Keys.slice(7)];
      input.RequestItems = { [table]: { ...request, Keys: now } };
      const output = await next();
      return later.length === 0
        ? output
        : { ...output, UnprocessedKeys: { [table]: { ...request, Keys: later } } };
    };
    const { headers } = await journal.list({ order: "asc", limit: 50 });
    expect(headers.map((header) => header.runId)).toEqual(runs.map((run) => run.runId));
    expect(batches).toBe(5);
  });

  it("items that a batch left over are deleted again", async () => {
    const run = aNewRun(clock);
    await journal.create(run);
    for (let sequence = 1; sequence <= 30; sequence++) {
      await journal.append(run, anEntry(clock, sequence), run.expiresAt);
    }
    const order: string[] = [];
    tap = async (name, input, next) => {
      order.push(name);
      if (name !== "BatchWriteItemCommand") return next();
      const [table, requests] = Object.entries(input.RequestItems as Record<string, unknown[]>)[0]!;
      input.RequestItems = { [table]: requests.slice(0, 9) };
      const output = await next();
      return requests.length <= 9 ? output : { ...output, UnprocessedItems: { [table]: requests.slice(9) } };
    };
    await journal.remove(run);
    expect(order.at(-1), "the header goes last").toBe("DeleteItemCommand");
    tap = (_name, _input, next) => next();
    expect(await journal.read(run.runId, { consistent: true })).toBeUndefined();
    expect((await journal.tail(run, 0)).entries).toEqual([]);
  });
});

async function manyRuns(count: number, change: (index: number) => { workflow?: string }) {
  const createdAt = clock.now() - count;
  const runs = Array.from({ length: count }, (_, index) =>
    aNewRun(clock, {
      createdAt: createdAt + index,
      created: { ...aNewRun(clock).created, ...change(index) },
    }),
  );
  for (let start = 0; start < count; start += 25) {
    await Promise.all(runs.slice(start, start + 25).map((run) => journal.create(run)));
  }
  return runs;
}

describe("lists", () => {
  it("a page looks at a bounded number of rows, and a rare filter reads no header in vain", async () => {
    const runs = await manyRuns(1_030, (index) => ({ workflow: index === 1_010 ? "rare" : "common" }));
    let headersRead = 0;
    tap = (name, input, next) => {
      if (name === "BatchGetItemCommand") {
        for (const { Keys } of Object.values(input.RequestItems as Record<string, { Keys: unknown[] }>))
          headersRead += Keys.length;
      }
      return next();
    };
    const first = await journal.list({ order: "asc", limit: 10, workflow: "rare" });
    expect(first.headers).toEqual([]);
    expect(first.cursor).toBeDefined();
    expect(headersRead).toBe(0);
    const second = await journal.list({ order: "asc", limit: 10, workflow: "rare", cursor: first.cursor! });
    expect(second.headers.map((header) => header.runId)).toEqual([runs[1_010]!.runId]);
    expect(second.cursor).toBeUndefined();
    expect(headersRead).toBe(1);
  });

  it("a page of n reads n headers, whatever the order", async () => {
    const runs = await manyRuns(90, () => ({}));
    const before = meter.total.readUnits;
    const { headers, cursor } = await journal.list({ order: "desc", limit: 20 });
    expect(headers.map((header) => header.runId)).toEqual(
      runs
        .slice(-20)
        .reverse()
        .map((run) => run.runId),
    );
    expect(cursor).toBeDefined();
    expect(meter.total.readUnits - before).toBeLessThanOrEqual(20 + INDEX_SHARDS * 0.5);
  });

  it("a page that ends exactly at the last run has no cursor", async () => {
    await manyRuns(20, () => ({}));
    expect((await journal.list({ order: "asc", limit: 20 })).cursor).toBeUndefined();
    expect((await journal.list({ order: "asc", limit: 19 })).cursor).toBeDefined();
  });

  it("bounds that exclude everything give an empty list", async () => {
    await manyRuns(3, () => ({}));
    const now = clock.now();
    const bounds = [
      { createdAfter: now, createdBefore: now - 10_000 },
      { createdAfter: 1e16 },
      { createdBefore: -1 },
      { createdBefore: 0 },
    ];
    for (const bound of bounds)
      expect(await journal.list({ order: "desc", limit: 5, ...bound })).toEqual({ headers: [] });
  });

  it.each([
    "",
    "x",
    "!!!",
    Buffer.from("no time").toString("base64url"),
    "12~",
    `1~${"x".repeat(5_000)}`,
    "1~ü\u0000~",
  ])("the cursor %j is InvalidInput", async (cursor) => {
    await expect(journal.list({ order: "asc", limit: 5, cursor })).rejects.toMatchObject({
      code: "InvalidInput",
    });
  });

  it("a forged cursor is answered, whatever it says", async () => {
    const [run] = await manyRuns(1, () => ({}));
    const forged = [`1~${"x".repeat(128)}`, "1~.~", "0~-"];
    const bounds: string[] = [];
    tap = (name, input, next) => {
      const values = input.ExpressionAttributeValues as Record<string, { S: string }> | undefined;
      if (name === "QueryCommand") bounds.push(values![":from"]!.S);
      return next();
    };
    for (const cursor of forged) {
      const { headers } = await journal.list({ order: "asc", limit: 5, cursor });
      expect(headers.map((header) => header.runId)).toEqual([run!.runId]);
    }
    // DynamoDB refuses a sort key above 1,024 bytes; Dynoxide does not.
    expect(Math.max(...bounds.map((bound) => Buffer.byteLength(bound)))).toBeLessThanOrEqual(1_024);
    const { headers } = await journal.list({ order: "asc", limit: 5, cursor: "9999999999999999~a" });
    expect(headers).toEqual([]);
  });

  it("a run that was created anew is listed once, at its new place", async () => {
    const runId = freshRunId();
    const now = clock.now();
    await journal.create(aNewRun(clock, { runId, createdAt: now - 9_000, expiresAt: now - 5_000 }));
    const next = aNewRun(clock, { runId, createdAt: now });
    await journal.create(next);
    const { headers } = await journal.list({ order: "asc", limit: 5 });
    expect(headers.map((header) => header.inc)).toEqual([next.inc]);
  });
});

describe("changed", () => {
  it("reads with growing pauses, one consistent unit each", async () => {
    const run = aNewRun(systemClock);
    await journal.create(run);
    const waits: number[] = [];
    let now = 0;
    const virtual = {
      ...systemClock,
      now: () => now,
      sleep: async (ms: number) => {
        waits.push(ms);
        now += ms;
      },
    };
    const ownMeter = new Meter();
    const watching = new DynamoJournal({
      client,
      table: `journal-${drawn}`,
      clock: virtual,
      meter: ownMeter,
    });
    await watching.changed(run.runId, 0, 5_000);
    expect(waits).toEqual([25, 50, 100, 200, 400, 800, 1_000, 1_000, 1_000, 425]);
    expect(ownMeter.total.readUnits).toBe(0.5 + 11);
  });
});
