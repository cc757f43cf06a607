/**
 * The journal as the API shows it: events one by one, each with the sequence of its entry.
 *
 * No page splits an entry, so a page may hold more than `limit` events when one entry does.
 */
import type { Entry, RunEvent } from "../../core/events.ts";
import type { Json, Payload } from "../../core/json.ts";
import { INLINE_OUTPUT_BYTES_MAX } from "../../core/limits.ts";
import { runNotFound } from "../../engine/outside.ts";
import type { Engine } from "../../engine/settings.ts";
import { Budget, iso } from "./payloads.ts";

type View = { [field: string]: unknown };

export interface Page<T> {
  items: T[];
  cursor?: string;
}

const PAYLOADS = ["input", "state", "definition", "payload", "patch", "output"];
const TIMES = ["startAt", "deadline", "until", "dueAt", "nextAttemptAt"];

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
    const isFull = items.length + entry.events.length > limit || bytesOf(entry) > budget.bytesLeft;
    if (items.length > 0 && isFull) return { items, cursor: String(last) };
    for (const event of entry.events) items.push(await eventView(entry, event, budget));
    last = entry.sequence;
  }
  return rows.more ? { items, cursor: String(last) } : { items };
}

async function eventView(entry: Entry, event: RunEvent, budget: Budget): Promise<View> {
  const view: View = { sequence: entry.sequence, at: iso(entry.at), generation: entry.generation };
  for (const [field, value] of Object.entries(event)) {
    if (PAYLOADS.includes(field)) view[field] = await budget.show(value as Payload);
    else view[field] = TIMES.includes(field) ? iso(value as number) : (value as Json);
  }
  return view;
}

/** What showing an entry takes: its text, and its blobs as far as they can be shown at all. */
function bytesOf(entry: Entry): number {
  let bytes = JSON.stringify(entry.events).length;
  for (const event of entry.events) {
    for (const value of Object.values(event)) {
      if (isBlob(value) && value.b.bytes <= INLINE_OUTPUT_BYTES_MAX) bytes += value.b.bytes;
    }
  }
  return bytes;
}

const isBlob = (value: unknown): value is Extract<Payload, { b: unknown }> =>
  typeof value === "object" &&
  value !== null &&
  typeof (value as { b?: { key?: unknown } }).b?.key === "string";
