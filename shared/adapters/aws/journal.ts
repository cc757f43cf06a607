/**
 * The journal store on DynamoDB: a run is one partition, its header and its entries are items of it.
 *
 * 1. `create` and `append` are one conditional put each; a refusal carries the item that stood in the way (J2, J3).
 * 2. The header's updates are conditions on its incarnation and its sequence, so it only moves forwards (J1).
 * 3. A run past its expiry is absent, whether or not DynamoDB has deleted it yet (J7).
 * 4. Entries of another incarnation share the partition and are never returned.
 * 5. Reads are eventually consistent unless asked otherwise; the caller checks that sequences are contiguous.
 * Lists and the due index are in `listing.ts`, conditions and updates in `updates.ts`, the items' form in `items.ts`,
 * the calls in `table.ts`.
 */
import { PortError } from "../../core/errors.ts";
import type { Entry } from "../../core/events.ts";
import { PAGE_BYTES_MAX } from "../../core/limits.ts";
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
import { pageLimit } from "../common/pages.ts";
import {
  bytesOf,
  decodeEntry,
  decodeHeader,
  decodeSegment,
  ENTRIES_END,
  encodeEntry,
  encodeNewRun,
  encodeSegment,
  entriesEnd,
  entryKey,
  entrySortKey,
  entryZeroIn,
  HEADER_SORT_KEY,
  headerKey,
  ITEMS_END,
  type Item,
  type ItemKey,
  isEntryOf,
  isExpired,
  isHeader,
  isOf,
  itemKey,
  nonceIn,
  segmentSortKey,
  segmentsEnd,
  sortKeyOf,
  text,
} from "./items.ts";
import { Listing } from "./listing.ts";
import { type Conditional, Table, type TableOptions } from "./table.ts";
import {
  entryExpiryUpdate,
  headerExpiryUpdate,
  isThisIncarnation,
  positionIsFree,
  projectionUpdate,
  rescheduleUpdate,
  runIsAbsentOrExpired,
  type Update,
} from "./updates.ts";

const EXTENSIONS_AT_ONCE = 16;
const CHANGED_POLL_MS = 25;
const CHANGED_POLL_MS_MAX = 1_000;

export class DynamoJournal implements JournalStore {
  readonly #table: Table;
  readonly #clock: Clock;
  readonly #listing: Listing;

  constructor(options: TableOptions) {
    this.#table = new Table(options);
    this.#clock = options.clock;
    this.#listing = new Listing(this.#table, options.clock);
  }

  async create(
    run: NewRun,
  ): Promise<{ created: true; header: Header } | { created: false; existing: Header; own: boolean }> {
    const { header, entryZero } = encodeNewRun(run);
    const what = { doing: `create run ${run.runId}`, runId: run.runId };
    const exists = (item: Item) =>
      ({ created: false, existing: decodeHeader(item), own: nonceIn(item) === run.nonce }) as const;
    if (entryZero !== undefined) {
      // A repeated start of an existing run must not leave an entry 0 behind each time.
      const item = await this.#headerItem(run.runId, false);
      if (item !== undefined) return exists(item);
      await this.#table.put(entryZero, positionIsFree, what);
    }
    const put = await this.#table.put(header, runIsAbsentOrExpired(this.#clock.now()), what);
    if (put.done) return { created: true, header: { ...decodeHeader(header), created: run.created } };
    return exists(winnerOf(put.item, what.doing));
  }

  async append(
    key: RunKey,
    entry: Entry,
    expiresAt: number,
  ): Promise<{ stored: true } | { stored: false; winner: Entry; own: boolean }> {
    const what = { doing: `append entry ${entry.sequence} of run ${key.runId}`, runId: key.runId };
    const put = await this.#table.put(encodeEntry(key, entry, expiresAt), positionIsFree, what);
    if (put.done) return { stored: true };
    const winner = decodeEntry(winnerOf(put.item, what.doing));
    return { stored: false, winner, own: winner.nonce === entry.nonce };
  }

  async read(
    runId: string,
    options: { after?: number; consistent?: boolean; limit?: number } = {},
  ): Promise<RunRows | undefined> {
    const { after = -1, consistent = false, limit } = options;
    if (after < 0) return this.#readFromStart(runId, consistent, pageLimit(limit));
    const header = await this.header(runId, { consistent });
    if (header === undefined) return undefined;
    return { header, ...(await this.#entriesAfter(header, after, consistent, pageLimit(limit))) };
  }

  async tail(
    key: RunKey,
    after: number,
    options: { limit?: number; consistent?: boolean } = {},
  ): Promise<EntryPage> {
    const { limit, consistent = true } = options;
    if (after >= 0) return this.#entriesAfter(key, after, consistent, pageLimit(limit));
    const rows = await this.read(key.runId, { consistent, limit });
    return rows?.header.inc === key.inc ? rows : { entries: [], more: false };
  }

  async putSegment(key: RunKey, segment: Segment, expiresAt: number): Promise<void> {
    const what = {
      doing: `pack entries ${segment.from} to ${segment.to} of run ${key.runId}`,
      runId: key.runId,
    };
    await this.#table.put(encodeSegment(key, segment, expiresAt), undefined, what);
  }

  async segments(key: RunKey, after: number): Promise<{ segments: Segment[]; more: boolean }> {
    const range: [string, string] = [segmentSortKey(key.inc, after + 1), segmentsEnd(key.inc)];
    const { items, more } = await this.#page(key.runId, range, { consistent: false });
    return { segments: items.map(decodeSegment), more };
  }

  async header(runId: string, options: { consistent?: boolean } = {}): Promise<Header | undefined> {
    const item = await this.#headerItem(runId, options.consistent ?? false);
    return item === undefined ? undefined : decodeHeader(item);
  }

  async project(key: RunKey, projection: Projection): Promise<boolean> {
    const doing = `move the header of run ${key.runId} to entry ${projection.headerSequence}`;
    return (await this.#updateHeader(key, projectionUpdate(key, projection), doing)).done;
  }

  async reschedule(
    key: RunKey,
    change: { dueAt: number; from?: number; sequence?: number },
  ): Promise<boolean> {
    const doing = `make run ${key.runId} due at ${change.dueAt}`;
    const { sequence, ...unlifted } = change;
    const moved = await this.#updateHeader(key, rescheduleUpdate(key, change), doing);
    if (moved.done || moved.item === undefined || sequence === undefined) return moved.done;
    const isAhead = decodeHeader(moved.item).headerSequence >= sequence;
    return isAhead && (await this.#updateHeader(key, rescheduleUpdate(key, unlifted), doing)).done;
  }

  list(query: ListQuery): Promise<{ headers: Header[]; cursor?: string }> {
    return this.#listing.list(query);
  }

  due(before: number, limit: number): Promise<{ runId: string; dueAt: number }[]> {
    return this.#listing.due(before, limit);
  }

  async extend(key: RunKey, expiresAt: number): Promise<void> {
    const what = { doing: `extend the expiry of run ${key.runId}`, runId: key.runId };
    const keys = await this.#itemKeys(key, what);
    for (let start = 0; start < keys.length; start += EXTENSIONS_AT_ONCE) {
      const some = keys.slice(start, start + EXTENSIONS_AT_ONCE);
      await Promise.all(some.map((item) => this.#table.update(item, entryExpiryUpdate(expiresAt), what)));
    }
    await this.#updateHeader(key, headerExpiryUpdate(key, expiresAt), what.doing);
  }

  async remove(key: RunKey): Promise<void> {
    const what = { doing: `remove run ${key.runId}`, runId: key.runId };
    await this.#table.deleteAll(await this.#itemKeys(key, what), what);
    await this.#table.delete(headerKey(key.runId), isThisIncarnation(key), what);
  }

  async changed(runId: string, after: number, withinMs: number): Promise<void> {
    const until = this.#clock.now() + withinMs;
    const header = await this.#headerItem(runId, false);
    if (header === undefined || after < 0) return;
    const next = entryKey({ runId, inc: decodeHeader(header).inc }, after + 1);
    const what = { doing: `watch run ${runId}`, runId };
    for (let pollMs = CHANGED_POLL_MS; ; pollMs = Math.min(pollMs * 2, CHANGED_POLL_MS_MAX)) {
      if ((await this.#table.get(next, what, { consistent: true, only: "PK" })) !== undefined) return;
      const leftMs = until - this.#clock.now();
      if (leftMs <= 0) return;
      await this.#clock.sleep(Math.min(pollMs, leftMs));
    }
  }

  #updateHeader(key: RunKey, update: Update, doing: string): Promise<Conditional> {
    return this.#table.update(headerKey(key.runId), update, { doing, runId: key.runId });
  }

  async #headerItem(runId: string, consistent: boolean): Promise<Item | undefined> {
    const what = { doing: `read the header of run ${runId}`, runId };
    const item = await this.#table.get(headerKey(runId), what, { consistent });
    return item === undefined || isExpired(item, this.#clock.now()) ? undefined : item;
  }

  /** Header and entries in one query. One entry more than the limit is asked for, to know whether there are more. */
  async #readFromStart(runId: string, consistent: boolean, limit: number): Promise<RunRows | undefined> {
    const range: [string, string] = [HEADER_SORT_KEY, ENTRIES_END];
    const { items, more } = await this.#page(runId, range, { consistent, limit: limit + 2 });
    const headerItem = items[0];
    if (!isHeader(headerItem) || isExpired(headerItem, this.#clock.now())) return undefined;
    const header = decodeHeader(headerItem);
    const zero = entryZeroIn(headerItem);
    const entries = items.filter((item) => isEntryOf(item, header.inc)).map(decodeEntry);
    if (zero !== undefined) entries.unshift(zero);
    const [created] = entries[0]?.sequence === 0 ? entries[0].events : [];
    if (created?.type === "RunCreated") header.created = created;
    // Entries of an earlier incarnation may have filled the page.
    if (more && entries.length === 0)
      return { header, ...(await this.#entriesAfter(header, -1, consistent, limit)) };
    return { header, entries: entries.slice(0, limit), more };
  }

  /** One entry more than the limit is asked for, to know whether there are more. */
  async #entriesAfter(key: RunKey, after: number, consistent: boolean, limit: number): Promise<EntryPage> {
    const range: [string, string] = [entrySortKey(key.inc, after + 1), entriesEnd(key.inc)];
    const { items, more } = await this.#page(key.runId, range, { consistent, limit: limit + 1 });
    return { entries: items.slice(0, limit).map(decodeEntry), more };
  }

  /** Items of a range. With `more`, it stopped at the limit, or because the page is full. */
  async #page(
    runId: string,
    range: [string, string],
    options: { consistent: boolean; limit?: number },
  ): Promise<{ items: Item[]; more: boolean }> {
    const { limit = Number.POSITIVE_INFINITY } = options;
    const items: Item[] = [];
    let bytes = 0;
    for await (const page of this.#range(runId, range, options)) {
      items.push(...page);
      for (const item of page) bytes += bytesOf(item);
      if (items.length >= limit || bytes >= PAGE_BYTES_MAX) return { items, more: true };
    }
    return { items, more: false };
  }

  /** The keys of all that belongs to a run beside its header. */
  async #itemKeys(key: RunKey, what: { doing: string; runId: string }): Promise<ItemKey[]> {
    const keys: ItemKey[] = [];
    const range: [string, string] = [entrySortKey(key.inc, 0), ITEMS_END];
    for await (const page of this.#range(key.runId, range, { consistent: true, only: "SK" }, what)) {
      const own = page.map(sortKeyOf).filter((sortKey) => isOf(sortKey, key.inc));
      keys.push(...own.map((sortKey) => itemKey(key.runId, sortKey)));
    }
    return keys;
  }

  #range(
    runId: string,
    [from, to]: [string, string],
    options: { consistent: boolean; limit?: number; only?: string },
    what = { doing: `read the journal of run ${runId}`, runId },
  ) {
    return this.#table.pages(
      {
        KeyConditionExpression: "PK = :pk AND SK BETWEEN :from AND :to",
        ExpressionAttributeValues: { ":pk": headerKey(runId).PK, ":from": text(from), ":to": text(to) },
        ConsistentRead: options.consistent,
        ...(options.only === undefined ? {} : { ProjectionExpression: options.only }),
        ...(Number.isFinite(options.limit) ? { Limit: options.limit } : {}),
      },
      what,
    );
  }
}

/** A refused put always names the winner; should a store not, the call may be repeated. */
function winnerOf(item: Item | undefined, doing: string): Item {
  if (item !== undefined) return item;
  throw new PortError(
    "Unavailable",
    `Could not ${doing}: the store refused it without the item that stood in the way.`,
    {
      retryable: true,
    },
  );
}
