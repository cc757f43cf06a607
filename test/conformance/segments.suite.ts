/** What every journal store promises of long runs: the part of the journal's suite about pages and packed entries. */
import { expect } from "vitest";
import type { RunEvent } from "../../shared/core/events.ts";
import { PAGE_ENTRIES_MAX } from "../../shared/core/limits.ts";
import type { RunKey, Segment } from "../../shared/ports/journal.ts";
import { anEntry, aStoredRun, costOf, freshRunId, noise, type Opened } from "../support/ports.ts";

type Port = Opened<"journal">;
type Test = (name: string, body: (port: Port) => Promise<void>) => void;

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

export function paging(test: Test): void {
  test("pages are bounded by entries, and say more (5, 6)", async (port) => {
    const { run, key } = await aStoredRun(port, { last: PAGE_ENTRIES_MAX + 20 });
    const first = (await port.journal.read(run.runId, { consistent: true }))!;
    expect(first.entries.length).toBeLessThanOrEqual(PAGE_ENTRIES_MAX);
    expect(first.more).toBe(true);
    const second = await port.journal.tail(key, first.entries.at(-1)!.sequence);
    const sequences = [...first.entries, ...second.entries].map((entry) => entry.sequence);
    expect(sequences).toEqual(times(PAGE_ENTRIES_MAX + 21, (index) => index));
    expect(second.more).toBe(false);
    const tail = await port.journal.tail(key, 0, { limit: 10 * PAGE_ENTRIES_MAX });
    expect(tail.entries.length).toBeLessThanOrEqual(PAGE_ENTRIES_MAX);
    expect(tail.more).toBe(true);
  });

  test("pages are bounded by bytes, and join without gap (5, 6)", async (port) => {
    const { run, key } = await aStoredRun(port);
    for (let sequence = 1; sequence <= 40; sequence++) {
      const events: RunEvent[] = [
        { type: "StepCompleted", operation: "o", output: { v: noise(240_000, sequence) } },
      ];
      await port.journal.append(key, anEntry(port.clock, sequence, events), run.expiresAt);
    }
    const seen: number[] = [];
    for (let more = true; more; ) {
      const page = await port.journal.tail(key, seen.at(-1) ?? 0);
      expect(page.entries.length).toBeLessThan(40);
      seen.push(...page.entries.map((entry) => entry.sequence));
      more = page.more;
    }
    expect(seen).toEqual(times(40, (index) => index + 1));
  });
}

export function packing(test: Test): void {
  const aSegment = (from: number, to: number, bytes = 40): Segment => ({
    from,
    to,
    bytes: new TextEncoder().encode(noise(bytes, from + to)),
  });
  const put = async (port: Port, key: RunKey, expiresAt: number, ...segments: Segment[]) => {
    for (const segment of segments) await port.journal.putSegment(key, segment, expiresAt);
  };
  const all = async (port: Port, key: RunKey, after = -1): Promise<Segment[]> => {
    const found: Segment[] = [];
    for (let more = true; more; ) {
      const page = await port.journal.segments(key, found.at(-1)?.to ?? after);
      found.push(...page.segments.map((segment) => ({ ...segment, bytes: Uint8Array.from(segment.bytes) })));
      more = page.more;
    }
    return found;
  };

  test("segments come back byte for byte, in order of their ends (7)", async (port) => {
    const { run, key } = await aStoredRun(port, { last: 3 });
    const segments = [aSegment(1, 9), aSegment(5, 12), aSegment(13, 104)];
    await put(port, key, run.expiresAt, segments[2]!, segments[0]!, segments[1]!);
    expect(await all(port, key)).toEqual(segments);
    expect(await all(port, key, 9)).toEqual(segments.slice(1));
    expect(await all(port, key, 104)).toEqual([]);
  });

  test("a segment is put over one that ends at the same entry (7)", async (port) => {
    const { run, key } = await aStoredRun(port);
    await put(port, key, run.expiresAt, aSegment(1, 9), aSegment(4, 9, 60));
    expect(await all(port, key)).toEqual([aSegment(4, 9, 60)]);
  });

  test("segments are no entries: neither reads, lists nor conflicts see them (7)", async (port) => {
    const { run, key, entries } = await aStoredRun(port, { last: 3 });
    await put(port, key, run.expiresAt, aSegment(1, 2), aSegment(3, 4));
    const rows = await port.journal.read(run.runId, { consistent: true });
    expect(rows).toMatchObject({ more: false });
    expect(rows!.entries.slice(1)).toEqual(entries);
    expect(await port.journal.tail(key, 2)).toEqual({ entries: entries.slice(2), more: false });
    expect(await port.journal.append(key, anEntry(port.clock, 4), run.expiresAt)).toEqual({ stored: true });
    const { headers } = await port.journal.list({ order: "asc", limit: 9 });
    expect(headers.map((header) => header.runId)).toEqual([run.runId]);
  });

  test("many large segments come in bounded pages (6)", async (port) => {
    const { run, key } = await aStoredRun(port);
    const segments = Array.from({ length: 20 }, (_, index) =>
      aSegment(index * 10 + 1, index * 10 + 10, 350_000),
    );
    await put(port, key, run.expiresAt, ...segments);
    const first = await port.journal.segments(key, -1);
    expect(first.segments.length).toBeLessThan(20);
    expect(first.more).toBe(true);
    expect(await all(port, key)).toEqual(segments);
  });

  test("another incarnation's segments are never seen (4)", async (port) => {
    const runId = freshRunId();
    const now = port.clock.now();
    const past = { createdAt: now - 60_000, dueAt: now - 50_000, expiresAt: now - 5_000 };
    const old = await aStoredRun(port, { runId, ...past });
    await put(port, old.key, past.expiresAt, aSegment(1, 9));
    const { key } = await aStoredRun(port, { runId });
    expect(await all(port, key)).toEqual([]);
    await port.journal.putSegment(old.key, aSegment(10, 19), past.expiresAt);
    expect(await all(port, key)).toEqual([]);
  });

  test("extend keeps segments past their first expiry (J7)", async (port) => {
    const expiresAt = port.clock.now() + 2_500;
    const { run, key } = await aStoredRun(port, { expiresAt, last: 3 });
    await put(port, key, expiresAt, aSegment(1, 3));
    await port.journal.extend(key, Math.ceil(port.clock.now() / 1000) * 1000 + 86_400_000);
    await port.advance(4_500);
    expect((await port.journal.read(run.runId, { consistent: true }))!.entries).toHaveLength(4);
    expect(await all(port, key)).toEqual([aSegment(1, 3)]);
  });

  test("a removed run's segments are gone (4)", async (port) => {
    const { run, key } = await aStoredRun(port, { last: 3 });
    await put(port, key, run.expiresAt, aSegment(1, 2), aSegment(3, 4));
    await port.journal.remove(key);
    expect(await all(port, key)).toEqual([]);
  });

  test("a segment costs one write unit per KB, and is read by its bytes at half price", async (port) => {
    const { run, key } = await aStoredRun(port);
    const cost = (kind: "writeUnits" | "readUnits", work: () => Promise<unknown>) =>
      costOf(port.meter, kind, work);
    const write = (from: number, bytes: number) =>
      cost("writeUnits", () => port.journal.putSegment(key, aSegment(from, from, bytes), run.expiresAt));
    expect(await write(1, 500)).toBe(1);
    expect(await write(2, 1_700)).toBe(2);
    expect(await cost("readUnits", () => port.journal.segments(key, -1))).toBe(0.5);
    expect(await write(3, 9_000)).toBe(9);
    expect(await cost("readUnits", () => port.journal.segments(key, -1))).toBe(1.5);
    expect(await cost("readUnits", () => port.journal.segments(key, 9))).toBe(0.5);
  });
}
