/** What only the local adapter promises: its data outlives the process, belongs to one, and is refused when unfit. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, open, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LocalPorts, localPorts } from "../../shared/adapters/local/index.ts";
import { Store } from "../../shared/adapters/local/store.ts";
import { StepfoldError } from "../../shared/core/errors.ts";
import { blobPrefix } from "../../shared/core/ids.ts";
import { entriesOf } from "../../shared/engine/load.ts";
import type { Ports } from "../../shared/engine/parts.ts";
import { aNewRun, anEntry, noise } from "../support/builders.ts";
import { aStoredRun, realTime } from "../support/ports.ts";

let dir: string;
const closing: { close(): unknown }[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "stepfold-"));
});
afterEach(async () => {
  for (const opened of closing.splice(0)) await opened.close();
  await rm(dir, { recursive: true, force: true });
});

async function opened(): Promise<LocalPorts> {
  const ports = await localPorts({ dir });
  closing.push(ports);
  return ports;
}

const asCase = (ports: LocalPorts) => ({ ...ports, advance: realTime });
const dataFile = () => join(dir, "stepfold.db");

describe("local data outlives the process", () => {
  it("runs, entries, projections and blobs are there after closing and opening", async () => {
    const before = await opened();
    const { run, key, entries } = await aStoredRun(asCase(before), { last: 12 });
    await before.journal.project(key, { headerSequence: 12, status: "waiting", updatedAt: 5, dueAt: 77 });
    await before.blobs.put("runs/a/b", new TextEncoder().encode("blob"));
    await before.close();
    const after: Ports = await opened();
    const rows = await after.journal.read(run.runId, { consistent: true });
    expect(rows!.entries.slice(1)).toEqual(entries);
    expect(rows!.header).toMatchObject({ status: "waiting", headerSequence: 12, dueAt: 77 });
    expect(await after.journal.due(77, 5)).toEqual([{ runId: run.runId, dueAt: 77 }]);
    expect(new TextDecoder().decode(await after.blobs.get("runs/a/b"))).toBe("blob");
    expect(await after.journal.append(key, anEntry(after.clock, 12), run.expiresAt)).toMatchObject({
      stored: false,
    });
    expect(await after.journal.append(key, anEntry(after.clock, 13), run.expiresAt)).toEqual({
      stored: true,
    });
  });

  it("what was asked for before closing is stored", async () => {
    const before = await opened();
    const run = aNewRun(before.clock);
    const creating = before.journal.create(run);
    await before.close();
    expect(await creating).toMatchObject({ created: true });
    await expect(before.journal.header(run.runId)).rejects.toMatchObject({ code: "StoreClosed" });
    await expect(before.journal.create(run)).rejects.toMatchObject({ code: "StoreClosed" });
    expect(await (await opened()).journal.header(run.runId)).toMatchObject({ inc: run.inc });
  });

  it("messages in flight are visible at once at the next start, with their count; delayed ones stay delayed", async () => {
    const before = await opened();
    await before.queue.send("work", [{ runId: "r", body: "in flight" }]);
    await before.queue.send("work", [{ runId: "r", body: "delayed", delayMs: 60_000 }]);
    const [first] = await before.queue.receive("work", { max: 10, waitMs: 0 });
    expect(first).toMatchObject({ body: "in flight", receiveCount: 1 });
    await before.close();
    const after = await opened();
    const again = await after.queue.receive("work", { max: 10, waitMs: 0 });
    expect(again).toMatchObject([{ body: "in flight", receiveCount: 2, sentAt: first!.sentAt }]);
    expect(after.queue.nextVisibleAt("work")).toBeGreaterThan(after.clock.now() + 50_000);
  });

  it("a FIFO group keeps its order, and a repeated id is still dropped, after a start", async () => {
    const signal = (body: string) => ({ runId: "r", body, group: "g", id: body });
    const before = await opened();
    await before.queue.send("signals", ["a", "b", "c"].map(signal));
    const [a] = await before.queue.receive("signals", { max: 1, waitMs: 0 });
    await before.queue.acknowledge("signals", [a!.receipt]);
    await before.queue.receive("signals", { max: 1, waitMs: 0 });
    await before.close();
    const after = await opened();
    await after.queue.send("signals", ["a", "d", "b"].map(signal));
    const bodies = (await after.queue.receive("signals", { max: 10, waitMs: 0 })).map(
      (message) => message.body,
    );
    expect(bodies).toEqual(["b", "c", "d"]);
  });

  it("a schedule that was due while nobody ran fires at the next start, once", async () => {
    const before = await opened();
    const at = before.clock.now() + 150;
    await before.scheduler.schedule({ runId: "r", name: "n", at, body: "scheduled" });
    await before.close();
    await realTime(200);
    for (const expected of [["scheduled"], []]) {
      const after = await opened();
      const messages = await after.queue.receive("work", { max: 10, waitMs: 300 });
      expect(messages.map((message) => message.body)).toEqual(expected);
      await after.queue.acknowledge(
        "work",
        messages.map((message) => message.receipt),
      );
      await after.close();
    }
  });

  it("dead letters are kept", async () => {
    const before = await opened();
    await before.queue.send("work", [{ runId: "r", body: "poison" }]);
    for (let count = 0; count < 10; count++) {
      const [message] = await before.queue.receive("work", { max: 1, waitMs: 0 });
      await before.queue.release("work", message!.receipt, 0);
    }
    expect(await before.queue.receive("work", { max: 1, waitMs: 0 })).toEqual([]);
    await before.close();
    const after = await opened();
    expect(after.queue.deadLetters("work")).toMatchObject([{ body: "poison", receiveCount: 10 }]);
    expect(after.queue.pendingCount("work")).toBe(0);
  });
});

/** The storing process, what it said so far, and its end by `kill -9`. */
function storingChild(): { child: ChildProcess; lines: string[]; killed: () => Promise<void> } {
  const script = join(import.meta.dirname, "../support/appending-child.ts");
  const child = spawn(process.execPath, [script, dir], { stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  const reading = createInterface({ input: child.stdout! });
  reading.on("line", (line) => lines.push(line));
  const ended = new Promise<void>((resolve) => reading.once("close", resolve));
  const killed = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  return { child, lines, killed };
}

async function until(isReached: () => boolean): Promise<void> {
  for (let round = 0; round < 2_000 && !isReached(); round++) await realTime(10);
  expect(isReached()).toBe(true);
}

describe("after kill -9", () => {
  it("everything that was answered as stored is there, and nothing is torn", async () => {
    for (const linesWanted of [300, 2_000, 6_000]) {
      const { lines, killed } = storingChild();
      await until(() => lines.length >= linesWanted);
      await killed();
      const whole = lines.filter((line) => /^(append \S+ \S+|sent|acknowledged|blob) \S+$/.test(line));
      const after = await opened();
      await expectStored(after, whole);
      await after.close();
      await rm(dir, { recursive: true });
    }
  });
});

async function expectStored(ports: LocalPorts, lines: string[]): Promise<void> {
  const said = (kind: string) =>
    lines.filter((line) => line.startsWith(`${kind} `)).map((line) => line.split(" "));
  const last = new Map<string, number>();
  for (const [, runId, , sequence] of said("append")) last.set(runId!, Number(sequence));
  expect(last.size).toBe(20);
  for (const [runId, sequence] of last) {
    const sequences: number[] = [];
    for await (const entry of entriesOf(ports, runId)) sequences.push(entry.sequence);
    expect(sequences.length).toBeGreaterThan(sequence);
    expect(sequences).toEqual(sequences.map((_, index) => index));
  }
  const acknowledged = new Set(said("acknowledged").map(([, body]) => body));
  const pending = new Set<string>();
  for (;;) {
    const messages = await ports.queue.receive("work", { max: 100, waitMs: 0 });
    if (messages.length === 0) break;
    for (const message of messages) pending.add(message.body);
  }
  expect([...pending].filter((body) => acknowledged.has(body))).toEqual([]);
  const missing = said("sent").filter(([, body]) => !pending.has(body!) && !acknowledged.has(body));
  expect(missing.length).toBeLessThanOrEqual(1); // Acknowledged and stored, but killed before it could say so.
  for (const [, key] of said("blob")) {
    const text = new TextDecoder().decode(await ports.blobs.get(key!));
    expect(text).toBe(noise(50_000, Number(key!.split("/").at(-1)) + 1));
  }
  expect(await readdir(join(dir, "blobs", ".unfinished"))).toEqual([]);
}

describe("one process holds the data", () => {
  it("a second opener is told so, in one line, and disturbs nothing", async () => {
    const ports = await opened();
    const error = await localPorts({ dir }).catch((thrown: unknown) => thrown as StepfoldError);
    expect(error).toMatchObject({ code: "DataInUse" });
    expect((error as StepfoldError).message).not.toContain("\n");
    expect(await ports.journal.create(aNewRun(ports.clock))).toMatchObject({ created: true });
  });

  it("another process's lock counts, and ends with it however it ends", async () => {
    const { lines, killed } = storingChild();
    await until(() => lines.length > 0);
    await expect(localPorts({ dir })).rejects.toMatchObject({ code: "DataInUse" });
    const said = lines.length;
    await until(() => lines.length > said + 100);
    await killed();
    await opened();
  });

  it("a closed one is free", async () => {
    await (await opened()).close();
    await opened();
  });
});

it("data of the version before is brought to this one, with all that it holds", async () => {
  const ports = await opened();
  const { run, key } = await aStoredRun(ports as never, { last: 3 });
  await ports.close();
  const db = new DatabaseSync(dataFile());
  db.exec(
    "DROP TABLE segments; DROP TABLE registers; ALTER TABLE runs DROP COLUMN cancel_requested; PRAGMA user_version = 1",
  );
  db.close();
  const again = await opened();
  expect((await again.journal.read(run.runId))!.entries).toHaveLength(4);
  await again.journal.putSegment(key, { from: 1, to: 3, bytes: new Uint8Array([7]) }, run.expiresAt);
  expect((await again.journal.segments(key, 0)).segments).toHaveLength(1);
});

describe("unfit data is refused", () => {
  it("of a newer version", async () => {
    await (await opened()).close();
    const db = new DatabaseSync(dataFile());
    db.exec("PRAGMA user_version = 99");
    db.close();
    await expect(localPorts({ dir })).rejects.toMatchObject({
      code: "DataTooNew",
      data: { version: 99, versionMax: 4 },
    });
    await expect(localPorts({ dir })).rejects.toMatchObject({ code: "DataTooNew" });
  });

  it("that is no database", async () => {
    await writeFile(dataFile(), "this is a text file, and not a short one ".repeat(100));
    await expect(localPorts({ dir })).rejects.toMatchObject({ code: "DataUnreadable" });
  });

  it("that is another program's database", async () => {
    const db = new DatabaseSync(dataFile());
    db.exec("CREATE TABLE theirs (a)");
    db.close();
    await expect(localPorts({ dir })).rejects.toMatchObject({ code: "DataUnreadable" });
  });

  it("that is damaged inside", async () => {
    const ports = await opened();
    await aStoredRun(asCase(ports), { last: 500 });
    await ports.close();
    const file = await open(dataFile(), "r+");
    const { size } = await file.stat();
    for (let page = 8; page < size / 4096; page++)
      await file.write(Buffer.alloc(600, 0xab), 0, 600, page * 4096);
    await file.close();
    const error = await localPorts({ dir }).catch((thrown: unknown) => thrown as StepfoldError);
    expect(error).toMatchObject({ code: "DataUnreadable" });
    expect((error as StepfoldError).message).not.toContain("\n");
  });

  it("in a place that cannot be a directory", async () => {
    await writeFile(join(dir, "file"), "");
    await expect(localPorts({ dir: join(dir, "file") })).rejects.toMatchObject({ code: "DataUnreadable" });
  });

  it("but an empty file is new data", async () => {
    await writeFile(dataFile(), "");
    const ports = await opened();
    expect(await ports.journal.create(aNewRun(ports.clock))).toMatchObject({ created: true });
  });
});

describe("group commit", () => {
  const openedStore = (): Store => {
    const store = Store.open(dir);
    closing.push(store);
    return store;
  };
  const names = (store: Store) =>
    store.read(() => store.statement("SELECT name FROM schedules ORDER BY at").all());
  const insert = (store: Store, at: number) =>
    store.statement("INSERT INTO schedules VALUES (?, 'r', ?, 'b')").run(`n${at}`, at);

  it("does all of a turn's writes together, in order, after the turn", async () => {
    const store = openedStore();
    const order: number[] = [];
    const writes = [1, 2, 3].map((at) =>
      store.write(() => order.push(Number(insert(store, at).changes) * at)),
    );
    expect(order).toEqual([]);
    expect(names(store)).toEqual([]);
    await writes[0];
    expect(order).toEqual([1, 2, 3]);
    expect(names(store)).toHaveLength(3);
  });

  it("a refusal is its own; the others are stored", async () => {
    const store = openedStore();
    const refuse = () => {
      throw new StepfoldError("Refused", "no");
    };
    const outcomes = await Promise.allSettled([
      store.write(() => insert(store, 1)),
      store.write(refuse),
      store.write(() => insert(store, 2)),
    ]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(outcomes[1]).toMatchObject({ reason: { code: "Refused" } });
    expect(names(store)).toHaveLength(2);
  });

  it("any other failure undoes the whole transaction, and says so to all", async () => {
    const store = openedStore();
    let rolledBack = 0;
    store.onRollback(() => rolledBack++);
    const outcomes = await Promise.allSettled([
      store.write(() => insert(store, 1)),
      store.write(() => insert(store, 1)),
      store.write(() => insert(store, 2)),
    ]);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "StoreFailed", retryable: true } });
    }
    expect(rolledBack).toBe(1);
    expect(names(store)).toEqual([]);
    await store.write(() => insert(store, 3));
    expect(names(store)).toEqual([{ name: "n3" }]);
  });

  it("of appends of one turn to one position the first asked for wins, across kinds of writes", async () => {
    const { journal, queue, scheduler, clock } = await opened();
    const run = aNewRun(clock);
    const [first, second] = [anEntry(clock, 1), anEntry(clock, 1)];
    const outcomes = await Promise.allSettled([
      journal.create(run),
      journal.append(run, first, run.expiresAt),
      scheduler.schedule({ runId: "r", name: "n", at: clock.now() + 60_000, body: "a" }),
      scheduler.schedule({ runId: "r", name: "n", at: clock.now() + 90_000, body: "b" }),
      journal.append(run, second, run.expiresAt),
      journal.project(run, { headerSequence: 1, status: "running", updatedAt: 1 }),
      queue.send("work", [{ runId: "r", body: "after all" }]),
    ]);
    expect(
      outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : outcome.reason)),
    ).toMatchObject([
      { created: true },
      { stored: true },
      undefined,
      { code: "ScheduleConflict" },
      { stored: false, winner: first, own: false },
      true,
      undefined,
    ]);
  });
});

describe("what is over", () => {
  it("expired runs and strays are deleted, with their entries, and nothing else", async () => {
    const ports = await opened();
    const now = ports.clock.now();
    for (let count = 0; count < 7; count++) {
      await aStoredRun(asCase(ports), { createdAt: now - 9_000, expiresAt: now - 1_000, last: 3 });
    }
    const removed = await aStoredRun(asCase(ports), { last: 1 });
    await ports.journal.remove(removed.key);
    await ports.journal.append(removed.key, anEntry(ports.clock, 2), now - 1_000);
    const kept = await aStoredRun(asCase(ports), { last: 3 });
    while ((await ports.journal.deleteExpired(3)).length > 0);
    await ports.close();
    const db = new DatabaseSync(dataFile());
    const count = (table: string) => db.prepare(`SELECT count(*) AS count FROM ${table}`).get();
    expect(count("runs")).toEqual({ count: 1 });
    expect(count("entries")).toEqual({ count: 3 });
    expect(count("strays")).toEqual({ count: 0 });
    db.close();
    expect((await (await opened()).journal.read(kept.run.runId))!.entries).toHaveLength(4);
  });

  it("an expired run's blobs are deleted with it, and no other's", async () => {
    const ports = await opened();
    const now = ports.clock.now();
    const over = await aStoredRun(asCase(ports), { createdAt: now - 9_000, expiresAt: now - 1_000, last: 1 });
    const kept = await aStoredRun(asCase(ports), { last: 1 });
    for (const { key } of [over, kept])
      await ports.blobs.put(`${blobPrefix(key)}one`, new TextEncoder().encode("1"));
    const present = async (prefix: string) =>
      ports.blobs.get(`${prefix}one`).then(
        () => true,
        () => false,
      );
    for (const until = Date.now() + 45_000; Date.now() < until; )
      if (!(await present(blobPrefix(over.key)))) break;
      else await ports.clock.sleep(20);
    expect(await present(blobPrefix(over.key))).toBe(false);
    expect(await present(blobPrefix(kept.key))).toBe(true);
  });

  it("blobs that are removed leave no directories of theirs, and keep those of others", async () => {
    const { blobs } = await opened();
    for (const key of ["runs/a/x/one", "runs/a/x/two", "runs/b/y/one"])
      await blobs.put(key, new Uint8Array(1));
    await blobs.removeAll("runs/a/x/");
    expect((await readdir(join(dir, "blobs"), { recursive: true })).sort()).toEqual([
      ".unfinished",
      "runs@",
      "runs@/b@",
      "runs@/b@/y@",
      "runs@/b@/y@/one",
    ]);
    await blobs.put("runs/a/x/three", new Uint8Array(1));
    expect((await blobs.get("runs/a/x/three")).byteLength).toBe(1);
  });

  it("blobs that a killed process did not finish are cleared away", async () => {
    await (await opened()).close();
    await writeFile(join(dir, "blobs", ".unfinished", "half"), "ha");
    await opened();
    expect(await readdir(join(dir, "blobs", ".unfinished"))).toEqual([]);
  });
});

describe("waking", () => {
  it("a receiver that waits gets a delayed message at its time, without polling", async () => {
    const { queue, clock } = await opened();
    const begin = clock.now();
    await queue.send("work", [{ runId: "r", body: "later", delayMs: 700 }]);
    // Ten minutes: who were only to look again at the end would never be back within the time of a test.
    const messages = await queue.receive("work", { max: 10, waitMs: 600_000 });
    expect(messages).toMatchObject([{ body: "later" }]);
    expect(clock.now() - begin).toBeGreaterThanOrEqual(700);
  });
});
