/**
 * What DynamoDB and SQS would bill for what the memory and local adapters do: the same units without the services.
 *
 * 1. A write costs its item's bytes by the KB, the larger of before and after; a failed condition costs the same.
 * 2. The list index has one row a run that never changes; the due index has one while the run is due: a row that
 *    comes or goes is one unit, one that moves is two.
 * 3. A read costs its bytes by 4 KB, half unless consistent; nothing found costs as much as one small item.
 * 4. A queue request is up to ten messages and 1 MB, one more for every 64 KB.
 * Sizes are the JSON text's plus the keys' and names', and leave compression out: an upper bound above one unit.
 */
import { PortError } from "../../core/errors.ts";
import type { RunCreated } from "../../core/events.ts";
import {
  ITEM_BYTES_MAX,
  MESSAGE_BYTES_MAX,
  MESSAGES_PER_BATCH_MAX,
  READ_UNIT_BYTES,
  WRITE_UNIT_BYTES,
} from "../../core/limits.ts";
import type { NewRun, RunKey, Segment } from "../../ports/journal.ts";
import type { Meter } from "../../ports/meter.ts";
import type { OutgoingMessage } from "../../ports/queue.ts";

const ENTRY_OVERHEAD_BYTES = 90;
const HEADER_OVERHEAD_BYTES = 240;
const INDEX_ROW_BYTES = 120;
const QUEUE_REQUEST_BYTES = 64 * 1024;

export const writeUnits = (bytes: number): number => Math.max(1, Math.ceil(bytes / WRITE_UNIT_BYTES));
export const readUnits = (bytes: number, isConsistent: boolean): number =>
  Math.max(1, Math.ceil(bytes / READ_UNIT_BYTES)) * (isConsistent ? 1 : 0.5);

export const entryBytes = (runId: string, text: string): number =>
  Buffer.byteLength(text) + runId.length + ENTRY_OVERHEAD_BYTES;

export const segmentBytes = ({ runId }: RunKey, { bytes }: Segment): number =>
  bytes.byteLength + runId.length + ENTRY_OVERHEAD_BYTES;

export const headerBytes = (run: NewRun, createdText: string): number =>
  Buffer.byteLength(createdText) + run.runId.length + run.requestHash.length + HEADER_OVERHEAD_BYTES;

/** The rows of the list index, read in one go, and their headers. */
export const listReadUnits = (rows: number): number => readUnits(rows * INDEX_ROW_BYTES, false) + rows * 0.5;
export const dueReadUnits = (rows: number): number => readUnits(rows * INDEX_ROW_BYTES, false);

/** The write units of the due index when a run's place in it changes. */
export function dueIndexUnits(before: number | undefined, after: number | undefined): number {
  if (before === after) return 0;
  return (before === undefined ? 0 : 1) + (after === undefined ? 0 : 1);
}

/** A header's own item, its rows in the list and the due index, and in those of owners and parents where it has one.
 * A run that works on another's map is in the due index only. */
export const createUnits = (bytes: number, created: RunCreated): number =>
  created.node !== undefined
    ? writeUnits(bytes) + 1
    : writeUnits(bytes) +
      2 +
      (created.owner === undefined ? 0 : 1) +
      (created.parent?.operation === "" ? 1 : 0);

/** An entry's JSON text; refuses what would not fit into one item. */
export function entryText(key: RunKey, entry: { sequence: number }): { text: string; bytes: number } {
  const text = JSON.stringify(entry);
  const bytes = entryBytes(key.runId, text);
  if (bytes <= ITEM_BYTES_MAX) return { text, bytes };
  throw new PortError(
    "EntryTooLarge",
    `Expected entry ${entry.sequence} of run ${key.runId} to be at most ${ITEM_BYTES_MAX} bytes, got ${bytes}.`,
    {
      retryable: false,
      data: { runId: key.runId, sequence: entry.sequence, bytes, bytesMax: ITEM_BYTES_MAX },
    },
  );
}

/** Counts the requests that sending would take, shared among the messages of each; refuses a message too large. */
export function countSend(meter: Meter, messages: OutgoingMessage[]): void {
  const sizes = messages.map((message) => sizeOf(message));
  let begin = 0;
  while (begin < messages.length) {
    let end = begin;
    let bytes = 0;
    while (
      end < messages.length &&
      end - begin < MESSAGES_PER_BATCH_MAX &&
      bytes + sizes[end]! <= MESSAGE_BYTES_MAX
    ) {
      bytes += sizes[end++]!;
    }
    const share = Math.max(1, Math.ceil(bytes / QUEUE_REQUEST_BYTES)) / (end - begin);
    for (const message of messages.slice(begin, end)) meter.count(message.runId, "queueRequests", share);
    begin = end;
  }
}

function sizeOf(message: OutgoingMessage): number {
  const bytes = Buffer.byteLength(message.body);
  if (bytes <= MESSAGE_BYTES_MAX) return bytes;
  throw new PortError(
    "MessageTooLarge",
    `Expected a message of run ${message.runId} to be at most ${MESSAGE_BYTES_MAX} bytes, got ${bytes}.`,
    { retryable: false, data: { runId: message.runId, bytes, bytesMax: MESSAGE_BYTES_MAX } },
  );
}
