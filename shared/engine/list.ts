/**
 * Lists of runs. An index has the runs of an owner, and those that others started under a parent; what a parent
 * started itself is in its journal, so that a child costs no index row.
 */

import { comparePlaces, formatCursor, type Place, parseCursor } from "../core/cursor.ts";
import { successorRunId } from "../core/ids.ts";
import { hasTag } from "../core/tags.ts";
import type { Header, ListQuery } from "../ports/journal.ts";
import { entriesOf, loadRun } from "./load.ts";
import type { Reader } from "./parts.ts";

const HEADERS_AT_ONCE = 50;

type Listed = { headers: Header[]; cursor?: string };

export async function runsOf(ports: Reader, query: ListQuery): Promise<Listed> {
  const { parent, order, limit, cursor } = query;
  const indexed = await ports.journal.list(query);
  if (parent === undefined) return indexed;
  const compare = (left: Place, right: Place) =>
    order === "asc" ? comparePlaces(left, right) : comparePlaces(right, left);
  const after = cursor === undefined ? undefined : parseCursor(cursor);
  // The index has looked no further than its cursor: what comes later is for a later page.
  const until = indexed.cursor === undefined ? undefined : parseCursor(indexed.cursor);
  const children = (await childrenOf(ports, parent)).filter(
    (header) =>
      holds(header, query) &&
      (after === undefined || compare(header, after) > 0) &&
      (until === undefined || compare(header, until) <= 0),
  );
  const all = [...indexed.headers, ...children].sort(compare);
  const found = [...new Map(all.map((header) => [header.runId, header])).values()];
  const headers = found.slice(0, limit);
  const next = found.length > limit ? formatCursor(headers.at(-1)!) : indexed.cursor;
  return next === undefined ? { headers } : { headers, cursor: next };
}

/** The runs that a run started, also before a redrive, each with those that it continues as. */
async function childrenOf(ports: Reader, runId: string): Promise<Header[]> {
  const ids = new Set<string>();
  for await (const { events } of entriesOf(ports, runId))
    for (const event of events) if (event.type === "ChildStarted") ids.add(event.childRunId);
  const found: Header[] = [];
  // The nodes of a map are named by their operations alone.
  const run = await loadRun(ports, runId);
  for (const { childRunId } of run?.state.operations.values() ?? []) if (childRunId) ids.add(childRunId);
  const left = [...ids];
  while (left.length > 0) {
    const some = left.splice(0, HEADERS_AT_ONCE);
    const headers = await Promise.all(some.map((id) => ports.journal.header(id)));
    for (const header of headers) {
      // One that was started without being waited for names no parent.
      if (header?.created.parent?.runId !== runId) continue;
      found.push(header);
      if (header.status === "completed") left.push(successorRunId(header.inc));
    }
  }
  return found;
}

function holds(header: Header, query: ListQuery): boolean {
  const { created, createdAt, status, stalled = false } = header;
  const { tag } = query;
  return (
    (query.status === undefined || query.status.includes(status)) &&
    (query.workflow === undefined || created.workflow === query.workflow) &&
    (query.owner === undefined || created.owner === query.owner) &&
    (query.stalled === undefined || stalled === query.stalled) &&
    (tag === undefined || hasTag(created.tags, tag)) &&
    (query.createdAfter === undefined || createdAt > query.createdAfter) &&
    (query.createdBefore === undefined || createdAt < query.createdBefore)
  );
}
