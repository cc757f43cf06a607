/**
 * The journal store in maps, on a given clock. Entries and headers are kept as JSON text, so that no object is
 * shared between writer and reader. Every call takes effect at once and counts what DynamoDB would bill.
 */

import { comparePlaces, formatCursor, parseCursor } from "../../core/cursor.ts";
import type { Entry } from "../../core/events.ts";
import { hasTag } from "../../core/tags.ts";
import type { Clock } from "../../ports/clock.ts";
import type {
  EntryPage,
  Header,
  JournalStore,
  ListQuery,
  NewRun,
  Projection,
  RunKey,
  RunRows,
  Segment,
} from "../../ports/journal.ts";
import type { Meter } from "../../ports/meter.ts";
import {
  createUnits,
  dueIndexUnits,
  dueReadUnits,
  entryText,
  listReadUnits,
  readUnits,
  segmentBytes,
  writeUnits,
} from "../common/billing.ts";
import { entryZero, newHeader, projected } from "../common/headers.ts";
import { pageLimit, pageOf } from "../common/pages.ts";
import { Watchers } from "../common/watchers.ts";

interface Row {
  /** The header as JSON. */
  text: string;
  bytes: number;
  nonce: string;
  isSplit: boolean;
}

interface StoredEntry {
  text: string;
  bytes: number;
}

const journalName = ({ runId, inc }: RunKey): string => `${runId} ${inc}`;

export class MemoryJournal implements JournalStore {
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #watchers: Watchers;
  readonly #rows = new Map<string, Row>();
  readonly #journals = new Map<string, Map<number, StoredEntry>>();
  readonly #segments = new Map<string, Map<number, Segment>>();

  constructor(clock: Clock, meter: Meter) {
    this.#clock = clock;
    this.#meter = meter;
    this.#watchers = new Watchers(clock);
  }

  async create(
    run: NewRun,
  ): Promise<{ created: true; header: Header } | { created: false; existing: Header; own: boolean }> {
    const { header, bytes, isSplit } = newHeader(run);
    if (isSplit) this.#putEntryZero(run);
    const row = this.#rows.get(run.runId);
    const existing = row === undefined ? undefined : (JSON.parse(row.text) as Header);
    if (row !== undefined && existing !== undefined && existing.expiresAt > this.#clock.now()) {
      this.#meter.count(run.runId, "writeUnits", writeUnits(Math.max(bytes, row.bytes)));
      return { created: false, existing, own: row.nonce === run.nonce };
    }
    if (existing !== undefined) this.#forget(existing);
    this.#rows.set(run.runId, { text: JSON.stringify(header), bytes, nonce: run.nonce, isSplit });
    this.#meter.count(run.runId, "writeUnits", createUnits(bytes, run.created));
    this.#watchers.notify(run.runId);
    return { created: true, header: structuredClone(header) };
  }

  async append(
    key: RunKey,
    entry: Entry,
    _expiresAt: number,
  ): Promise<{ stored: true } | { stored: false; winner: Entry; own: boolean }> {
    const { text, bytes } = entryText(key, entry);
    const winner = this.#put(key, entry.sequence, { text, bytes });
    if (winner === undefined) {
      this.#watchers.notify(key.runId);
      return { stored: true };
    }
    const stored = JSON.parse(winner.text) as Entry;
    return { stored: false, winner: stored, own: stored.nonce === entry.nonce };
  }

  async read(
    runId: string,
    options: { after?: number; consistent?: boolean; limit?: number } = {},
  ): Promise<RunRows | undefined> {
    const { after = -1, consistent = false, limit } = options;
    const header = await this.header(runId, { consistent });
    const row = this.#rows.get(runId);
    if (header === undefined || row === undefined) return undefined;
    const zero = after < 0 && !row.isSplit ? [entryZero({ ...header, nonce: row.nonce })] : [];
    const page = this.#page(header, after, pageLimit(limit) - zero.length, consistent);
    return { header, entries: [...zero, ...page.entries], more: page.more };
  }

  async tail(
    key: RunKey,
    after: number,
    options: { limit?: number; consistent?: boolean } = {},
  ): Promise<EntryPage> {
    return this.#page(key, after, pageLimit(options.limit), options.consistent ?? true);
  }

  async putSegment(key: RunKey, segment: Segment, _expiresAt: number): Promise<void> {
    const name = journalName(key);
    const packed = this.#segments.get(name) ?? new Map<number, Segment>();
    this.#segments.set(name, packed);
    const bytes = Math.max(segmentBytes(key, segment), packed.get(segment.to)?.bytes.byteLength ?? 0);
    packed.set(segment.to, { ...segment, bytes: segment.bytes.slice() });
    this.#meter.count(key.runId, "writeUnits", writeUnits(bytes));
  }

  async segments(key: RunKey, after: number): Promise<{ segments: Segment[]; more: boolean }> {
    const packed = [...(this.#segments.get(journalName(key))?.values() ?? [])]
      .filter(({ to }) => to > after)
      .sort((left, right) => left.to - right.to);
    const { page, more } = pageOf(packed, packed.length, ({ bytes }) => bytes.byteLength);
    const bytes = page.reduce((sum, segment) => sum + segmentBytes(key, segment), 0);
    this.#meter.count(key.runId, "readUnits", readUnits(bytes, false));
    return { segments: page.map((segment) => ({ ...segment, bytes: segment.bytes.slice() })), more };
  }

  async header(runId: string, options: { consistent?: boolean } = {}): Promise<Header | undefined> {
    const row = this.#rows.get(runId);
    this.#meter.count(runId, "readUnits", readUnits(row?.bytes ?? 0, options.consistent ?? false));
    return this.#live(runId);
  }

  async project(key: RunKey, projection: Projection): Promise<boolean> {
    const header = this.#current(key);
    if (header === undefined || header.headerSequence >= projection.headerSequence) return this.#refuse(key);
    this.#update(header, projected(header, projection));
    return true;
  }

  async reschedule(
    key: RunKey,
    change: { dueAt: number; from?: number; sequence?: number },
  ): Promise<boolean> {
    const header = this.#current(key);
    const isDue = header?.dueAt !== undefined && (change.from === undefined || change.from === header.dueAt);
    if (header === undefined || !isDue) return this.#refuse(key);
    const headerSequence = Math.max(header.headerSequence, change.sequence ?? 0);
    this.#update(header, { ...header, dueAt: change.dueAt, headerSequence });
    return true;
  }

  async list(query: ListQuery): Promise<{ headers: Header[]; cursor?: string }> {
    const direction = query.order === "asc" ? 1 : -1;
    const last = query.cursor === undefined ? undefined : parseCursor(query.cursor);
    const matching = [...this.#rows.keys()]
      .map((runId) => this.#live(runId))
      .filter((header): header is Header => header !== undefined && matches(header, query))
      .filter((header) => last === undefined || direction * comparePlaces(header, last) > 0)
      .sort((left, right) => direction * comparePlaces(left, right));
    const headers = matching.slice(0, query.limit);
    this.#meter.count(undefined, "readUnits", listReadUnits(headers.length));
    const end = headers.at(-1);
    return matching.length > headers.length && end ? { headers, cursor: formatCursor(end) } : { headers };
  }

  async due(before: number, limit: number): Promise<{ runId: string; dueAt: number }[]> {
    const rows: { runId: string; dueAt: number }[] = [];
    for (const runId of this.#rows.keys()) {
      const dueAt = this.#live(runId)?.dueAt;
      if (dueAt !== undefined && dueAt <= before) rows.push({ runId, dueAt });
    }
    rows.sort((left, right) => left.dueAt - right.dueAt);
    this.#meter.count(undefined, "readUnits", dueReadUnits(Math.min(rows.length, limit)));
    return rows.slice(0, limit);
  }

  async extend(key: RunKey, expiresAt: number): Promise<void> {
    const header = this.#current(key);
    if (header === undefined) return;
    this.#countAll(key);
    this.#update(header, { ...header, expiresAt });
  }

  async remove(key: RunKey): Promise<void> {
    this.#countAll(key);
    this.#forget(key);
    const header = this.#current(key);
    if (header === undefined) return;
    const bytes = this.#rows.get(key.runId)?.bytes ?? 0;
    const units = createUnits(bytes, header.created) - (header.dueAt === undefined ? 1 : 0);
    this.#meter.count(key.runId, "writeUnits", units);
    this.#rows.delete(key.runId);
  }

  async changed(runId: string, after: number, withinMs: number): Promise<void> {
    const header = this.#live(runId);
    const has = header !== undefined && (after < 0 || this.#after(header, after).length > 0);
    if (!has) await this.#watchers.wait(runId, withinMs);
  }

  #live(runId: string): Header | undefined {
    const row = this.#rows.get(runId);
    if (row === undefined) return undefined;
    const header = JSON.parse(row.text) as Header;
    return header.expiresAt > this.#clock.now() ? header : undefined;
  }

  #current(key: RunKey): Header | undefined {
    const row = this.#rows.get(key.runId);
    const header = row === undefined ? undefined : (JSON.parse(row.text) as Header);
    return header?.inc === key.inc ? header : undefined;
  }

  #update(header: Header, next: Header): void {
    const row = this.#rows.get(header.runId)!;
    row.text = JSON.stringify(next);
    const units = writeUnits(row.bytes) + dueIndexUnits(header.dueAt, next.dueAt);
    this.#meter.count(header.runId, "writeUnits", units);
  }

  #refuse(key: RunKey): false {
    this.#meter.count(key.runId, "writeUnits", writeUnits(this.#rows.get(key.runId)?.bytes ?? 0));
    return false;
  }

  #putEntryZero(run: NewRun): void {
    this.#put(run, 0, entryText(run, entryZero(run)));
  }

  /** Puts an entry unless one is there, which is then answered. */
  #put(key: RunKey, sequence: number, entry: StoredEntry): StoredEntry | undefined {
    const name = journalName(key);
    let journal = this.#journals.get(name);
    if (journal === undefined) {
      journal = new Map();
      this.#journals.set(name, journal);
    }
    const existing = journal.get(sequence);
    if (existing === undefined) journal.set(sequence, entry);
    this.#meter.count(key.runId, "writeUnits", writeUnits(Math.max(entry.bytes, existing?.bytes ?? 0)));
    return existing;
  }

  #after(key: RunKey, after: number): StoredEntry[] {
    const journal = this.#journals.get(journalName(key)) ?? new Map<number, StoredEntry>();
    const sequences = [...journal.keys()]
      .filter((sequence) => sequence > after)
      .sort((left, right) => left - right);
    return sequences.map((sequence) => journal.get(sequence)!);
  }

  #page(key: RunKey, after: number, limit: number, isConsistent: boolean): EntryPage {
    const { page, more } = pageOf(this.#after(key, after), limit, ({ bytes }) => bytes);
    const bytes = page.reduce((sum, entry) => sum + entry.bytes, 0);
    this.#meter.count(key.runId, "readUnits", readUnits(bytes, isConsistent));
    return { entries: page.map((entry) => JSON.parse(entry.text) as Entry), more };
  }

  /** A write of each of a run's items but its header. */
  #countAll(key: RunKey): void {
    const segments = [...(this.#segments.get(journalName(key))?.values() ?? [])];
    const sizes = segments.map((segment) => segmentBytes(key, segment));
    for (const bytes of [...this.#after(key, -1).map((entry) => entry.bytes), ...sizes])
      this.#meter.count(key.runId, "writeUnits", writeUnits(bytes));
  }

  #forget(key: RunKey): void {
    this.#journals.delete(journalName(key));
    this.#segments.delete(journalName(key));
  }
}

function matches(header: Header, query: ListQuery): boolean {
  const { created, createdAt } = header;
  return (
    (query.status === undefined || query.status.includes(header.status)) &&
    (query.workflow === undefined || created.workflow === query.workflow) &&
    (query.owner === undefined || created.owner === query.owner) &&
    (query.tag === undefined || hasTag(created.tags, query.tag)) &&
    // Runs that work on a run's maps are listed with it only.
    (query.parent === undefined ? created.node === undefined : created.parent?.runId === query.parent) &&
    (query.stalled === undefined || (header.stalled ?? false) === query.stalled) &&
    (query.createdAfter === undefined || createdAt > query.createdAfter) &&
    (query.createdBefore === undefined || createdAt < query.createdBefore)
  );
}
