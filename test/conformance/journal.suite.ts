/** The promises of `shared/ports/journal.ts`, asked of any adapter. Cases cite the promise that they test. */
import { expect } from "vitest";
import type { RunEvent } from "../../shared/core/events.ts";
import type { Header, ListQuery, NewRun, Projection } from "../../shared/ports/journal.ts";
import {
  aNewRun,
  anEntry,
  aStoredRun,
  costOf,
  declareSuite,
  freshRunId,
  noise,
  type Opened,
  type SuiteOptions,
} from "../support/ports.ts";
import { mapping } from "./nodes.suite.ts";
import { packing, paging } from "./segments.suite.ts";
import { continuing } from "./successors.suite.ts";

type Port = Opened<"journal">;
type Test = (name: string, body: (port: Port) => Promise<void>) => void;

/** `open` gives an empty store. */
export function journalSuite(name: string, open: () => Promise<Port>, options: SuiteOptions = {}): void {
  declareSuite(`journal: ${name}`, open, options, (test) => {
    creating(test);
    appending(test);
    reading(test);
    projecting(test);
    rescheduling(test);
    dueing(test);
    listing(test);
    expiring(test);
    paging(test);
    mapping(test);
    continuing(test);
    packing(test);
    changing(test);
    costing(test);
  });
}

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

const headerOf = async (port: Port, runId: string): Promise<Header> => {
  const header = await port.journal.header(runId, { consistent: true });
  if (header === undefined) throw new Error(`Expected a header of ${runId}, got none`);
  return header;
};

function creating(test: Test): void {
  test("create answers the header, which a consistent read sees (2)", async (port) => {
    const run = aNewRun(port.clock, { status: "running" });
    const answer = await port.journal.create(run);
    const expected = {
      runId: run.runId,
      inc: run.inc,
      created: run.created,
      createdAt: run.createdAt,
      requestHash: run.requestHash,
      // It has begun already, elsewhere.
      status: "running",
      startedAt: run.createdAt,
      headerSequence: 0,
      dueAt: run.dueAt,
      updatedAt: run.createdAt,
      expiresAt: run.expiresAt,
    };
    expect(answer).toEqual({ created: true, header: expected });
    expect(await headerOf(port, run.runId)).toEqual(expected);
  });

  test("of concurrent creates exactly one wins, and every other learns it (1)", async (port) => {
    const runId = freshRunId();
    const runs = times(20, (index) =>
      aNewRun(port.clock, { runId, requestHash: `hash-${index}`, dueAt: port.clock.now() + index }),
    );
    const answers = await Promise.all(runs.map((run) => port.journal.create(run)));
    const winners = runs.filter((_, index) => answers[index]!.created);
    expect(winners).toHaveLength(1);
    for (const answer of answers) {
      if (answer.created) continue;
      expect(answer.own).toBe(false);
      expect(answer.existing).toMatchObject({ inc: winners[0]!.inc, requestHash: winners[0]!.requestHash });
      expect(answer.existing.created).toEqual(winners[0]!.created);
    }
    expect(await headerOf(port, runId)).toMatchObject({ inc: winners[0]!.inc, dueAt: winners[0]!.dueAt });
  });

  test("a repeated create knows its own run again (1)", async (port) => {
    const run = aNewRun(port.clock);
    await port.journal.create(run);
    const again = await port.journal.create(run);
    expect(again).toMatchObject({
      created: false,
      own: true,
      existing: { inc: run.inc, requestHash: run.requestHash },
    });
    const other = await port.journal.create({ ...run, inc: port.clock.id(), nonce: port.clock.id() });
    expect(other).toMatchObject({ created: false, own: false, existing: { inc: run.inc } });
  });

  test("a large input is kept apart from the header and comes back in entry 0", async (port) => {
    const input = { v: noise(30_000) };
    const created = { ...aNewRun(port.clock).created, input, tags: { shop: "zürich" } };
    const run = aNewRun(port.clock, { created });
    expect(await port.journal.create(run)).toMatchObject({ created: true });
    const again = await port.journal.create(run);
    expect(again).toMatchObject({ created: false, own: true });
    await port.journal.append(run, anEntry(port.clock, 1), run.expiresAt);
    const rows = await port.journal.read(run.runId, { consistent: true });
    expect(rows!.entries.map((entry) => entry.sequence)).toEqual([0, 1]);
    expect(rows!.entries[0]).toEqual({
      sequence: 0,
      at: run.createdAt,
      generation: 0,
      nonce: run.nonce,
      events: [created],
    });
    const { workflow, tags } = (await headerOf(port, run.runId)).created;
    expect({ workflow, tags }).toEqual({ workflow: "order", tags: { shop: "zürich" } });
  });

  test("of concurrent creates with large inputs, entry 0 is the winner's (1, 4)", async (port) => {
    const runId = freshRunId();
    const runs = times(8, (index) =>
      aNewRun(port.clock, {
        runId,
        created: { ...aNewRun(port.clock).created, input: { v: noise(4_000, index + 1) } },
      }),
    );
    const answers = await Promise.all(runs.map((run) => port.journal.create(run)));
    const winners = runs.filter((_, index) => answers[index]!.created);
    expect(winners).toHaveLength(1);
    const rows = await port.journal.read(runId, { consistent: true });
    expect(rows!.entries).toHaveLength(1);
    expect(rows!.entries[0]).toMatchObject({ nonce: winners[0]!.nonce, events: [winners[0]!.created] });
  });
}

const everyField: RunEvent[] = [
  {
    type: "SignalReceived",
    signalId: "s-1",
    name: 'bezahlt \u{1F600} \u0000\n"quoted" \ud800',
    payload: { v: null },
  },
  {
    type: "StepCompleted",
    operation: "a.1",
    output: { v: { nested: [1, -0.5, 1e300, true, null, "", {}, []] } },
  },
  { type: "StepCompleted", operation: "a.2" },
  { type: "StepCompleted", operation: "a.3", output: { b: { key: "runs/x", bytes: 70_000, sha256: "ab" } } },
  {
    type: "StepFailed",
    operation: "a.4",
    error: {
      code: "StepFailed",
      name: "E",
      message: "日本語",
      attempts: 3,
      data: { a: [] },
      cause: { code: "c", name: "n", message: "" },
    },
  },
  { type: "LegStarted", owner: "o", until: 1_800_000_000_123, codeHash: "h", cause: "signal" },
];

function appending(test: Test): void {
  test("of concurrent appends exactly one wins, and every other learns the winner in full (1)", async (port) => {
    const { run, key } = await aStoredRun(port);
    const entries = times(20, (index) => ({
      ...anEntry(port.clock, 1, [
        { type: "StepCompleted", operation: `op-${index}`, output: { v: { index } } },
      ]),
      generation: index,
      seen: port.clock.now() + index,
      usage: { writeUnits: index, readUnits: 0.5, queueRequests: 2, schedules: 1, reread: 7.5 },
    }));
    const answers = await Promise.all(entries.map((entry) => port.journal.append(key, entry, run.expiresAt)));
    const winners = entries.filter((_, index) => answers[index]!.stored);
    expect(winners).toHaveLength(1);
    for (const answer of answers)
      if (!answer.stored) expect(answer).toEqual({ stored: false, winner: winners[0], own: false });
    expect((await port.journal.tail(key, 0)).entries).toEqual(winners);
  });

  test("a repeated append knows its own entry again (1)", async (port) => {
    const { run, key } = await aStoredRun(port);
    const entry = anEntry(port.clock, 1, everyField);
    expect(await port.journal.append(key, entry, run.expiresAt)).toEqual({ stored: true });
    expect(await port.journal.append(key, entry, run.expiresAt)).toEqual({
      stored: false,
      winner: entry,
      own: true,
    });
  });

  test("an entry comes back as it was: every kind of value, and no object is shared (2)", async (port) => {
    const { run, key } = await aStoredRun(port);
    const entry = { ...anEntry(port.clock, 1, structuredClone(everyField)), seen: 1_700_000_000_001 };
    const kept = structuredClone(entry);
    const writing = port.journal.append(key, entry, run.expiresAt);
    entry.events.length = 0;
    expect(await writing).toEqual({ stored: true });
    const first = (await port.journal.tail(key, 0)).entries[0]!;
    expect(first).toEqual(kept);
    first.events.length = 0;
    expect((await port.journal.read(run.runId, { consistent: true }))!.entries[1]).toEqual(kept);
  });

  test("entries of 300 KB come back as they were, whether they compress or not", async (port) => {
    const { run, key } = await aStoredRun(port);
    const long = "the same sentence again and again, ".repeat(9_000);
    const texts = [long, noise(300_000)];
    for (const [index, text] of texts.entries()) {
      const entry = anEntry(port.clock, index + 1, [
        { type: "StepCompleted", operation: "o", output: { v: text } },
      ]);
      expect(await port.journal.append(key, entry, run.expiresAt)).toEqual({ stored: true });
      const rival = { ...entry, nonce: port.clock.id() };
      expect(await port.journal.append(key, rival, run.expiresAt)).toEqual({
        stored: false,
        winner: entry,
        own: false,
      });
      expect((await port.journal.tail(key, index)).entries).toEqual([entry]);
    }
  });

  test("appends to different positions and runs do not disturb each other (1)", async (port) => {
    const stored = await Promise.all(times(5, () => aStoredRun(port, { last: 12 })));
    for (const { run, entries } of stored) {
      const rows = await port.journal.read(run.runId, { consistent: true });
      expect(rows!.entries.slice(1)).toEqual(entries);
    }
  });
}

function reading(test: Test): void {
  test("read answers all entries in order of sequence, entry 0 first", async (port) => {
    const { run, entries } = await aStoredRun(port, { last: 120 });
    const rows = await port.journal.read(run.runId, { consistent: true });
    expect(rows!.more).toBe(false);
    expect(rows!.header).toMatchObject({ runId: run.runId, inc: run.inc, headerSequence: 0 });
    const zero = { sequence: 0, at: run.createdAt, generation: 0, nonce: run.nonce, events: [run.created] };
    expect(rows!.entries).toEqual([zero, ...entries]);
  });

  test("read goes on after a sequence", async (port) => {
    const { run, entries } = await aStoredRun(port, { last: 15 });
    const rows = await port.journal.read(run.runId, { after: 8, consistent: true });
    expect(rows!.entries).toEqual(entries.slice(8));
    expect((await port.journal.read(run.runId, { after: 0, consistent: true }))!.entries).toEqual(entries);
    expect((await port.journal.read(run.runId, { after: 15, consistent: true }))!.entries).toEqual([]);
  });

  for (const [kind, size] of [["small", 10] as const, ["large", 5_000] as const]) {
    test(`pages of a run with a ${kind} header join without gap, and say more (5)`, async (port) => {
      const created = { ...aNewRun(port.clock).created, input: { v: noise(size) } };
      const { run } = await aStoredRun(port, { created, last: 10 });
      const seen: number[] = [];
      for (let page = 0, more = true; more && page < 20; page++) {
        const rows = await port.journal.read(run.runId, {
          after: seen.at(-1) ?? -1,
          limit: 4,
          consistent: true,
        });
        expect(rows!.entries.length).toBeLessThanOrEqual(4);
        if (rows!.entries.at(-1)!.sequence < 10) expect(rows!.more).toBe(true);
        seen.push(...rows!.entries.map((entry) => entry.sequence));
        more = rows!.more && seen.at(-1)! < 10;
      }
      expect(seen).toEqual(times(11, (index) => index));
    });
  }

  test("read answers everything, however many bytes (5)", async (port) => {
    const { run, key } = await aStoredRun(port);
    for (let sequence = 1; sequence <= 8; sequence++) {
      const events: RunEvent[] = [
        { type: "StepCompleted", operation: "o", output: { v: noise(240_000, sequence) } },
      ];
      await port.journal.append(key, anEntry(port.clock, sequence, events), run.expiresAt);
    }
    const rows = await port.journal.read(run.runId, { consistent: true });
    expect(rows!.entries.map((entry) => entry.sequence)).toEqual(times(9, (index) => index));
    expect(rows!.more).toBe(false);
    expect((await port.journal.tail(key, 1)).entries).toHaveLength(7);
  });

  test("tail answers the entries after a sequence, up to a limit", async (port) => {
    const { key, entries } = await aStoredRun(port, { last: 12 });
    expect((await port.journal.tail(key, 9)).entries).toEqual(entries.slice(9));
    expect((await port.journal.tail(key, 2, { limit: 3 })).entries).toEqual(entries.slice(2, 5));
    expect((await port.journal.tail(key, 2, { limit: 3 })).more).toBe(true);
    expect(await port.journal.tail(key, 9, { limit: 3 })).toEqual({ entries: entries.slice(9), more: false });
    expect(await port.journal.tail(key, 12)).toEqual({ entries: [], more: false });
  });

  test("an unknown run has nothing", async (port) => {
    expect(await port.journal.read("nobody")).toBeUndefined();
    expect(await port.journal.read("nobody", { consistent: true })).toBeUndefined();
    expect(await port.journal.header("nobody")).toBeUndefined();
    expect((await port.journal.tail({ runId: "nobody", inc: "x" }, -1)).entries).toEqual([]);
  });
}

const at = (port: Port, headerSequence: number, change: Partial<Projection> = {}): Projection => ({
  headerSequence,
  status: "running",
  updatedAt: port.clock.now() + headerSequence,
  ...change,
});

function projecting(test: Test): void {
  test("project moves the header forwards only (3)", async (port) => {
    const { run, key } = await aStoredRun(port);
    expect(await port.journal.project(key, at(port, 3, { status: "waiting" }))).toBe(true);
    expect(await port.journal.project(key, at(port, 3, { status: "failed" }))).toBe(false);
    expect(await port.journal.project(key, at(port, 2, { status: "failed" }))).toBe(false);
    expect(await headerOf(port, run.runId)).toMatchObject({ status: "waiting", headerSequence: 3 });
    expect(await port.journal.project(key, at(port, 4, { status: "completed" }))).toBe(true);
    expect(await headerOf(port, run.runId)).toMatchObject({ status: "completed", headerSequence: 4 });
  });

  test("concurrent projections end at the latest (3)", async (port) => {
    const { run, key } = await aStoredRun(port);
    const order = [4, 9, 1, 7, 2, 8, 3, 6, 5];
    await Promise.all(
      order.map((sequence) => port.journal.project(key, at(port, sequence, { wakeAt: sequence }))),
    );
    expect(await headerOf(port, run.runId)).toMatchObject({ headerSequence: 9, wakeAt: 9 });
  });

  test("a projection sets every field, keeps what is absent and removes what is null", async (port) => {
    const { run, key } = await aStoredRun(port);
    const now = port.clock.now();
    const usage = { writeUnits: 4, readUnits: 1.5, queueRequests: 3, schedules: 1 };
    const full = {
      updatedAt: now + 1,
      dueAt: now + 5,
      startedAt: now + 1,
      finishedAt: now + 2,
      wakeAt: now + 3,
      stalled: true,
      cancelRequested: true,
      usage,
    };
    await port.journal.project(key, at(port, 1, full));
    const header = await headerOf(port, run.runId);
    expect(header).toMatchObject({ ...full, status: "running", headerSequence: 1 });
    await port.journal.project(key, at(port, 2, { status: "sleeping" }));
    const kept = await headerOf(port, run.runId);
    expect(kept).toEqual({ ...header, status: "sleeping", headerSequence: 2, updatedAt: kept.updatedAt });
    await port.journal.project(
      key,
      at(port, 3, { dueAt: null, wakeAt: null, stalled: false, cancelRequested: false }),
    );
    const removed = await headerOf(port, run.runId);
    expect(removed.dueAt).toBeUndefined();
    expect(removed.wakeAt).toBeUndefined();
    expect(removed.stalled ?? false).toBe(false);
    expect(removed.cancelRequested ?? false).toBe(false);
    expect(removed).toMatchObject({
      usage,
      startedAt: now + 1,
      created: run.created,
      expiresAt: run.expiresAt,
    });
  });

  test("a projection of another incarnation or an unknown run changes nothing (3, 4)", async (port) => {
    const { run, key } = await aStoredRun(port);
    expect(await port.journal.project({ ...key, inc: "other" }, at(port, 5))).toBe(false);
    expect(await headerOf(port, run.runId)).toMatchObject({ headerSequence: 0, status: "pending" });
    expect(await port.journal.project({ runId: "nobody", inc: "x" }, at(port, 1))).toBe(false);
    expect(await port.journal.header("nobody", { consistent: true })).toBeUndefined();
  });
}

function rescheduling(test: Test): void {
  test("reschedule moves dueAt, with `from` only off that value", async (port) => {
    const { run, key } = await aStoredRun(port);
    const dueAt = run.dueAt + 1_000;
    expect(await port.journal.reschedule(key, { dueAt })).toBe(true);
    expect(await headerOf(port, run.runId)).toMatchObject({ dueAt, headerSequence: 0, status: "pending" });
    expect(await port.journal.reschedule(key, { dueAt: dueAt + 1, from: run.dueAt })).toBe(false);
    expect(await port.journal.reschedule(key, { dueAt: dueAt + 2, from: dueAt })).toBe(true);
    expect((await headerOf(port, run.runId)).dueAt).toBe(dueAt + 2);
  });

  test("of concurrent reschedules from one value exactly one wins", async (port) => {
    const { run, key } = await aStoredRun(port);
    const moves = times(10, (index) =>
      port.journal.reschedule(key, { dueAt: run.dueAt + 1 + index, from: run.dueAt }),
    );
    expect((await Promise.all(moves)).filter(Boolean)).toHaveLength(1);
  });

  test("reschedule with a sequence keeps an older projection from moving it again (3)", async (port) => {
    const { run, key } = await aStoredRun(port);
    const early = port.clock.now() + 1;
    expect(await port.journal.reschedule(key, { dueAt: early, sequence: 4 })).toBe(true);
    expect(await port.journal.project(key, at(port, 3, { dueAt: early + 90_000 }))).toBe(false);
    expect(await headerOf(port, run.runId)).toMatchObject({ dueAt: early, headerSequence: 4 });
  });

  test("reschedule with an older sequence moves dueAt, and never headerSequence backwards (3)", async (port) => {
    const { run, key } = await aStoredRun(port);
    await port.journal.project(key, at(port, 6));
    const early = port.clock.now() + 1;
    expect(await port.journal.reschedule(key, { dueAt: early, sequence: 2 })).toBe(true);
    expect(await headerOf(port, run.runId)).toMatchObject({ dueAt: early, headerSequence: 6 });
  });

  test("reschedule of a run that left the due index, of another incarnation, or unknown: false", async (port) => {
    const { run, key } = await aStoredRun(port);
    expect(await port.journal.reschedule({ ...key, inc: "other" }, { dueAt: 5 })).toBe(false);
    await port.journal.project(key, at(port, 1, { status: "completed", dueAt: null }));
    expect(await port.journal.reschedule(key, { dueAt: 5 })).toBe(false);
    expect(await port.journal.reschedule(key, { dueAt: 5, sequence: 9 })).toBe(false);
    const header = await headerOf(port, run.runId);
    expect(header.dueAt).toBeUndefined();
    expect(header.headerSequence).toBe(1);
    expect(await port.journal.reschedule({ runId: "nobody", inc: "x" }, { dueAt: 5 })).toBe(false);
    expect(await port.journal.header("nobody", { consistent: true })).toBeUndefined();
  });
}

function dueing(test: Test): void {
  test("due answers the runs at or before a time, and follows every move", async (port) => {
    const now = port.clock.now();
    const [a, b, c] = await Promise.all(
      [1, 2, 3].map((offset) => aStoredRun(port, { dueAt: now + offset * 1_000 })),
    );
    const dueIds = async (before: number) =>
      (await port.journal.due(before, 100)).map((row) => row.runId).sort();
    expect(await dueIds(now + 999)).toEqual([]);
    expect(await dueIds(now + 2_000)).toEqual([a!.run.runId, b!.run.runId].sort());
    await port.journal.reschedule(a!.key, { dueAt: now + 10_000 });
    await port.journal.project(b!.key, at(port, 1, { status: "completed", dueAt: null }));
    await port.journal.project(c!.key, at(port, 1, { dueAt: now + 500 }));
    expect(await port.journal.due(now + 5_000, 100)).toEqual([{ runId: c!.run.runId, dueAt: now + 500 }]);
    await port.journal.project(b!.key, at(port, 2, { dueAt: now + 600 }));
    expect(await dueIds(now + 10_000)).toEqual([a!, b!, c!].map((stored) => stored.run.runId).sort());
  });

  test("due answers the earliest first, up to its limit", async (port) => {
    const now = port.clock.now();
    const offsets = [7, 3, 9, 1, 5, 8, 2, 6, 4, 0];
    await Promise.all(offsets.map((offset) => aStoredRun(port, { dueAt: now + offset })));
    const rows = await port.journal.due(now + 60_000, 100);
    expect(rows.map((row) => row.dueAt - now)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect((await port.journal.due(now + 60_000, 3)).map((row) => row.dueAt - now)).toEqual([0, 1, 2]);
  });
}

/** Reads every page; `between` runs after each. */
async function listAll(
  port: Port,
  query: Partial<ListQuery>,
  between?: () => Promise<unknown>,
): Promise<string[]> {
  const runIds: string[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < 100; page++) {
    const more = cursor === undefined ? {} : { cursor };
    const answer = await port.journal.list({ order: "asc", limit: 50, ...query, ...more });
    expect(answer.headers.length).toBeLessThanOrEqual(query.limit ?? 50);
    runIds.push(...answer.headers.map((header) => header.runId));
    cursor = answer.cursor;
    if (cursor === undefined) return runIds;
    await between?.();
  }
  throw new Error("Expected the list to end, got 100 pages and a cursor");
}

/** Twelve runs a second apart, of varied make. */
async function aCollection(port: Port): Promise<NewRun[]> {
  const now = port.clock.now() - 100_000;
  const stored = await Promise.all(
    times(12, (index) =>
      aStoredRun(port, {
        createdAt: now + index * 1_000,
        created: {
          type: "RunCreated",
          workflow: index % 2 === 0 ? "order" : "refund",
          version: 1,
          driver: "code",
          ...(index % 3 === 0 ? { owner: "ann" } : index % 3 === 1 ? { owner: "bob" } : {}),
          tags: index % 4 === 0 ? { shop: "basel", "a.b \"c'": "1", "at:x": "y:z" } : { shop: "bern" },
          ...(index >= 8 ? { parent: { runId: "the-parent", operation: "" } } : {}),
        },
      }),
    ),
  );
  await port.journal.project(stored[1]!.key, at(port, 1, { status: "completed", dueAt: null }));
  await port.journal.project(stored[2]!.key, at(port, 1, { status: "waiting", stalled: true }));
  await port.journal.project(stored[3]!.key, at(port, 1, { status: "waiting" }));
  return stored.map(({ run }) => run);
}

function listing(test: Test): void {
  test("list answers runs by time of creation, both ways, page by page", async (port) => {
    const ids = (await aCollection(port)).map((run) => run.runId);
    expect(await listAll(port, { order: "asc" })).toEqual(ids);
    expect(await listAll(port, { order: "desc", limit: 5 })).toEqual([...ids].reverse());
    expect(await listAll(port, { order: "asc", limit: 1 })).toEqual(ids);
  });

  test("every filter narrows the list, and filters are joined by AND", async (port) => {
    const runs = await aCollection(port);
    const of = (...indexes: number[]) => indexes.map((index) => runs[index]!.runId);
    expect(await listAll(port, { workflow: "refund" })).toEqual(of(1, 3, 5, 7, 9, 11));
    expect(await listAll(port, { owner: "ann", limit: 2, order: "desc" })).toEqual(of(9, 6, 3, 0));
    expect(await listAll(port, { tag: "shop:basel" })).toEqual(of(0, 4, 8));
    expect(await listAll(port, { tag: "a.b \"c':1", order: "desc" })).toEqual(of(8, 4, 0));
    const tagged = ["at:x:y:z", "shop:ba", "x:y:z"].map((tag) => listAll(port, { tag }));
    expect(await Promise.all(tagged)).toEqual([of(0, 4, 8), [], []]);
    expect(await listAll(port, { parent: "the-parent" })).toEqual(of(8, 9, 10, 11));
    expect(await listAll(port, { status: ["completed"] })).toEqual(of(1));
    expect(await listAll(port, { status: ["completed", "waiting"], limit: 1 })).toEqual(of(1, 2, 3));
    expect(await listAll(port, { stalled: true })).toEqual(of(2));
    expect(await listAll(port, { status: ["waiting"], workflow: "refund", owner: "ann" })).toEqual(of(3));
    expect(await listAll(port, { owner: "nobody" })).toEqual([]);
  });

  test("createdAfter and createdBefore bound the list", async (port) => {
    const runs = await aCollection(port);
    const between = { createdAfter: runs[3]!.createdAt + 1, createdBefore: runs[7]!.createdAt - 1 };
    const inside = runs.slice(4, 7).map((run) => run.runId);
    expect(await listAll(port, between)).toEqual(inside);
    expect(await listAll(port, { ...between, order: "desc", limit: 1 })).toEqual([...inside].reverse());
    expect(await listAll(port, { createdAfter: runs[11]!.createdAt + 1 })).toEqual([]);
  });

  for (const order of ["asc", "desc"] as const) {
    test(`a cursor is stable while runs are created, moved and removed (${order})`, async (port) => {
      const runs = await aCollection(port);
      const last = order === "asc" ? runs[11]! : runs[0]!;
      let step = 0;
      const seen = await listAll(port, { order, limit: 3 }, async () => {
        step++;
        await aStoredRun(port, { createdAt: runs[0]!.createdAt - step });
        await aStoredRun(port, { createdAt: runs[11]!.createdAt + step });
        await port.journal.project(last, at(port, step + 1));
        if (step === 1) await port.journal.remove(order === "asc" ? runs[2]! : runs[9]!);
      });
      const known = seen.filter((runId) => runs.some((run) => run.runId === runId));
      expect(new Set(seen).size).toBe(seen.length);
      expect(known).toEqual((order === "asc" ? runs : [...runs].reverse()).map((run) => run.runId));
    });
  }

  test("runs created in the same millisecond are each listed once", async (port) => {
    const createdAt = port.clock.now();
    const stored = await Promise.all(times(9, () => aStoredRun(port, { createdAt })));
    for (const order of ["asc", "desc"] as const) {
      const seen = await listAll(port, { order, limit: 2 });
      expect([...seen].sort()).toEqual(stored.map(({ run }) => run.runId).sort());
    }
  });

  test("list shows the header as it is now", async (port) => {
    const runs = await aCollection(port);
    const { headers } = await port.journal.list({ order: "asc", limit: 50, status: ["completed"] });
    expect(headers[0]).toEqual(await headerOf(port, runs[1]!.runId));
  });
}

function expiring(test: Test): void {
  test("an unexpired run blocks its id, an expired one does not, and leaves nothing behind (4)", async (port) => {
    const runId = freshRunId();
    const now = port.clock.now();
    const first = { runId, createdAt: now - 60_000, dueAt: now - 50_000, expiresAt: now - 5_000, last: 6 };
    const old = await aStoredRun(port, first);
    const { run: next, key } = await aStoredRun(port, { runId, last: 2 });
    const rows = await port.journal.read(runId, { consistent: true });
    expect(rows!.header.inc).toBe(next.inc);
    expect(rows!.entries.map((entry) => entry.sequence)).toEqual([0, 1, 2]);
    expect((await port.journal.tail(key, 2)).entries).toEqual([]);
    expect(await port.journal.append(old.key, anEntry(port.clock, 7), next.expiresAt)).toBeDefined();
    expect(await port.journal.append(key, anEntry(port.clock, 3), next.expiresAt)).toEqual({ stored: true });
    expect(await port.journal.project(old.key, at(port, 50))).toBe(false);
    expect(await port.journal.create(aNewRun(port.clock, { runId }))).toMatchObject({
      created: false,
      own: false,
      existing: { inc: next.inc },
    });
  });

  test("an expired run is as good as gone, whether or not it was deleted (4)", async (port) => {
    const now = port.clock.now();
    const { run } = await aStoredRun(port, {
      createdAt: now - 60_000,
      dueAt: now - 50_000,
      expiresAt: now - 5_000,
    });
    expect(await port.journal.header(run.runId, { consistent: true })).toBeUndefined();
    expect(await port.journal.read(run.runId, { consistent: true })).toBeUndefined();
    expect(await listAll(port, {})).toEqual([]);
  });

  test("of concurrent creates over an expired run exactly one wins (1, 4)", async (port) => {
    const runId = freshRunId();
    const now = port.clock.now();
    await aStoredRun(port, { runId, createdAt: now - 60_000, expiresAt: now - 5_000 });
    const answers = await Promise.all(times(10, () => port.journal.create(aNewRun(port.clock, { runId }))));
    expect(answers.filter((answer) => answer.created)).toHaveLength(1);
  });

  test("extend keeps all of a run's items past their first expiry (J7)", async (port) => {
    const created = { ...aNewRun(port.clock).created, input: { v: noise(3_000) } };
    const expiresAt = port.clock.now() + 2_500;
    const { run, key } = await aStoredRun(port, { created, expiresAt, last: 30 });
    const later = Math.ceil(port.clock.now() / 1000) * 1000 + 86_400_000;
    await port.journal.extend(key, later);
    await port.advance(4_500);
    const rows = await port.journal.read(run.runId, { consistent: true });
    expect(rows!.header.expiresAt).toBe(later);
    expect(rows!.entries).toHaveLength(31);
    expect(rows!.entries[0]!.events[0]).toEqual(created);
  });

  test("extend of another incarnation changes nothing (4)", async (port) => {
    const { run, key } = await aStoredRun(port);
    await port.journal.extend({ ...key, inc: "other" }, run.expiresAt + 86_400_000);
    expect((await headerOf(port, run.runId)).expiresAt).toBe(run.expiresAt);
  });

  for (const [kind, size] of [["small", 10] as const, ["large", 3_000] as const]) {
    test(`a removed run is gone, and its id is free again (${kind} header) (4)`, async (port) => {
      const created = { ...aNewRun(port.clock).created, input: { v: noise(size) } };
      const { run, key } = await aStoredRun(port, { created, last: 30 });
      await port.journal.remove(key);
      expect(await port.journal.read(run.runId, { consistent: true })).toBeUndefined();
      expect((await port.journal.tail(key, -1)).entries).toEqual([]);
      expect(await port.journal.due(run.dueAt, 10)).toEqual([]);
      expect(await listAll(port, {})).toEqual([]);
      await port.journal.append(key, anEntry(port.clock, 31), run.expiresAt);
      const again = await aStoredRun(port, { runId: run.runId, created, last: 1 });
      const rows = await port.journal.read(run.runId, { consistent: true });
      expect(rows!.header.inc).toBe(again.run.inc);
      expect(rows!.entries).toHaveLength(2);
    });
  }

  test("remove of another incarnation, or of nothing, changes nothing (4)", async (port) => {
    const { run, key } = await aStoredRun(port, { last: 2 });
    await port.journal.remove({ ...key, inc: "other" });
    await port.journal.remove({ runId: "nobody", inc: "x" });
    expect((await port.journal.read(run.runId, { consistent: true }))!.entries).toHaveLength(3);
  });
}

function changing(test: Test): void {
  test("changed resolves once there are entries after a sequence", async (port) => {
    const { run, key } = await aStoredRun(port, { last: 2 });
    await port.journal.changed(run.runId, 1, 60_000);
    const before = port.clock.now();
    const waiting = port.journal.changed(run.runId, 2, 60_000);
    await port.journal.append(key, anEntry(port.clock, 3), run.expiresAt);
    const timer = setInterval(() => void port.advance(1_000), 20);
    try {
      await waiting;
    } finally {
      clearInterval(timer);
    }
    expect(port.clock.now() - before).toBeLessThan(30_000);
    expect((await port.journal.tail(key, 2)).entries.map((entry) => entry.sequence)).toEqual([3]);
  });

  test("changed resolves when its time is over", async (port) => {
    const { run } = await aStoredRun(port);
    const before = port.clock.now();
    const waiting = port.journal.changed(run.runId, 0, 300);
    const unknown = port.journal.changed("nobody", -1, 300);
    await port.advance(350);
    await Promise.all([waiting, unknown]);
    expect(port.clock.now() - before).toBeLessThan(5_000);
  });
}

function costing(test: Test): void {
  const writeUnits = (port: Port, work: () => Promise<unknown>) => costOf(port.meter, "writeUnits", work);
  const readUnits = (port: Port, work: () => Promise<unknown>) => costOf(port.meter, "readUnits", work);

  test("a small create costs 3 write units: header, due index, list index", async (port) => {
    expect(await writeUnits(port, () => port.journal.create(aNewRun(port.clock)))).toBe(3);
  });

  test("tags and a parent that started it cost no index of their own", async (port) => {
    const parent = { runId: "the-parent", operation: "c.1" };
    const created = { ...aNewRun(port.clock).created, tags: { shop: "basel" }, parent };
    expect(await writeUnits(port, () => port.journal.create(aNewRun(port.clock, { created })))).toBe(3);
  });

  test("an owner costs a unit for its index, and so does a parent that did not start the run itself", async (port) => {
    const units = (more: Partial<NewRun["created"]>) => {
      const created = { ...aNewRun(port.clock).created, ...more };
      return writeUnits(port, () => port.journal.create(aNewRun(port.clock, { created })));
    };
    const parent = { runId: "the-parent", operation: "" };
    expect(await units({ owner: "ann" })).toBe(4);
    expect(await units({ parent })).toBe(4);
    expect(await units({ owner: "ann", parent })).toBe(5);
  });

  test("a create with a large input costs its own item and the header's 3", async (port) => {
    const created = { ...aNewRun(port.clock).created, input: { v: noise(2_600) } };
    expect(await writeUnits(port, () => port.journal.create(aNewRun(port.clock, { created })))).toBe(6);
  });

  test("an append costs one write unit per KB", async (port) => {
    const { run, key } = await aStoredRun(port);
    const sizes = [
      [10, 1],
      [600, 1],
      [1_700, 2],
      [2_700, 3],
    ] as const;
    for (const [index, [bytes, units]] of sizes.entries()) {
      const entry = anEntry(port.clock, index + 1, [
        { type: "StepCompleted", operation: "o", output: { v: noise(bytes) } },
      ]);
      expect(await writeUnits(port, () => port.journal.append(key, entry, run.expiresAt))).toBe(units);
    }
  });

  test("failed conditional writes cost as writes do", async (port) => {
    const { run, key } = await aStoredRun(port, { last: 1 });
    const rival = aNewRun(port.clock, { runId: run.runId });
    expect(await writeUnits(port, () => port.journal.create(rival))).toBe(1);
    expect(
      await writeUnits(port, () => port.journal.append(key, anEntry(port.clock, 1), run.expiresAt)),
    ).toBe(1);
    expect(await writeUnits(port, () => port.journal.project(key, at(port, 0)))).toBe(1);
    expect(await writeUnits(port, () => port.journal.reschedule(key, { dueAt: 5, from: 6 }))).toBe(1);
  });

  test("a projection costs 1, leaving the due index 2, moving in it 3, staying in its place 1", async (port) => {
    const { run, key } = await aStoredRun(port);
    expect(await writeUnits(port, () => port.journal.project(key, at(port, 1, { status: "waiting" })))).toBe(
      1,
    );
    expect(await writeUnits(port, () => port.journal.project(key, at(port, 2, { dueAt: run.dueAt })))).toBe(
      1,
    );
    expect(
      await writeUnits(port, () => port.journal.project(key, at(port, 3, { dueAt: run.dueAt + 1 }))),
    ).toBe(3);
    expect(await writeUnits(port, () => port.journal.reschedule(key, { dueAt: run.dueAt + 2 }))).toBe(3);
    const finished = at(port, 4, { status: "completed", dueAt: null, finishedAt: run.createdAt + 9 });
    expect(await writeUnits(port, () => port.journal.project(key, finished))).toBe(2);
    expect(await writeUnits(port, () => port.journal.project(key, at(port, 5, { dueAt: run.dueAt })))).toBe(
      2,
    );
  });

  test("a 10-step run costs 16 write units", async (port) => {
    const run = aNewRun(port.clock);
    const units = await writeUnits(port, async () => {
      await port.journal.create(run);
      for (let sequence = 1; sequence <= 11; sequence++) {
        await port.journal.append(run, anEntry(port.clock, sequence), run.expiresAt);
      }
      await port.journal.project(
        run,
        at(port, 11, { status: "completed", dueAt: null, finishedAt: run.createdAt + 9 }),
      );
    });
    expect(units).toBe(16);
    expect(port.meter.drain(run.runId)?.writeUnits).toBe(16);
  });

  test("a small header read costs half a unit, or one when consistent; so does a tail", async (port) => {
    const { run, key } = await aStoredRun(port, { last: 3 });
    expect(await readUnits(port, () => port.journal.header(run.runId))).toBe(0.5);
    expect(await readUnits(port, () => port.journal.header(run.runId, { consistent: true }))).toBe(1);
    expect(await readUnits(port, () => port.journal.tail(key, 0))).toBe(1);
  });

  test("a read costs by what it reads, half when it need not be consistent", async (port) => {
    const { run, key } = await aStoredRun(port);
    for (let sequence = 1; sequence <= 10; sequence++) {
      const events: RunEvent[] = [
        { type: "StepCompleted", operation: "o", output: { v: noise(3_500, sequence) } },
      ];
      await port.journal.append(key, anEntry(port.clock, sequence, events), run.expiresAt);
    }
    const consistent = await readUnits(port, () => port.journal.read(run.runId, { consistent: true }));
    const eventual = await readUnits(port, () => port.journal.read(run.runId));
    expect(consistent).toBeGreaterThanOrEqual(7);
    expect(consistent).toBeLessThanOrEqual(11);
    expect(eventual).toBe(consistent / 2);
  });
}
