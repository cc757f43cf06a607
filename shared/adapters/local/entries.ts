/** The `entries` and `segments` tables, by numbered incarnation. Everything here runs inside a read or a write of the store. */
import type { StatementSync } from "node:sqlite";
import type { RunKey, Segment } from "../../ports/journal.ts";
import { pageOf } from "../common/pages.ts";
import type { Store } from "./store.ts";

/** Numbers remembered without asking the table. */
const KNOWN_ROWS_MAX = 20_000;
const SEGMENTS_PER_PAGE = 16;

const nameOf = ({ runId, inc }: RunKey): string => `${runId} ${inc}`;

export class Entries {
  readonly #insert: StatementSync;
  readonly #get: StatementSync;
  readonly #after: StatementSync;
  readonly #units: StatementSync;
  readonly #delete: StatementSync;
  readonly #putSegment: StatementSync;
  readonly #segments: StatementSync;
  readonly #deleteSegments: StatementSync;
  readonly #rowOfRun: StatementSync;
  readonly #rowOfStray: StatementSync;
  readonly #insertStray: StatementSync;
  readonly #deleteStrays: StatementSync;
  readonly #expiredStrays: StatementSync;
  readonly #rows = new Map<string, number>();
  #nextRow: number;

  constructor(store: Store) {
    this.#insert = store.statement("INSERT INTO entries VALUES (?, ?, ?) ON CONFLICT DO NOTHING");
    this.#get = store.statement("SELECT entry FROM entries WHERE row = ? AND sequence = ?");
    this.#after = store.statement(
      "SELECT entry FROM entries WHERE row = ? AND sequence > ? ORDER BY sequence LIMIT ?",
    );
    this.#units = store.statement(`SELECT octet_length(entry) AS bytes FROM entries WHERE row = ?
      UNION ALL SELECT octet_length(packed) AS bytes FROM segments WHERE row = ?`);
    this.#delete = store.statement("DELETE FROM entries WHERE row = ?");
    this.#putSegment = store.statement("INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?)");
    this.#segments = store.statement(
      "SELECT first, last, packed FROM segments WHERE row = ? AND last > ? ORDER BY last LIMIT ?",
    );
    this.#deleteSegments = store.statement("DELETE FROM segments WHERE row = ?");
    this.#rowOfRun = store.statement("SELECT row FROM runs WHERE run_id = ? AND inc = ?");
    this.#rowOfStray = store.statement("SELECT row FROM strays WHERE run_id = ? AND inc = ?");
    this.#insertStray = store.statement("INSERT INTO strays VALUES (?, ?, ?, ?)");
    this.#deleteStrays = store.statement("DELETE FROM strays WHERE row = ?");
    this.#expiredStrays = store.statement(
      "SELECT row, run_id, inc FROM strays WHERE expires_at <= ? LIMIT ?",
    );
    const last = store.statement(`SELECT max(
      coalesce((SELECT max(row) FROM runs), 0),
      coalesce((SELECT max(row) FROM entries), 0),
      coalesce((SELECT max(row) FROM strays), 0)) AS row`);
    this.#nextRow = Number(last.get()?.row) + 1;
    store.onRollback(() => this.#rows.clear());
  }

  /** A number that no incarnation has had. */
  newRow(): number {
    return this.#nextRow++;
  }

  rowOf(key: RunKey): number | undefined {
    const name = nameOf(key);
    const known = this.#rows.get(name);
    if (known !== undefined) return known;
    const found = this.#rowOfRun.get(key.runId, key.inc) ?? this.#rowOfStray.get(key.runId, key.inc);
    if (found === undefined) return undefined;
    if (this.#rows.size >= KNOWN_ROWS_MAX) this.#rows.clear();
    this.#rows.set(name, Number(found.row));
    return Number(found.row);
  }

  /** As `rowOf`, but numbers an incarnation whose header is gone. */
  rowToWrite(key: RunKey, expiresAt: number): number {
    const known = this.rowOf(key);
    if (known !== undefined) return known;
    const row = this.newRow();
    this.#insertStray.run(row, key.runId, key.inc, expiresAt);
    return row;
  }

  /** Puts an entry unless one is there, which is then answered. */
  put(row: number, sequence: number, text: string): string | undefined {
    if (Number(this.#insert.run(row, sequence, text).changes) === 1) return undefined;
    return String(this.#get.get(row, sequence)?.entry);
  }

  /** A page of entries' texts after `after`. */
  after(row: number | undefined, after: number, limit: number): { page: string[]; more: boolean } {
    if (row === undefined) return { page: [], more: false };
    const texts = this.#after.all(row, after, limit + 1).map(({ entry }) => String(entry));
    return pageOf(texts, limit, (text) => text.length);
  }

  putSegment(row: number, { from, to, bytes }: Segment): void {
    this.#putSegment.run(row, to, from, bytes);
  }

  /** A page of the segments that end after `after`. */
  segments(row: number | undefined, after: number): { page: Segment[]; more: boolean } {
    if (row === undefined) return { page: [], more: false };
    const segments = this.#segments.all(row, after, SEGMENTS_PER_PAGE + 1).map(({ first, last, packed }) => ({
      from: Number(first),
      to: Number(last),
      bytes: packed as Uint8Array,
    }));
    return pageOf(segments, SEGMENTS_PER_PAGE, ({ bytes }) => bytes.byteLength);
  }

  /** The bytes of each of an incarnation's entries and segments. */
  sizes(row: number): number[] {
    return this.#units.all(row, row).map(({ bytes }) => Number(bytes));
  }

  deleteAll(row: number): void {
    this.#delete.run(row);
    this.#deleteSegments.run(row);
    this.#deleteStrays.run(row);
    this.#rows.clear();
  }

  expiredStrays(now: number, limit: number): (RunKey & { row: number })[] {
    return this.#expiredStrays
      .all(now, limit)
      .map(({ row, run_id, inc }) => ({ row: Number(row), runId: String(run_id), inc: String(inc) }));
  }
}
