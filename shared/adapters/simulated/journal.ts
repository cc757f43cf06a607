/** Another journal store, called under faults. Its eventually consistent reads may miss the newest entries. */
import type { Entry } from "../../core/events.ts";
import type {
  Header,
  JournalStore,
  ListQuery,
  NewRun,
  Projection,
  RunKey,
  RunRows,
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
    return this.#call("read", runId, async (fault) => {
      const rows = await this.#journal.read(runId, options);
      if (fault?.kind !== "staleRead" || options.consistent === true || rows === undefined) return rows;
      const isOld = (entry: Entry) => entry.at <= this.#caller.now() - STALE_MS;
      const entries = rows.entries.filter(
        (entry, index) => index < rows.entries.length - fault.missing || isOld(entry),
      );
      return entries.length === 0 ? undefined : { ...rows, entries, more: false };
    });
  }

  tail(key: RunKey, after: number, limit?: number): Promise<Entry[]> {
    return this.#call("tail", key.runId, () => this.#journal.tail(key, after, limit));
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
    return this.#call("due", undefined, () => this.#journal.due(before, limit));
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

  #call<Answer>(
    method: string,
    runId: string | undefined,
    perform: (fault: Fault | undefined) => Promise<Answer>,
  ): Promise<Answer> {
    return this.#caller.call({ port: "journal", method, ...(runId === undefined ? {} : { runId }) }, perform);
  }
}
