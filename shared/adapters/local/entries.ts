/** The `entries` table, by numbered incarnation. Everything here runs inside a read or a write of the store. */
import type { StatementSync } from "node:sqlite";
import type { RunKey } from "../../ports/journal.ts";
import type { Store } from "./store.ts";

/** Numbers remembered without asking the table. */
const KNOWN_ROWS_MAX = 20_000;

const nameOf = ({ runId, inc }: RunKey): string => `${runId} ${inc}`;

export class Entries {
  readonly #insert: StatementSync;
  readonly #get: StatementSync;
  readonly #after: StatementSync;
  readonly #units: StatementSync;
  readonly #delete: StatementSync;
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
    this.#units = store.statement("SELECT octet_length(entry) AS bytes FROM entries WHERE row = ?");
    this.#delete = store.statement("DELETE FROM entries WHERE row = ?");
    this.#rowOfRun = store.statement("SELECT row FROM runs WHERE run_id = ? AND inc = ?");
    this.#rowOfStray = store.statement("SELECT row FROM strays WHERE run_id = ? AND inc = ?");
    this.#insertStray = store.statement("INSERT INTO strays VALUES (?, ?, ?, ?)");
    this.#deleteStrays = store.statement("DELETE FROM strays WHERE row = ?");
    this.#expiredStrays = store.statement("SELECT row FROM strays WHERE expires_at <= ? LIMIT ?");
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

  after(row: number | undefined, after: number, limit: number): string[] {
    if (row === undefined) return [];
    return this.#after.all(row, after, limit).map(({ entry }) => String(entry));
  }

  sizes(row: number): number[] {
    return this.#units.all(row).map(({ bytes }) => Number(bytes));
  }

  deleteAll(row: number): void {
    this.#delete.run(row);
    this.#deleteStrays.run(row);
    this.#rows.clear();
  }

  expiredStrays(now: number, limit: number): number[] {
    return this.#expiredStrays.all(now, limit).map(({ row }) => Number(row));
  }
}
