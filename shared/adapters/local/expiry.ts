/**
 * Deletes what has expired (J7), in the background: a little at a time, so that it never holds a turn for long.
 * Nobody depends on it: what has expired is not shown, deleted or not.
 */

import { blobPrefix } from "../../core/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import type { LocalBlobs } from "./blobs.ts";
import type { LocalJournal } from "./journal.ts";
import type { LocalQueue } from "./queue.ts";

const PAUSE_MS = 60_000;
const BUSY_PAUSE_MS = 250;
const RUNS_AT_ONCE = 50;

/** Goes on until the answer is called. */
export function keepDeletingExpired(
  clock: Clock,
  journal: LocalJournal,
  queue: LocalQueue,
  blobs: LocalBlobs,
): () => void {
  let isStopped = false;
  let cancel = clock.after(BUSY_PAUSE_MS, () => void round());
  const round = async () => {
    let pauseMs = PAUSE_MS;
    try {
      const deleted = await journal.deleteExpired(RUNS_AT_ONCE);
      for (const key of deleted) await blobs.removeAll(blobPrefix(key));
      if (deleted.length > 0) pauseMs = BUSY_PAUSE_MS;
      else await queue.deleteExpired();
    } catch {
      // Whatever keeps the store from writing shows in the writes that somebody waits for.
    }
    if (!isStopped) cancel = clock.after(pauseMs, () => void round());
  };
  return () => {
    isStopped = true;
    cancel();
  };
}
