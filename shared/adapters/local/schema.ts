/**
 * The tables of the data file. A change here is a new `DATA_VERSION` and a way from the old one to it.
 *
 * `row` numbers an incarnation of a run, so that entries lie together and their keys are short. Numbers are never
 * used again. `strays` numbers incarnations that were written to after their header was gone: nobody ever sees
 * their entries, which go when they expire.
 */
export const DATA_VERSION = 4;
/** "Stpf": what makes a SQLite file ours. */
export const APPLICATION_ID = 0x53747066;

const SEGMENTS = `
CREATE TABLE segments (
  row INTEGER NOT NULL,
  last INTEGER NOT NULL,
  first INTEGER NOT NULL,
  packed BLOB NOT NULL,
  PRIMARY KEY (row, last)
) WITHOUT ROWID;
`;

const REGISTERS = `
CREATE TABLE registers (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  revision INTEGER NOT NULL
) WITHOUT ROWID;
`;

const CANCEL_REQUESTED = "ALTER TABLE runs ADD COLUMN cancel_requested INTEGER NOT NULL DEFAULT 0;";

/** What makes a file of one version one of the next. */
export const UPGRADES: Record<number, string> = { 1: SEGMENTS, 2: REGISTERS, 3: CANCEL_REQUESTED };

export const SCHEMA = `${SEGMENTS}${REGISTERS}
CREATE TABLE runs (
  row INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL UNIQUE,
  inc TEXT NOT NULL,
  nonce TEXT NOT NULL,
  created TEXT NOT NULL,
  is_split INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  workflow TEXT NOT NULL,
  owner TEXT,
  parent TEXT,
  created_at INTEGER NOT NULL,
  request_hash TEXT NOT NULL,
  status TEXT NOT NULL,
  header_sequence INTEGER NOT NULL,
  due_at INTEGER,
  updated_at INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  wake_at INTEGER,
  stalled INTEGER NOT NULL DEFAULT 0,
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  usage TEXT,
  expires_at INTEGER NOT NULL
);
CREATE INDEX runs_by_creation ON runs (created_at, run_id);
CREATE INDEX runs_by_due ON runs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX runs_by_expiry ON runs (expires_at);
CREATE INDEX runs_by_owner ON runs (owner, created_at, run_id) WHERE owner IS NOT NULL;
CREATE INDEX runs_by_parent ON runs (parent, created_at, run_id) WHERE parent IS NOT NULL;

CREATE TABLE entries (
  row INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  entry TEXT NOT NULL,
  PRIMARY KEY (row, sequence)
) WITHOUT ROWID;

CREATE TABLE strays (
  row INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL,
  inc TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  UNIQUE (run_id, inc)
);

CREATE TABLE messages (
  position INTEGER PRIMARY KEY,
  queue TEXT NOT NULL,
  run_id TEXT NOT NULL,
  body TEXT NOT NULL,
  message_group TEXT,
  id TEXT,
  sent_at INTEGER NOT NULL,
  visible_at INTEGER NOT NULL,
  receive_count INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE dead_letters (
  position INTEGER PRIMARY KEY,
  queue TEXT NOT NULL,
  run_id TEXT NOT NULL,
  body TEXT NOT NULL,
  message_group TEXT,
  id TEXT,
  sent_at INTEGER NOT NULL,
  visible_at INTEGER NOT NULL,
  receive_count INTEGER NOT NULL,
  died_at INTEGER NOT NULL
);

CREATE TABLE sent_ids (
  key TEXT PRIMARY KEY,
  sent_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sent_ids_by_time ON sent_ids (sent_at);

CREATE TABLE schedules (
  name TEXT PRIMARY KEY,
  run_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX schedules_by_time ON schedules (at);
`;
