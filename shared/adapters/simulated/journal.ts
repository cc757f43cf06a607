/** Another journal store, called under faults. Its eventually consistent reads may miss the newest entries. */
import type { Entry } from "../../core/events.ts";
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
import type { Caller } from "./caller.ts";
import type { Fault } from "./faults.ts";

/** An eventually consistent read may miss what was written in this time. */
const STALE_MS = 5_000;

export class SimulatedJournal implements JournalStore {
  readonly #journal: JournalStore;
  readonly #caller: Caller;

  constructor(journal: JournalStore, caller: Caller) {
    this.#journal = journal;
    this.#caller = caller;
  }

  create(run: NewRun): ReturnType<JournalStore["create"]> {
    return this.#call("create", run.runId, () => this.#journal.create(run));
  }

  append(key: RunKey, entry: Entry, expiresAt: number): ReturnType<JournalStore["append"]> {
    const copy = structuredClone(entry);
    return this.#call("append", key.runId, () => this.#journal.append(key, copy, expiresAt));
  }

  read(
    runId: string,
    options: { after?: number; consistent?: boolean; limit?: number } = {},
  ): Promise<RunRows | undefined> {
    return this.#read("read", runId, options.consistent !== true, async (fault) => {
      const rows = await this.#journal.read(runId, options);
      if (fault?.kind === "shortPage" && rows !== undefined && rows.entries.length > fault.entries)
        return { ...rows, entries: rows.entries.slice(0, fault.entries), more: true };
      if (fault?.kind !== "staleRead" || options.consistent === true || rows === undefined) return rows;
      const entries = this.#stale(rows.entries, fault.missing);
      const more = rows.more && entries.length === rows.entries.length;
      return entries.length === 0 ? undefined : { ...rows, entries, more };
    });
  }

  tail(
    key: RunKey,
    after: number,
    options: { limit?: number; consistent?: boolean } = {},
  ): Promise<EntryPage> {
    return this.#read("tail", key.runId, options.consistent === false, async (fault) => {
      const page = await this.#journal.tail(key, after, options);
      if (fault?.kind === "shortPage" && page.entries.length > fault.entries)
        return { entries: page.entries.slice(0, fault.entries), more: true };
      if (fault?.kind !== "staleRead" || options.consistent !== false) return page;
      const entries = this.#stale(page.entries, fault.missing);
      return { entries, more: page.more && entries.length === page.entries.length };
    });
  }

  #stale(entries: Entry[], missing: number): Entry[] {
    const isOld = (entry: Entry) => entry.at <= this.#caller.now() - STALE_MS;
    return entries.filter((entry, index) => index < entries.length - missing || isOld(entry));
  }

  putSegment(key: RunKey, segment: Segment, expiresAt: number): Promise<void> {
    return this.#call("putSegment", key.runId, () => this.#journal.putSegment(key, segment, expiresAt));
  }

  /** Never consistent: a stale read misses the newest. */
  segments(key: RunKey, after: number): Promise<{ segments: Segment[]; more: boolean }> {
    return this.#read("segments", key.runId, true, async (fault) => {
      const page = await this.#journal.segments(key, after);
      if (fault?.kind !== "staleRead") return page;
      return { segments: page.segments.slice(0, -fault.missing), more: false };
    });
  }

  header(runId: string, options: { consistent?: boolean } = {}): Promise<Header | undefined> {
    return this.#call("header", runId, () => this.#journal.header(runId, options));
  }

  project(key: RunKey, projection: Projection): Promise<boolean> {
    return this.#call("project", key.runId, () => this.#journal.project(key, projection));
  }

  reschedule(key: RunKey, change: { dueAt: number; from?: number; sequence?: number }): Promise<boolean> {
    return this.#call("reschedule", key.runId, () => this.#journal.reschedule(key, change));
  }

  list(query: ListQuery): Promise<{ headers: Header[]; cursor?: string }> {
    return this.#call("list", undefined, () => this.#journal.list(query));
  }

  due(before: number, limit: number): Promise<{ runId: string; dueAt: number }[]> {
    return this.#read("due", undefined, true, async (fault) => {
      const due = await this.#journal.due(before, limit);
      return fault?.kind === "staleRead" ? due.slice(0, Math.max(0, due.length - fault.missing)) : due;
    });
  }

  extend(key: RunKey, expiresAt: number): Promise<void> {
    return this.#call("extend", key.runId, () => this.#journal.extend(key, expiresAt));
  }

  remove(key: RunKey): Promise<void> {
    return this.#call("remove", key.runId, () => this.#journal.remove(key));
  }

  changed(runId: string, after: number, withinMs: number): Promise<void> {
    return this.#call("changed", runId, () => this.#journal.changed(runId, after, withinMs));
  }

  #read<Answer>(
    method: string,
    runId: string | undefined,
    mayBeStale: boolean,
    perform: (fault: Fault | undefined) => Promise<Answer>,
  ): Promise<Answer> {
    const call = { port: "journal", method, mayBeStale } as const;
    return this.#caller.call({ ...call, ...(runId === undefined ? {} : { runId }) }, perform);
  }

  #call<Answer>(
    method: string,
    runId: string | undefined,
    perform: (fault: Fault | undefined) => Promise<Answer>,
  ): Promise<Answer> {
    return this.#caller.call({ port: "journal", method, ...(runId === undefined ? {} : { runId }) }, perform);
  }
}
