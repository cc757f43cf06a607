/**
 * The journal store: runs as rows. It appends, reads, projects and lists; it decides nothing.
 *
 * 1. `append` and `create` are single conditional writes: of any number of writers of one position, exactly one
 *    is told `stored`, and every other is told the winner, without a further read (J2, J3). A write that had
 *    succeeded but whose answer was lost shows up as a winner with the writer's own nonce.
 * 2. What was answered `stored` is durable, and a consistent read sees it.
 * 3. `project` and `hasten` only ever move a header forwards (J1); a refused one answers false.
 * 4. Nothing left over from an earlier incarnation of a run id is ever returned (`inc`).
 * 5. Transient faults and throttling are retried inside with jitter; what still fails is a `PortError` that says
 *    what was being done to which run. It never answers with part of what was asked for, unless it says `more`.
 * 6. Reads come in pages, of a bounded number of entries and of bytes: nothing reads a whole journal at once.
 * 7. Segments are copies of entries, never the only place of one: a store may lose them, and answer old ones.
 * It does not know what events mean, nor what a segment's bytes hold, and does not store blobs.
 */
import type { Entry, FinishedStatus, RunCreated, RunStatus, Usage } from "../core/events.ts";

/** A run's identity: the id that its user knows and the incarnation drawn at its creation. */
export interface RunKey {
  runId: string;
  inc: string;
}

/** The header: event 0 and the projection that lists and the sweep use. Times are epoch milliseconds. */
export interface Header extends RunKey {
  created: RunCreated;
  createdAt: number;
  /** Hash of the whole start request: the same id with another hash is another request. */
  requestHash: string;
  status: RunStatus;
  /** The sequence of the entry that this projection shows. */
  headerSequence: number;
  /** A lower bound of when the sweep should look at the run; absent once it is finished and its effects are done. */
  dueAt?: number;
  updatedAt: number;
  startedAt?: number;
  finishedAt?: number;
  wakeAt?: number;
  stalled?: boolean;
  /** It was asked to end, since it began or was last redriven. */
  cancelRequested?: boolean;
  /** When every item of the run expires (J7). */
  expiresAt: number;
  /** What the run used up after its last entry. */
  usage?: Usage;
}

export interface NewRun extends RunKey {
  created: RunCreated;
  createdAt: number;
  requestHash: string;
  nonce: string;
  /** Given for a run that has begun already, elsewhere: by default it is `pending`. */
  status?: "running";
  /** Given for a run that is to end as soon as it begins. */
  cancelRequested?: true;
  dueAt: number;
  expiresAt: number;
}

/** What a header becomes. A field that is absent keeps its value; `dueAt: null` leaves the due index. */
export interface Projection {
  headerSequence: number;
  status: RunStatus;
  updatedAt: number;
  dueAt?: number | null;
  startedAt?: number;
  finishedAt?: number | null;
  wakeAt?: number | null;
  stalled?: boolean;
  cancelRequested?: boolean;
  usage?: Usage;
}

export interface RunRows {
  header: Header;
  /** In order of sequence. Entry 0 is always included when reading from the start, wherever it is stored. */
  entries: Entry[];
  /** The page is full: read on after the last entry. */
  more: boolean;
}

/** Some entries in order. With `more`, the page is full: read on after the last one. */
export interface EntryPage {
  entries: Entry[];
  more: boolean;
}

/** Entries `from` to `to` in one piece, packed by whoever reads it again. */
export interface Segment {
  from: number;
  to: number;
  bytes: Uint8Array;
}

export interface ListQuery {
  order: "asc" | "desc";
  limit: number;
  cursor?: string;
  status?: RunStatus[];
  workflow?: string;
  owner?: string;
  /** `key:value`. */
  tag?: string;
  parent?: string;
  stalled?: boolean;
  createdAfter?: number;
  createdBefore?: number;
}

export interface JournalStore {
  /** Puts the header, unless an unexpired run of that id exists, which is then answered. A header above 1 KB keeps
   * what it was given at its start in an entry 0 of its own, put first. `existing.created` may then lack `input`. */
  create(
    run: NewRun,
  ): Promise<{ created: true; header: Header } | { created: false; existing: Header; own: boolean }>;

  /** Puts one entry at its sequence, if nothing is there. `own` tells that the winner carries this entry's nonce. */
  append(
    key: RunKey,
    entry: Entry,
    expiresAt: number,
  ): Promise<{ stored: true } | { stored: false; winner: Entry; own: boolean }>;

  /** The header and the entries after sequence `after` (default -1: all), or `undefined` for an unknown run. With
   * `after` ≥ 0 the caller passes the `inc` that it knows, and the header may be left out of what is read from the
   * store (it is then the one given, or refreshed: adapters may do either). `limit` bounds the entries; a page never
   * holds more than `PAGE_ENTRIES_MAX`, nor goes far beyond `PAGE_BYTES_MAX`. */
  read(
    runId: string,
    options?: { after?: number; consistent?: boolean; limit?: number },
  ): Promise<RunRows | undefined>;

  /** Entries after `after` alone: the tail, for a holder that knows the rest. Paged as `read` is; consistent, unless
   * told that it need not be. */
  tail(key: RunKey, after: number, options?: { limit?: number; consistent?: boolean }): Promise<EntryPage>;

  /** Puts a segment, over one that ends at the same entry: a damaged one is so repaired. */
  putSegment(key: RunKey, segment: Segment, expiresAt: number): Promise<void>;

  /** A page of the segments that end after entry `after`, in order of their ends; the newest may be missing. */
  segments(key: RunKey, after: number): Promise<{ segments: Segment[]; more: boolean }>;

  header(runId: string, options?: { consistent?: boolean }): Promise<Header | undefined>;

  /** Moves the header to a later entry; false if it already shows that entry or a later one. */
  project(key: RunKey, projection: Projection): Promise<boolean>;

  /** Moves `dueAt` to `dueAt` whatever the header shows, if the run is still in the due index and `from` (where
   * given) is its present value. With `sequence`, also lifts `headerSequence` to it, so that a projection of an
   * older entry, on its way, cannot move it later again. */
  reschedule(key: RunKey, change: { dueAt: number; from?: number; sequence?: number }): Promise<boolean>;

  /** Runs by time of creation; filters are joined by AND. Of a `parent`'s children it answers at least those that
   * others have started under it: what the parent started itself is in its journal (`engine/list.ts`). Runs
   * that work on another's map (`created.node`) are in no other list. A page may be short of `limit` and still have a cursor. */
  list(query: ListQuery): Promise<{ headers: Header[]; cursor?: string }>;

  /** Runs whose `dueAt` is at or before `before`, earliest first in each shard. */
  due(before: number, limit: number): Promise<{ runId: string; dueAt: number }[]>;

  /** Moves the expiry of all of the run's items, the header's last (J7). */
  extend(key: RunKey, expiresAt: number): Promise<void>;

  /** Removes the run's items, segments too, the header last. Blobs are removed by the caller. */
  remove(key: RunKey): Promise<void>;

  /** Resolves when the run may have entries after `after`, or `withinMs` is over. A hint: it may resolve early. */
  changed(runId: string, after: number, withinMs: number): Promise<void>;
}

export const finishedStatuses: readonly FinishedStatus[] = ["completed", "failed", "cancelled", "timedOut"];
