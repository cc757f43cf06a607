/** The `runs` table: headers as rows. Everything here runs inside a read or a write of the store. */
import type { StatementSync } from "node:sqlite";
import { parseCursor } from "../../core/cursor.ts";
import type { RunCreated, RunStatus, Usage } from "../../core/events.ts";
import type { Header, ListQuery, NewRun, RunKey } from "../../ports/journal.ts";
import type { MadeHeader } from "../common/headers.ts";
import type { Store } from "./store.ts";

interface RunColumns {
  row: number;
  run_id: string;
  inc: string;
  nonce: string;
  created: string;
  is_split: number;
  bytes: number;
  created_at: number;
  request_hash: string;
  status: RunStatus;
  header_sequence: number;
  due_at: number | null;
  updated_at: number;
  started_at: number | null;
  finished_at: number | null;
  wake_at: number | null;
  stalled: number;
  cancel_requested: number;
  usage: string | null;
  expires_at: number;
}

/** A header with what only the store knows of it. */
export interface StoredRun {
  row: number;
  header: Header;
  nonce: string;
  bytes: number;
  isSplit: boolean;
}

const COLUMNS = `row, run_id, inc, nonce, created, is_split, bytes, created_at, request_hash, status, header_sequence,
  due_at, updated_at, started_at, finished_at, wake_at, stalled, cancel_requested, usage,
  expires_at`;

export class Runs {
  readonly #store: Store;
  readonly #byId: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  readonly #due: StatementSync;
  readonly #expired: StatementSync;

  constructor(store: Store) {
    this.#store = store;
    this.#byId = store.statement(`SELECT ${COLUMNS} FROM runs WHERE run_id = ?`);
    this.#insert =
      store.statement(`INSERT INTO runs (row, run_id, inc, nonce, created, is_split, bytes, workflow, owner,
      parent, created_at, request_hash, status, started_at, cancel_requested, header_sequence, due_at, updated_at, expires_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)`);
    this.#update =
      store.statement(`UPDATE runs SET status = ?, header_sequence = ?, due_at = ?, updated_at = ?,
      started_at = ?, finished_at = ?, wake_at = ?, stalled = ?, cancel_requested = ?, usage = ?, expires_at = ? WHERE row = ?`);
    this.#delete = store.statement("DELETE FROM runs WHERE row = ?");
    this.#due = store.statement(`SELECT run_id AS runId, due_at AS dueAt FROM runs
      WHERE due_at <= ? AND expires_at > ? ORDER BY due_at LIMIT ?`);
    this.#expired = store.statement("SELECT row, run_id, inc FROM runs WHERE expires_at <= ? LIMIT ?");
  }

  get(runId: string): StoredRun | undefined {
    const columns = this.#byId.get(runId) as unknown as RunColumns | undefined;
    return columns === undefined ? undefined : storedRun(columns);
  }

  insert(row: number, run: NewRun, made: MadeHeader): void {
    const { created } = made.header;
    this.#insert.run(
      row,
      run.runId,
      run.inc,
      run.nonce,
      made.text,
      made.isSplit ? 1 : 0,
      made.bytes,
      created.workflow,
      created.owner ?? null,
      created.parent?.runId ?? null,
      run.createdAt,
      run.requestHash,
      run.status ?? "pending",
      run.status === "running" ? run.createdAt : null,
      run.cancelRequested === true ? 1 : 0,
      run.dueAt,
      run.createdAt,
      run.expiresAt,
    );
  }

  update(row: number, header: Header): void {
    this.#update.run(
      header.status,
      header.headerSequence,
      header.dueAt ?? null,
      header.updatedAt,
      header.startedAt ?? null,
      header.finishedAt ?? null,
      header.wakeAt ?? null,
      header.stalled === true ? 1 : 0,
      header.cancelRequested === true ? 1 : 0,
      header.usage === undefined ? null : JSON.stringify(header.usage),
      header.expiresAt,
      row,
    );
  }

  delete(row: number): void {
    this.#delete.run(row);
  }

  due(before: number, now: number, limit: number): { runId: string; dueAt: number }[] {
    const rows = this.#due.all(before, now, limit) as unknown as { runId: string; dueAt: number }[];
    return rows.map(({ runId, dueAt }) => ({ runId, dueAt }));
  }

  expired(now: number, limit: number): (RunKey & { row: number })[] {
    return this.#expired
      .all(now, limit)
      .map(({ row, run_id, inc }) => ({ row: Number(row), runId: String(run_id), inc: String(inc) }));
  }

  /** Up to `limit` headers that match a query, in its order. */
  list(query: ListQuery, now: number, limit: number): Header[] {
    const { where, values } = conditionsOf(query, now);
    const order = query.order === "asc" ? "ASC" : "DESC";
    const sql = `SELECT ${COLUMNS} FROM runs WHERE ${where.join(" AND ")}
      ORDER BY created_at ${order}, run_id ${order} LIMIT ?`;
    const rows = this.#store.statement(sql).all(...values, limit) as unknown as RunColumns[];
    return rows.map((columns) => storedRun(columns).header);
  }
}

function conditionsOf(query: ListQuery, now: number): { where: string[]; values: (string | number)[] } {
  const where: string[] = [];
  const values: (string | number)[] = [];
  const add = (condition: string, ...bound: (string | number)[]) => {
    where.push(condition);
    values.push(...bound);
  };
  add("expires_at > ?", now);
  if (query.status !== undefined)
    add("status IN (SELECT value FROM json_each(?))", JSON.stringify(query.status));
  if (query.workflow !== undefined) add("workflow = ?", query.workflow);
  if (query.owner !== undefined) add("owner = ?", query.owner);
  if (query.parent !== undefined) add("parent = ?", query.parent);
  // Runs that work on a run's maps are listed with it only.
  else add("json_extract(created, '$.node') IS NULL");
  if (query.stalled !== undefined) add("stalled = ?", query.stalled ? 1 : 0);
  if (query.createdAfter !== undefined) add("created_at > ?", query.createdAfter);
  if (query.createdBefore !== undefined) add("created_at < ?", query.createdBefore);
  if (query.tag !== undefined) {
    const isTagged =
      "EXISTS (SELECT 1 FROM json_each(created, '$.tags') AS tag WHERE tag.key || ':' || tag.value = ?)";
    add(isTagged, query.tag);
  }
  if (query.cursor !== undefined) {
    const last = parseCursor(query.cursor);
    add(`(created_at, run_id) ${query.order === "asc" ? ">" : "<"} (?, ?)`, last.createdAt, last.runId);
  }
  return { where, values };
}

function storedRun(columns: RunColumns): StoredRun {
  const header: Header = {
    runId: columns.run_id,
    inc: columns.inc,
    created: JSON.parse(columns.created) as RunCreated,
    createdAt: columns.created_at,
    requestHash: columns.request_hash,
    status: columns.status,
    headerSequence: columns.header_sequence,
    updatedAt: columns.updated_at,
    expiresAt: columns.expires_at,
  };
  if (columns.due_at !== null) header.dueAt = columns.due_at;
  if (columns.started_at !== null) header.startedAt = columns.started_at;
  if (columns.finished_at !== null) header.finishedAt = columns.finished_at;
  if (columns.wake_at !== null) header.wakeAt = columns.wake_at;
  if (columns.stalled === 1) header.stalled = true;
  if (columns.cancel_requested === 1) header.cancelRequested = true;
  if (columns.usage !== null) header.usage = JSON.parse(columns.usage) as Usage;
  const { row, nonce, bytes } = columns;
  return { row, header, nonce, bytes, isSplit: columns.is_split === 1 };
}
