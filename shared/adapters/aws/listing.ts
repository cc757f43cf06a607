/**
 * Lists and the due index: merges over the shards of an index. An owner's runs, and those started under a parent, have
 * an index each, whose rows are together.
 *
 * 1. The list indexes hold only what never changes; what a run is now comes from its header, read consistently.
 *    A row whose header is gone, expired, or of a later incarnation is skipped.
 * 2. A page looks at a bounded number of rows, so a rare filter gives a short page with a cursor, never a time-out.
 * 3. A cursor is the last row that was looked at; rows have one total order (time, then run id), so it holds
 *    whatever has been added since.
 */

import { formatCursor, parseCursor } from "../../core/cursor.ts";
import { INDEX_SHARDS, RUN_ID_LENGTH_MAX } from "../../core/limits.ts";
import { hasTag } from "../../core/tags.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Header, ListQuery } from "../../ports/journal.ts";
import {
  ATTRIBUTE,
  createdAtIn,
  createdDigits,
  decodeHeader,
  dueShard,
  headerKey,
  type Item,
  isExpired,
  listKeyIn,
  listKeyOf,
  listShardName,
  number,
  runIdOf,
  text,
} from "./items.ts";
import { TABLE_SCHEMA } from "./names.ts";
import type { Table } from "./table.ts";

const ROWS_PER_PAGE_MAX = 1_000;
const HEADERS_PER_STEP_MAX = 100;
const CREATED_AT_MAX = 9_999_999_999_999;
/** Above any key of the list index: keys begin with digits. */
const KEYS_END = "~";
const SHARDS = Array.from({ length: INDEX_SHARDS }, (_, shard) => shard);
const LISTING = { doing: "list runs" };
const LOOKING_FOR_DUE = { doing: "look for due runs" };

export class Listing {
  readonly #table: Table;
  readonly #clock: Clock;

  constructor(table: Table, clock: Clock) {
    this.#table = table;
    this.#clock = clock;
  }

  async list(query: ListQuery): Promise<{ headers: Header[]; cursor?: string }> {
    const rows = new MergedRows(this.#table, query);
    const headers: Header[] = [];
    let last: Item | undefined;
    let lookedAt = 0;
    while (headers.length < query.limit && lookedAt < ROWS_PER_PAGE_MAX) {
      const candidates: Item[] = [];
      const wanted = needsHeaders(query) ? HEADERS_PER_STEP_MAX : query.limit - headers.length;
      const looked: Item[] = [];
      while (candidates.length < Math.min(wanted, HEADERS_PER_STEP_MAX) && lookedAt < ROWS_PER_PAGE_MAX) {
        const row = await rows.next();
        if (row === undefined) break;
        lookedAt++;
        looked.push(row);
        if (rowMatches(row, query)) candidates.push(row);
      }
      if (looked.length === 0) return { headers };
      const found = await this.#headersOf(candidates);
      for (const row of looked) {
        if (headers.length === query.limit) return { headers, cursor: cursorOf(last) };
        const header = found.get(listKeyIn(row));
        if (header !== undefined && headerMatches(header, query)) headers.push(header);
        last = row;
      }
    }
    return last !== undefined && (await rows.hasMore()) ? { headers, cursor: cursorOf(last) } : { headers };
  }

  async due(before: number, limit: number): Promise<{ runId: string; dueAt: number }[]> {
    const shards = await Promise.all(SHARDS.map((shard) => this.#dueIn(shard, before, limit)));
    return shards
      .flat()
      .sort((left, right) => left.dueAt - right.dueAt)
      .slice(0, limit);
  }

  async #dueIn(shard: number, before: number, limit: number): Promise<{ runId: string; dueAt: number }[]> {
    const { name, partitionKey, sortKey } = TABLE_SCHEMA.indexes.due;
    const query = {
      IndexName: name,
      KeyConditionExpression: `${partitionKey.name} = :shard AND ${sortKey.name} <= :before`,
      ExpressionAttributeValues: { ":shard": text(dueShard(shard)), ":before": number(before) },
      Limit: limit,
    };
    const found: { runId: string; dueAt: number }[] = [];
    for await (const page of this.#table.pages(query, LOOKING_FOR_DUE)) {
      found.push(...page.map((row) => ({ runId: runIdOf(row), dueAt: Number(row[sortKey.name]?.N) })));
      if (found.length >= limit) break;
    }
    return found;
  }

  /** The live headers of rows, by the rows' keys. */
  async #headersOf(rows: Item[]): Promise<Map<string, Header>> {
    const runIds = new Set(rows.map(runIdOf));
    const items = await this.#table.getAll([...runIds].map(headerKey), LISTING);
    const now = this.#clock.now();
    const live = items.filter((item) => !isExpired(item, now));
    return new Map(live.map((item) => [listKeyIn(item), decodeHeader(item)]));
  }
}

/** Whether the filters ask for what only the header knows. */
const needsHeaders = ({ status, tag, stalled }: ListQuery): boolean =>
  [status, tag, stalled].some((filter) => filter !== undefined);

/** Where the rows of a query are: those of a parent or an owner together, those of all runs in shards. */
function placesOf({ parent, owner }: ListQuery): { index: string; key: string; values: string[] } {
  const { indexes } = TABLE_SCHEMA;
  if (parent !== undefined)
    return { index: indexes.parent.name, key: indexes.parent.partitionKey.name, values: [parent] };
  if (owner !== undefined)
    return { index: indexes.owner.name, key: indexes.owner.partitionKey.name, values: [owner] };
  return {
    index: indexes.list.name,
    key: indexes.list.partitionKey.name,
    values: SHARDS.map(listShardName),
  };
}

function rowMatches(row: Item, { workflow, owner }: ListQuery): boolean {
  if (workflow !== undefined && row[ATTRIBUTE.workflow]?.S !== workflow) return false;
  return owner === undefined || row[ATTRIBUTE.owner]?.S === owner;
}

function headerMatches(header: Header, { status, tag, stalled }: ListQuery): boolean {
  if (status !== undefined && !status.includes(header.status)) return false;
  if (tag !== undefined && !hasTag(header.created.tags, tag)) return false;
  return stalled === undefined || (header.stalled ?? false) === stalled;
}

const cursorOf = (row: Item | undefined): string =>
  formatCursor({ createdAt: createdAtIn(row ?? {}), runId: runIdOf(row ?? {}) });

interface Shard {
  rows: Item[];
  pages: AsyncGenerator<Item[], void, undefined>;
}

/** The rows of the list index in the query's order, a k-way merge of the shards, each read page by page. */
class MergedRows {
  readonly #shards: Shard[];
  readonly #isBefore: (left: string, right: string) => boolean;
  readonly #after: string | undefined;

  constructor(table: Table, query: ListQuery) {
    this.#after = afterOf(query);
    const { from, to } = boundsOf(query, this.#after);
    const isAscending = query.order === "asc";
    this.#isBefore = isAscending ? (left, right) => left < right : (left, right) => left > right;
    const { index, key, values } = placesOf(query);
    const { sortKey } = TABLE_SCHEMA.indexes.list;
    const isByOwner = query.parent !== undefined && query.owner !== undefined;
    const isFiltered = needsHeaders(query) || query.workflow !== undefined || isByOwner;
    const rowsPerShard = Math.ceil((isFiltered ? ROWS_PER_PAGE_MAX : query.limit) / values.length) + 2;
    const pagesOf = (value: string) =>
      table.pages(
        {
          IndexName: index,
          KeyConditionExpression: `${key} = :place AND ${sortKey.name} BETWEEN :from AND :to`,
          ExpressionAttributeValues: {
            ":place": text(value),
            ":from": text(from),
            ":to": text(to),
          },
          ScanIndexForward: isAscending,
          Limit: rowsPerShard,
        },
        LISTING,
      );
    // DynamoDB refuses bounds that exclude everything.
    this.#shards = from > to ? [] : values.map((value) => ({ rows: [], pages: pagesOf(value) }));
  }

  async next(): Promise<Item | undefined> {
    return (await this.#first())?.rows.shift();
  }

  async hasMore(): Promise<boolean> {
    return (await this.#first()) !== undefined;
  }

  /** The shard whose next row comes first. */
  async #first(): Promise<Shard | undefined> {
    await Promise.all(this.#shards.map((shard) => this.#fill(shard)));
    let first: Shard | undefined;
    for (const shard of this.#shards) {
      if (shard.rows[0] === undefined) continue;
      const isFirst =
        first?.rows[0] === undefined || this.#isBefore(listKeyIn(shard.rows[0]), listKeyIn(first.rows[0]));
      if (isFirst) first = shard;
    }
    return first;
  }

  async #fill(shard: Shard): Promise<void> {
    while (shard.rows.length === 0) {
      const page = await shard.pages.next();
      if (page.done) return;
      shard.rows = page.value.filter((row) => listKeyIn(row) !== this.#after);
    }
  }
}

function afterOf({ cursor }: ListQuery): string | undefined {
  if (cursor === undefined) return undefined;
  const { createdAt, runId } = parseCursor(cursor);
  return listKeyOf(withinCreated(createdAt), runId.slice(0, RUN_ID_LENGTH_MAX));
}

/** Bounds of the list's keys, both included. `createdAfter` and `createdBefore` are not. */
function boundsOf({ order, createdAfter, createdBefore }: ListQuery, after: string | undefined) {
  const from = createdAfter === undefined ? "0" : createdDigits(withinCreated(createdAfter + 1));
  const to = createdBefore === undefined ? KEYS_END : createdDigits(withinCreated(createdBefore));
  if (after === undefined) return { from, to };
  return order === "asc" ? { from: after > from ? after : from, to } : { from, to: after < to ? after : to };
}

const withinCreated = (time: number): number => Math.min(CREATED_AT_MAX, Math.max(0, Math.ceil(time)));
