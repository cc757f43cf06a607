/**
 * The journal as the API shows it: events one by one, each with the sequence of its entry.
 *
 * No page splits an entry, so a page may hold more than `limit` events when one entry does.
 */
import type { Entry, RunEvent } from "../../core/events.ts";
import type { Payload } from "../../core/json.ts";
import { INLINE_OUTPUT_BYTES_MAX } from "../../core/limits.ts";
import { runNotFound } from "../../engine/outside.ts";
import type { Engine } from "../../engine/settings.ts";
import { Budget, iso } from "./payloads.ts";

type View = { [field: string]: unknown };

export interface Page<T> {
  items: T[];
  cursor?: string;
}

const PAYLOADS = [
  "input",
  "state",
  "definition",
  "payload",
  "patch",
  "output",
  "wait",
  "structuredOutput",
  "markers",
  "context",
  "ref",
];
/** Parts of an event that have payloads of their own: signals of the run that it continues, items of a step. */
const LISTS = ["signals", "items"];
const TIMES = ["startAt", "deadline", "until", "dueAt", "nextAttemptAt", "observedAt"];

export async function journalPage(
  engine: Engine,
  runId: string,
  range: { after?: number; limit: number },
): Promise<Page<View>> {
  const { after, limit } = range;
  // One more than fits: it tells whether there is a next page.
  const rows = await engine.journal.read(runId, { after, consistent: true, limit: limit + 1 });
  if (rows === undefined) throw runNotFound(runId);
  const items: View[] = [];
  const budget = new Budget(engine);
  let last = after;
  for (const entry of rows.entries) {
    const isFull = items.length + entry.events.length > limit || !budget.hasRoomFor(bytesOf(entry));
    if (items.length > 0 && isFull) return { items, cursor: String(last) };
    for (const event of entry.events) items.push(await eventView(entry, event, budget));
    last = entry.sequence;
  }
  return rows.more ? { items, cursor: String(last) } : { items };
}

async function eventView(entry: Entry, event: RunEvent, budget: Budget): Promise<View> {
  const place = { sequence: entry.sequence, at: iso(entry.at), generation: entry.generation };
  return { ...place, ...(await fieldsView(event, budget)) };
}

async function fieldsView(fields: object, budget: Budget): Promise<View> {
  const view: View = {};
  for (const [field, value] of Object.entries(fields)) {
    if (PAYLOADS.includes(field)) view[field] = await budget.show(value as Payload);
    else if (TIMES.includes(field)) view[field] = iso(value as number);
    else if (LISTS.includes(field)) view[field] = await listView(value as object[], budget);
    else view[field] = value;
  }
  return view;
}

async function listView(parts: readonly object[], budget: Budget): Promise<View[]> {
  const views: View[] = [];
  for (const part of parts) views.push(await fieldsView(part, budget));
  return views;
}

/** What showing an entry takes: its text, and its blobs as far as they can be shown at all. */
const bytesOf = (entry: Entry): number =>
  Buffer.byteLength(JSON.stringify(entry.events)) + blobBytesOf(entry.events);

function blobBytesOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  if (isBlob(value)) return value.b.bytes <= INLINE_OUTPUT_BYTES_MAX ? value.b.bytes : 0;
  let bytes = 0;
  for (const inner of Object.values(value)) bytes += blobBytesOf(inner);
  return bytes;
}

const isBlob = (value: unknown): value is Extract<Payload, { b: unknown }> =>
  typeof value === "object" &&
  value !== null &&
  typeof (value as { b?: { key?: unknown } }).b?.key === "string";
