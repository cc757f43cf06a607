/**
 * The data file: one SQLite database in WAL mode, held by one process, written by group commit.
 *
 * 1. All writes asked for in one turn of the event loop are one transaction and one fsync, done in the order in
 *    which they were asked for. A promise resolves only once its transaction is on disk.
 * 2. Each write has its own outcome: a `StepfoldError` that it throws before changing anything is its alone. Any
 *    other failure undoes the whole transaction, and all of its writes reject.
 * 3. Reads are synchronous and see only what is committed.
 * 4. The file is locked as long as the process lives, however it ends: the lock is the operating system's.
 */
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { PortError, StepfoldError } from "../../core/errors.ts";
import { APPLICATION_ID, DATA_VERSION, SCHEMA, UPGRADES } from "./schema.ts";

const LOCK_WAIT_MS = 250;
/** A file up to this size is checked as a whole when it is opened, which takes no noticeable time. */
const CHECK_BYTES_MAX = 16 * 1024 * 1024;
const CACHE_KIB = 64 * 1024;
const CHECKPOINT_PAGES = 4_000;

/** SQLite's primary result codes. */
const SQLITE = { busy: 5, locked: 6, corrupt: 11, notADatabase: 26 };

interface Write {
  work: () => unknown;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  value?: unknown;
  error?: StepfoldError;
}

export class Store {
  readonly file: string;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollbackListeners: (() => void)[] = [];
  #writes: Write[] = [];
  #isClosed = false;

  /** Opens the data in `dir`, making it if there is none. Fails with `DataInUse`, `DataTooNew`, `DataUnreadable`. */
  static open(dir: string): Store {
    const file = join(dir, "stepfold.db");
    let db: DatabaseSync | undefined;
    try {
      mkdirSync(dir, { recursive: true });
      db = new DatabaseSync(file, { timeout: LOCK_WAIT_MS });
      prepare(db, file);
      return new Store(db, file);
    } catch (cause) {
      db?.close();
      throw openingError(cause, file);
    }
  }

  private constructor(db: DatabaseSync, file: string) {
    this.#db = db;
    this.file = file;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
  }

  /** The prepared statement of a text, made once. */
  statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** Runs `work` in this turn's transaction; resolves with what it returned once that is on disk. */
  write<Value>(work: () => Value): Promise<Value> {
    return new Promise<Value>((resolve, reject) => {
      if (this.#isClosed) return reject(this.#closed());
      if (this.#writes.length === 0) setImmediate(() => this.#flush());
      this.#writes.push({ work, resolve: resolve as (value: unknown) => void, reject });
    });
  }

  read<Value>(work: () => Value): Value {
    if (this.#isClosed) throw this.#closed();
    try {
      return work();
    } catch (cause) {
      throw this.#failure("Reading", cause);
    }
  }

  /** Calls back when a transaction was undone, so that nothing remembered from inside it is kept. */
  onRollback(listener: () => void): void {
    this.#rollbackListeners.push(listener);
  }

  /** Writes what was asked for, then lets go of the file. */
  close(): void {
    if (this.#isClosed) return;
    this.#flush();
    this.#isClosed = true;
    this.#db.close();
  }

  #flush(): void {
    const writes = this.#writes;
    if (writes.length === 0) return;
    this.#writes = [];
    try {
      this.#begin.run();
      for (const write of writes) attempt(write);
      this.#commit.run();
    } catch (cause) {
      this.#rollback();
      const failure = this.#failure("Writing", cause);
      for (const write of writes) write.reject(failure);
      return;
    }
    for (const write of writes) {
      if (write.error === undefined) write.resolve(write.value);
      else write.reject(write.error);
    }
  }

  #rollback(): void {
    if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
    for (const listener of this.#rollbackListeners) listener();
  }

  #failure(doing: string, cause: unknown): StepfoldError {
    if (cause instanceof StepfoldError) return cause;
    if (isUnreadable(cause)) return dataUnreadable(this.file, cause);
    return new PortError("StoreFailed", `${doing} ${this.file} failed: ${messageOf(cause)}.`, {
      retryable: true,
      cause,
    });
  }

  #closed(): PortError {
    return new PortError("StoreClosed", `Expected ${this.file} to be open, got a call after close.`, {
      retryable: false,
    });
  }
}

function attempt(write: Write): void {
  try {
    write.value = write.work();
  } catch (error) {
    if (!(error instanceof StepfoldError)) throw error;
    write.error = error;
  }
}

/** Locks the file for life, then makes sure that it is ours, whole, and of a version that we know. */
function prepare(db: DatabaseSync, file: string): void {
  db.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT");
  const version = numberOf(db, "PRAGMA user_version");
  const isOurs = numberOf(db, "PRAGMA application_id") === APPLICATION_ID;
  const isNew = !isOurs && version === 0 && numberOf(db, "SELECT count(*) FROM sqlite_schema") === 0;
  if (!isOurs && !isNew) throw dataUnreadable(file, new Error("it is another program's database"));
  if (version > DATA_VERSION) throw dataTooNew(file, version);
  if (statSync(file).size <= CHECK_BYTES_MAX) check(db, file);
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -${CACHE_KIB};
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA temp_store = MEMORY`);
  if (isNew) db.exec(`BEGIN; ${SCHEMA} PRAGMA application_id = ${APPLICATION_ID}; ${SEAL}`);
  else if (version < DATA_VERSION) db.exec(`BEGIN; ${upgrade(version)} ${SEAL}`);
}

const SEAL = `PRAGMA user_version = ${DATA_VERSION}; COMMIT`;

/** What brings a file of an older version to this one, step by step. */
function upgrade(version: number): string {
  const steps = Array.from({ length: DATA_VERSION - version }, (_, index) => UPGRADES[version + index]!);
  return steps.join(" ");
}

function check(db: DatabaseSync, file: string): void {
  const found = Object.values(db.prepare("PRAGMA quick_check(1)").get() ?? {})[0];
  if (found !== "ok") throw dataUnreadable(file, new Error(String(found).replaceAll("\n", " ")));
}

const numberOf = (db: DatabaseSync, sql: string): number =>
  Number(Object.values(db.prepare(sql).get() ?? {})[0]);

function openingError(cause: unknown, file: string): StepfoldError {
  if (cause instanceof StepfoldError) return cause;
  const code = primaryCode(cause);
  if (code !== SQLITE.busy && code !== SQLITE.locked) return dataUnreadable(file, cause);
  return new StepfoldError(
    "DataInUse",
    `Expected ${file} to be free, got a file that another process holds: stop that process, or name another data directory.`,
    { file },
    { cause },
  );
}

function dataTooNew(file: string, version: number): StepfoldError {
  return new StepfoldError(
    "DataTooNew",
    `Expected ${file} to be of data version ${DATA_VERSION} or older, got ${version}: update Stepfold, or name another data directory.`,
    { file, version, versionMax: DATA_VERSION },
  );
}

function dataUnreadable(file: string, cause: unknown): StepfoldError {
  return new StepfoldError(
    "DataUnreadable",
    `Expected ${file} to be a Stepfold data file, got one that cannot be read (${messageOf(cause)}): restore it from a backup, or name another data directory.`,
    { file },
    { cause },
  );
}

const isUnreadable = (cause: unknown): boolean =>
  primaryCode(cause) === SQLITE.corrupt || primaryCode(cause) === SQLITE.notADatabase;

function primaryCode(cause: unknown): number | undefined {
  const code = cause instanceof Error && "errcode" in cause ? cause.errcode : undefined;
  return typeof code === "number" ? code & 0xff : undefined;
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
