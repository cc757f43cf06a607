/**
 * How headers and entries become DynamoDB items and back: pure, and the only file that knows the attributes' names.
 * Those are one or two characters, because names are billed with every write.
 *
 * 1. A header is written within one write unit: its event is compressed if that is what it takes, and a start that
 *    is still larger leaves its big parts to an entry 0 of its own (`z`).
 * 2. An entry is compressed only where that saves a write unit.
 * 3. Every item carries its expiry in whole seconds, rounded up: never early (J7).
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { PortError } from "../../core/errors.ts";
import type { Entry, EntryUsage, RunCreated, RunEvent, RunStatus } from "../../core/events.ts";
import { INDEX_SHARDS, ITEM_BYTES_MAX, WRITE_UNIT_BYTES } from "../../core/limits.ts";
import type { Header, NewRun, RunKey, Segment } from "../../ports/journal.ts";
import { isStartedUnder } from "../common/headers.ts";
import { TABLE_SCHEMA } from "./names.ts";

export type Item = Record<string, AttributeValue>;
export type ItemKey = { PK: { S: string }; SK: { S: string } };

const { partitionKey: due, sortKey: dueAt } = TABLE_SCHEMA.indexes.due;
const { partitionKey: listShard, sortKey: listKey } = TABLE_SCHEMA.indexes.list;
const ttl = TABLE_SCHEMA.ttlAttribute;

/** What each attribute holds. `a` to `z` are Stepfold's; `PK`, `SK` and the indexes' keys are in `TABLE_SCHEMA`. */
export const ATTRIBUTE = {
  inc: "i",
  /** Events (entry) or the creating event (header): JSON, or the same deflated. */
  events: "e",
  nonce: "n",
  usage: "y",
  ttl,
  // Entry.
  at: "t",
  seen: "v",
  generation: "g",
  // Segment.
  from: "b",
  packed: "c",
  // Header.
  workflow: TABLE_SCHEMA.indexes.list.projection.attributes[0],
  owner: TABLE_SCHEMA.indexes.owner.partitionKey.name,
  /** Of a run that was started under a parent by somebody else than that parent. */
  parent: TABLE_SCHEMA.indexes.parent.partitionKey.name,
  requestHash: "q",
  status: "s",
  headerSequence: "h",
  updatedAt: "t",
  startedAt: "a",
  finishedAt: "f",
  wakeAt: "k",
  stalled: "x",
  cancelRequested: "c",
  entryZeroApart: "z",
  dueShard: due.name,
  dueAt: dueAt.name,
  listShard: listShard.name,
  listKey: listKey.name,
} as const;

/** What later projections add to a header: times, usage, longer numbers. */
const HEADER_GROWTH_BYTES = 96;

const partition = (runId: string): string => `R#${runId}`;
const digits = (sequence: number): string => String(sequence).padStart(10, "0");

export const HEADER_SORT_KEY = "H";
/** Above the sort key of every header and entry. */
export const ENTRIES_END = "J$";
export const entrySortKey = (inc: string, sequence: number): string => `J#${inc}#${digits(sequence)}`;
/** Above the sort key of every entry of one incarnation. */
export const entriesEnd = (inc: string): string => `J#${inc}$`;
/** Above the sort key of every entry and segment. */
export const ITEMS_END = "S$";
export const segmentSortKey = (inc: string, to: number): string => `S#${inc}#${digits(to)}`;
/** Above the sort key of every segment of one incarnation. */
export const segmentsEnd = (inc: string): string => `S#${inc}$`;
export const isOf = (sortKey: string, inc: string): boolean =>
  sortKey.startsWith(`J#${inc}#`) || sortKey.startsWith(`S#${inc}#`);
export const isEntryOf = (item: Item, inc: string): boolean => sortKeyOf(item).startsWith(`J#${inc}#`);
export const isHeader = (item: Item | undefined): item is Item =>
  item !== undefined && sortKeyOf(item) === HEADER_SORT_KEY;

export const headerKey = (runId: string): ItemKey => itemKey(runId, HEADER_SORT_KEY);
export const entryKey = ({ runId, inc }: RunKey, sequence: number): ItemKey =>
  itemKey(runId, entrySortKey(inc, sequence));
export const registerKey = (name: string): ItemKey => ({ PK: { S: `C#${name}` }, SK: { S: "C" } });
export const itemKey = (runId: string, sortKey: string): ItemKey => ({
  PK: { S: partition(runId) },
  SK: { S: sortKey },
});
export const sortKeyOf = (item: Item): string => item.SK?.S ?? "";
export const listKeyIn = (item: Item): string => item[listKey.name]?.S ?? "";
export const createdAtIn = (item: Item): number => Number(listKeyIn(item).slice(0, 13));
export const runIdOf = (item: Item): string => (item.PK?.S ?? "").slice(2);

/** FNV-1a: spreads run ids over the indexes' shards, the same in every version. */
export function shardOf(runId: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < runId.length; index++) {
    hash = Math.imul(hash ^ runId.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash % INDEX_SHARDS;
}
export const dueShard = (shard: number): string => `D#${shard}`;
export const listShardName = (shard: number): string => `L#${shard}`;
export const createdDigits = (createdAt: number): string => String(createdAt).padStart(13, "0");
export const listKeyOf = (createdAt: number, runId: string): string => `${createdDigits(createdAt)}#${runId}`;

export const expirySeconds = (expiresAt: number): number => Math.ceil(expiresAt / 1000);
export const number = (value: number): AttributeValue.NMember => ({ N: String(value) });
export const text = (value: string): AttributeValue.SMember => ({ S: value });

export const isExpired = (item: Item, now: number): boolean => numberIn(item, ttl) * 1000 <= now;

// ——— entries ———

export function encodeEntry(key: RunKey, entry: Entry, expiresAt: number): Item {
  const item: Item = {
    ...entryKey(key, entry.sequence),
    [ATTRIBUTE.at]: number(entry.at),
    [ATTRIBUTE.nonce]: text(entry.nonce),
    [ttl]: number(expirySeconds(expiresAt)),
  };
  if (entry.generation !== 0) item[ATTRIBUTE.generation] = number(entry.generation);
  if (entry.seen !== undefined) item[ATTRIBUTE.seen] = number(entry.seen);
  if (entry.usage !== undefined) item[ATTRIBUTE.usage] = text(usageText(entry.usage));
  const encoded = withEvents(item, JSON.stringify(entry.events));
  const bytes = bytesOf(encoded);
  if (bytes > ITEM_BYTES_MAX) {
    throw new PortError(
      "EntryTooLarge",
      `Expected entry ${entry.sequence} of run ${key.runId} to be at most ${ITEM_BYTES_MAX} bytes, got ${bytes}.`,
      {
        retryable: false,
        data: { runId: key.runId, sequence: entry.sequence, bytes, bytesMax: ITEM_BYTES_MAX },
      },
    );
  }
  return encoded;
}

export function decodeEntry(item: Item): Entry {
  const seen = item[ATTRIBUTE.seen];
  const usage = item[ATTRIBUTE.usage];
  return {
    sequence: Number(sortKeyOf(item).slice(-10)),
    at: numberIn(item, ATTRIBUTE.at),
    ...(seen === undefined ? {} : { seen: Number(seen.N) }),
    generation: item[ATTRIBUTE.generation] === undefined ? 0 : numberIn(item, ATTRIBUTE.generation),
    nonce: textIn(item, ATTRIBUTE.nonce),
    events: JSON.parse(eventsIn(item)) as RunEvent[],
    ...(usage === undefined ? {} : { usage: parseUsage(usage.S ?? "") }),
  };
}

// ——— segments ———

export function encodeSegment(key: RunKey, { from, to, bytes }: Segment, expiresAt: number): Item {
  return {
    ...itemKey(key.runId, segmentSortKey(key.inc, to)),
    [ATTRIBUTE.from]: number(from),
    [ATTRIBUTE.packed]: { B: bytes },
    [ttl]: number(expirySeconds(expiresAt)),
  };
}

export const decodeSegment = (item: Item): Segment => ({
  from: numberIn(item, ATTRIBUTE.from),
  to: Number(sortKeyOf(item).slice(-10)),
  bytes: item[ATTRIBUTE.packed]?.B ?? new Uint8Array(),
});

// ——— headers ———

/** The items of a new run: the header, and before it entry 0 where the header cannot hold it. */
export function encodeNewRun(run: NewRun): { header: Item; entryZero?: Item } {
  const whole = headerItem(run, run.created);
  const room = WRITE_UNIT_BYTES - HEADER_GROWTH_BYTES;
  if (bytesOf(whole) <= room) return { header: whole };
  const { input: _input, definition: _definition, state: _state, ...rest } = run.created;
  const { signals: _signals, cancel: _cancel, ...small } = rest;
  const header = { ...headerItem(run, small), [ATTRIBUTE.entryZeroApart]: { BOOL: true } };
  // Where even the small header is over a unit (many tags), one item of n units is cheaper than two.
  if (writeUnitsOf(bytesOf(whole)) <= writeUnitsOf(bytesOf(header))) return { header: whole };
  return { header, entryZero: encodeEntry(run, entryZeroOf(run), run.expiresAt) };
}

function headerItem(run: NewRun, created: RunCreated): Item {
  const { type: _type, workflow, owner, ...others } = created;
  // A run that works on another's map is in no index but that of what is due: its owner stays with its event.
  const isNode = created.node !== undefined;
  const rest = isNode ? { ...others, owner } : others;
  const shard = shardOf(run.runId);
  const item: Item = {
    ...headerKey(run.runId),
    [ATTRIBUTE.inc]: text(run.inc),
    [ATTRIBUTE.nonce]: text(run.nonce),
    [ATTRIBUTE.requestHash]: text(run.requestHash),
    [ATTRIBUTE.workflow]: text(workflow),
    [ATTRIBUTE.status]: text(run.status ?? ("pending" satisfies RunStatus)),
    [ATTRIBUTE.headerSequence]: number(0),
    [ATTRIBUTE.updatedAt]: number(run.createdAt),
    [ATTRIBUTE.dueShard]: text(dueShard(shard)),
    [ATTRIBUTE.dueAt]: number(run.dueAt),
    [ATTRIBUTE.listKey]: text(listKeyOf(run.createdAt, run.runId)),
    [ttl]: number(expirySeconds(run.expiresAt)),
  };
  if (run.status === "running") item[ATTRIBUTE.startedAt] = number(run.createdAt);
  if (run.cancelRequested === true) item[ATTRIBUTE.cancelRequested] = { BOOL: true };
  if (!isNode) item[ATTRIBUTE.listShard] = text(listShardName(shard));
  if (owner !== undefined && !isNode) item[ATTRIBUTE.owner] = text(owner);
  if (isStartedUnder(created)) item[ATTRIBUTE.parent] = text(created.parent.runId);
  return withEvents(item, JSON.stringify(rest), HEADER_GROWTH_BYTES);
}

function entryZeroOf(run: Pick<NewRun, "createdAt" | "nonce" | "created">): Entry {
  return { sequence: 0, at: run.createdAt, generation: 0, nonce: run.nonce, events: [run.created] };
}

/** Entry 0 as the header holds it, or `undefined` where it is an item of its own. */
export function entryZeroIn(item: Item): Entry | undefined {
  if (item[ATTRIBUTE.entryZeroApart] !== undefined) return undefined;
  const { created, createdAt } = decodeHeader(item);
  return entryZeroOf({ created, createdAt, nonce: nonceIn(item) });
}

export function decodeHeader(item: Item): Header {
  const optional = <Name extends string>(name: Name, attribute: string) =>
    item[attribute] === undefined ? {} : ({ [name]: numberIn(item, attribute) } as Record<Name, number>);
  const usage = item[ATTRIBUTE.usage];
  const owner = item[ATTRIBUTE.owner];
  return {
    runId: runIdOf(item),
    inc: textIn(item, ATTRIBUTE.inc),
    created: {
      ...(JSON.parse(eventsIn(item)) as Omit<RunCreated, "type" | "workflow" | "owner">),
      type: "RunCreated",
      workflow: textIn(item, ATTRIBUTE.workflow),
      ...(owner === undefined ? {} : { owner: textIn(item, ATTRIBUTE.owner) }),
    },
    createdAt: createdAtIn(item),
    requestHash: textIn(item, ATTRIBUTE.requestHash),
    status: textIn(item, ATTRIBUTE.status) as RunStatus,
    headerSequence: numberIn(item, ATTRIBUTE.headerSequence),
    ...optional("dueAt", ATTRIBUTE.dueAt),
    updatedAt: numberIn(item, ATTRIBUTE.updatedAt),
    ...optional("startedAt", ATTRIBUTE.startedAt),
    ...optional("finishedAt", ATTRIBUTE.finishedAt),
    ...optional("wakeAt", ATTRIBUTE.wakeAt),
    ...(item[ATTRIBUTE.stalled] === undefined ? {} : { stalled: item[ATTRIBUTE.stalled]?.BOOL === true }),
    ...(item[ATTRIBUTE.cancelRequested]?.BOOL === true ? { cancelRequested: true } : {}),
    expiresAt: numberIn(item, ttl) * 1000,
    ...(usage === undefined ? {} : { usage: parseUsage(usage.S ?? "") }),
  };
}

export const nonceIn = (item: Item): string => textIn(item, ATTRIBUTE.nonce);

// ——— values ———

export function usageText({ writeUnits, readUnits, queueRequests, schedules, reread }: EntryUsage): string {
  const counts = [writeUnits, readUnits, queueRequests, schedules];
  return JSON.stringify(reread === undefined ? counts : [...counts, reread]);
}

function parseUsage(json: string): EntryUsage {
  const [writeUnits = 0, readUnits = 0, queueRequests = 0, schedules = 0, reread] = JSON.parse(
    json,
  ) as number[];
  const usage = { writeUnits, readUnits, queueRequests, schedules };
  return reread === undefined ? usage : { ...usage, reread };
}

/** Adds the events, deflated if (and only if) that saves a write unit of an item that may grow by `growth`. */
function withEvents(item: Item, json: string, growth = 0): Item {
  const plain = { ...item, [ATTRIBUTE.events]: text(json) };
  const plainUnits = writeUnitsOf(bytesOf(plain) + growth);
  if (plainUnits === 1) return plain;
  const deflated = { ...item, [ATTRIBUTE.events]: { B: new Uint8Array(deflateRawSync(json)) } };
  return writeUnitsOf(bytesOf(deflated) + growth) < plainUnits ? deflated : plain;
}

function eventsIn(item: Item): string {
  const value = item[ATTRIBUTE.events];
  return value?.B === undefined ? (value?.S ?? "") : inflateRawSync(value.B).toString("utf8");
}

function textIn(item: Item, name: string): string {
  const value = item[name]?.S;
  if (value === undefined) throw unreadable(item, name, "a string");
  return value;
}

function numberIn(item: Item, name: string): number {
  const value = item[name]?.N;
  if (value === undefined) throw unreadable(item, name, "a number");
  return Number(value);
}

function unreadable(item: Item, name: string, expected: string): PortError {
  return new PortError(
    "ItemUnreadable",
    `Expected the item ${item.PK?.S} ${item.SK?.S} to have ${expected} in ${name}, got none. Was it written by something else than Stepfold?`,
    { retryable: false, data: { pk: item.PK?.S ?? "", sk: item.SK?.S ?? "", attribute: name } },
  );
}

export const writeUnitsOf = (bytes: number): number => Math.max(1, Math.ceil(bytes / WRITE_UNIT_BYTES));

/** An item's size by DynamoDB's rule: names and strings in UTF-8, numbers one byte for two digits and one more. */
export function bytesOf(item: Item): number {
  let bytes = 0;
  for (const [name, value] of Object.entries(item)) bytes += name.length + valueBytes(value);
  return bytes;
}

function valueBytes(value: AttributeValue): number {
  if (value.S !== undefined) return Buffer.byteLength(value.S);
  if (value.N !== undefined) return Math.ceil(value.N.replace(/\D/g, "").length / 2) + 1;
  if (value.B !== undefined) return value.B.byteLength;
  return 1;
}
