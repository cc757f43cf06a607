/**
 * The journal store on the data file. Conditions are looked at inside the transaction that writes, so what they saw
 * is what they changed; answers are given after the commit. It counts what DynamoDB would bill.
 */

import { formatCursor } from "../../core/cursor.ts";
import type { Entry } from "../../core/events.ts";
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
  entryBytes,
  entryText,
  listReadUnits,
  readUnits,
  segmentBytes,
  writeUnits,
} from "../common/billing.ts";
import { entryZero, newHeader, projected } from "../common/headers.ts";
import { pageLimit } from "../common/pages.ts";
import { Watchers } from "../common/watchers.ts";
import { Entries } from "./entries.ts";
import { Runs, type StoredRun } from "./runs.ts";
import type { Store } from "./store.ts";

export class LocalJournal implements JournalStore {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #runs: Runs;
  readonly #entries: Entries;
  readonly #watchers: Watchers;

  constructor(store: Store, clock: Clock, meter: Meter) {
    this.#store = store;
    this.#clock = clock;
    this.#meter = meter;
    this.#runs = new Runs(store);
    this.#entries = new Entries(store);
    this.#watchers = new Watchers(clock);
  }

  async create(
    run: NewRun,
  ): Promise<{ created: true; header: Header } | { created: false; existing: Header; own: boolean }> {
    const made = newHeader(run);
    const zero = made.isSplit ? entryText(run, entryZero(run)) : undefined;
    const existing = await this.#store.write(() => {
      const present = this.#runs.get(run.runId);
      if (present !== undefined && this.#isLive(present)) return present;
      if (present !== undefined) this.#deleteRow(present.row);
      const row = this.#entries.newRow();
      this.#runs.insert(row, run, made);
      if (zero !== undefined) this.#entries.put(row, 0, zero.text);
      return undefined;
    });
    if (zero !== undefined) this.#countWrite(run.runId, zero.bytes);
    if (existing !== undefined) {
      this.#countWrite(run.runId, Math.max(made.bytes, existing.bytes));
      return { created: false, existing: existing.header, own: existing.nonce === run.nonce };
    }
    this.#meter.count(run.runId, "writeUnits", createUnits(made.bytes, run.created));
    this.#watchers.notify(run.runId);
    return { created: true, header: made.header };
  }

  async append(
    key: RunKey,
    entry: Entry,
    expiresAt: number,
  ): Promise<{ stored: true } | { stored: false; winner: Entry; own: boolean }> {
    const { sequence, nonce } = entry;
    const { text, bytes } = entryText(key, entry);
    const winner = await this.#store.write(() =>
      this.#entries.put(this.#entries.rowToWrite(key, expiresAt), sequence, text),
    );
    if (winner === undefined) {
      this.#countWrite(key.runId, bytes);
      this.#watchers.notify(key.runId);
      return { stored: true };
    }
    this.#countWrite(key.runId, Math.max(bytes, entryBytes(key.runId, winner)));
    const stored = JSON.parse(winner) as Entry;
    return { stored: false, winner: stored, own: stored.nonce === nonce };
  }

  async read(
    runId: string,
    options: { after?: number; consistent?: boolean; limit?: number } = {},
  ): Promise<RunRows | undefined> {
    const { after = -1, consistent = false, limit } = options;
    const run = this.#readHeader(runId, consistent);
    if (run === undefined) return undefined;
    const { header, row, nonce } = run;
    const zero = after < 0 && !run.isSplit ? [entryZero({ ...header, nonce })] : [];
    const page = this.#page(runId, row, after, pageLimit(limit) - zero.length, consistent);
    return { header, entries: [...zero, ...page.entries], more: page.more };
  }

  async tail(
    key: RunKey,
    after: number,
    options: { limit?: number; consistent?: boolean } = {},
  ): Promise<EntryPage> {
    const { limit, consistent = true } = options;
    return this.#page(key.runId, this.#rowOf(key), after, pageLimit(limit), consistent);
  }

  async putSegment(key: RunKey, segment: Segment, _expiresAt: number): Promise<void> {
    await this.#store.write(() => {
      const row = this.#entries.rowOf(key);
      if (row !== undefined) this.#entries.putSegment(row, segment);
    });
    this.#countWrite(key.runId, segmentBytes(key, segment));
  }

  async segments(key: RunKey, after: number): Promise<{ segments: Segment[]; more: boolean }> {
    const { page, more } = this.#store.read(() => this.#entries.segments(this.#entries.rowOf(key), after));
    const bytes = page.reduce((sum, segment) => sum + segmentBytes(key, segment), 0);
    this.#meter.count(key.runId, "readUnits", readUnits(bytes, false));
    return { segments: page, more };
  }

  async header(runId: string, options: { consistent?: boolean } = {}): Promise<Header | undefined> {
    return this.#readHeader(runId, options.consistent ?? false)?.header;
  }

  project(key: RunKey, projection: Projection): Promise<boolean> {
    return this.#change(key, (header) =>
      header.headerSequence >= projection.headerSequence ? undefined : projected(header, projection),
    );
  }

  reschedule(key: RunKey, change: { dueAt: number; from?: number; sequence?: number }): Promise<boolean> {
    return this.#change(key, (header) => {
      const isDue = header.dueAt !== undefined && (change.from === undefined || change.from === header.dueAt);
      if (!isDue) return undefined;
      const headerSequence = Math.max(header.headerSequence, change.sequence ?? 0);
      return { ...header, dueAt: change.dueAt, headerSequence };
    });
  }

  async list(query: ListQuery): Promise<{ headers: Header[]; cursor?: string }> {
    const found = this.#store.read(() => this.#runs.list(query, this.#clock.now(), query.limit + 1));
    const headers = found.slice(0, query.limit);
    this.#meter.count(undefined, "readUnits", listReadUnits(headers.length));
    const end = headers.at(-1);
    return found.length > headers.length && end ? { headers, cursor: formatCursor(end) } : { headers };
  }

  async due(before: number, limit: number): Promise<{ runId: string; dueAt: number }[]> {
    const rows = this.#store.read(() => this.#runs.due(before, this.#clock.now(), limit));
    this.#meter.count(undefined, "readUnits", dueReadUnits(rows.length));
    return rows;
  }

  async extend(key: RunKey, expiresAt: number): Promise<void> {
    const sizes = this.#store.read(() => this.#entrySizes(key));
    const isExtended = await this.#change(key, (header) => ({ ...header, expiresAt }));
    if (isExtended) for (const size of sizes) this.#countWrite(key.runId, size);
  }

  async remove(key: RunKey): Promise<void> {
    const removed = await this.#store.write(() => {
      const sizes = this.#entrySizes(key);
      const run = this.#runs.get(key.runId);
      const row = this.#entries.rowOf(key);
      if (row !== undefined) this.#deleteRow(row);
      return { sizes, run: run?.header.inc === key.inc ? run : undefined };
    });
    for (const size of removed.sizes) this.#countWrite(key.runId, size);
    if (removed.run === undefined) return;
    const { bytes, header } = removed.run;
    const units = createUnits(bytes, header.created) - (header.dueAt === undefined ? 1 : 0);
    this.#meter.count(key.runId, "writeUnits", units);
  }

  async changed(runId: string, after: number, withinMs: number): Promise<void> {
    const has = this.#store.read(() => {
      const run = this.#runs.get(runId);
      if (run === undefined || !this.#isLive(run)) return false;
      return after < 0 || this.#entries.after(run.row, after, 1).page.length > 0;
    });
    if (!has) await this.#watchers.wait(runId, withinMs);
  }

  /** Deletes some of what has expired; answers which runs it was, up to `limit` of each kind. */
  async deleteExpired(limit: number): Promise<RunKey[]> {
    const now = this.#clock.now();
    const find = () => [...this.#runs.expired(now, limit), ...this.#entries.expiredStrays(now, limit)];
    if (this.#store.read(find).length === 0) return [];
    return this.#store.write(() => {
      const rows = find();
      for (const { row } of rows) this.#deleteRow(row);
      return rows;
    });
  }

  /** Ends every wait for a change. */
  close(): void {
    this.#watchers.close();
  }

  #isLive(run: StoredRun): boolean {
    return run.header.expiresAt > this.#clock.now();
  }

  #readHeader(runId: string, isConsistent: boolean): StoredRun | undefined {
    const run = this.#store.read(() => this.#runs.get(runId));
    this.#meter.count(runId, "readUnits", readUnits(run?.bytes ?? 0, isConsistent));
    return run !== undefined && this.#isLive(run) ? run : undefined;
  }

  /** Makes a header what `decide` says, or refuses. */
  async #change(key: RunKey, decide: (header: Header) => Header | undefined): Promise<boolean> {
    const { bytes, before, after } = await this.#store.write(() => {
      const run = this.#runs.get(key.runId);
      const current = run?.header.inc === key.inc ? run : undefined;
      const next = current === undefined ? undefined : decide(current.header);
      if (current !== undefined && next !== undefined) this.#runs.update(current.row, next);
      return { bytes: run?.bytes ?? 0, before: current?.header, after: next };
    });
    this.#countWrite(key.runId, bytes);
    if (after === undefined) return false;
    this.#meter.count(key.runId, "writeUnits", dueIndexUnits(before?.dueAt, after.dueAt));
    return true;
  }

  #deleteRow(row: number): void {
    this.#runs.delete(row);
    this.#entries.deleteAll(row);
  }

  #entrySizes(key: RunKey): number[] {
    const row = this.#entries.rowOf(key);
    return row === undefined
      ? []
      : this.#entries.sizes(row).map((bytes) => bytes + entryBytes(key.runId, ""));
  }

  #countWrite(runId: string, bytes: number): void {
    this.#meter.count(runId, "writeUnits", writeUnits(bytes));
  }

  #rowOf(key: RunKey): number | undefined {
    return this.#store.read(() => this.#entries.rowOf(key));
  }

  #page(
    runId: string,
    row: number | undefined,
    after: number,
    limit: number,
    isConsistent: boolean,
  ): EntryPage {
    const { page, more } = this.#store.read(() => this.#entries.after(row, after, limit));
    const bytes = page.reduce((sum, text) => sum + entryBytes(runId, text), 0);
    this.#meter.count(runId, "readUnits", readUnits(bytes, isConsistent));
    return { entries: page.map((text) => JSON.parse(text) as Entry), more };
  }
}
