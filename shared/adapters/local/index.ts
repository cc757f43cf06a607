/** The ports on one directory: `stepfold.db` and `blobs/`. For `stepfold dev`, the demo, and small self-hosting. */
import { join } from "node:path";
import type { Clock } from "../../ports/clock.ts";
import { Meter } from "../../ports/meter.ts";
import type { Publisher } from "../../ports/publisher.ts";
import { silence } from "../common/events.ts";
import { VISIBILITY_MS } from "../common/mailbox.ts";
import { LocalBlobs } from "./blobs.ts";
import { systemClock } from "./clock.ts";
import { keepDeletingExpired } from "./expiry.ts";
import { LocalJournal } from "./journal.ts";
import { LinePublisher } from "./publisher.ts";
import { LocalQueue } from "./queue.ts";
import { LocalRegisters } from "./registers.ts";
import { type AwsAccess, NetworkRunners } from "./runners.ts";
import { LocalScheduler } from "./scheduler.ts";
import { Store } from "./store.ts";

export interface LocalPorts {
  journal: LocalJournal;
  queue: LocalQueue;
  scheduler: LocalScheduler;
  blobs: LocalBlobs;
  runners: NetworkRunners;
  registers: LocalRegisters;
  publisher: Publisher;
  clock: Clock;
  meter: Meter;
  /** Writes what was asked for, ends every wait, and lets go of the data. */
  close(): Promise<void>;
}

export interface LocalOptions {
  dir: string;
  visibilityMs?: number;
  /** For runners that are Lambda functions, and secrets of Secrets Manager. */
  aws?: AwsAccess;
  /** Given each change of a run's status, as a line. Default: nobody is told. */
  tell?: (line: string) => void;
}

/** Opens the data in `dir`, making it if there is none. One process at a time: see `Store.open` for how it fails. */
export async function localPorts(options: LocalOptions): Promise<LocalPorts> {
  const store = Store.open(options.dir);
  const clock = systemClock;
  const meter = new Meter();
  const journal = new LocalJournal(store, clock, meter);
  const queue = new LocalQueue(store, clock, meter, options.visibilityMs ?? VISIBILITY_MS);
  const scheduler = new LocalScheduler(store, clock, meter, queue);
  const blobs = new LocalBlobs(join(options.dir, "blobs"), clock);
  const runners = new NetworkRunners({ env: process.env, ...(options.aws ? { aws: options.aws } : {}) });
  const registers = new LocalRegisters(store, meter);
  const publisher = options.tell === undefined ? silence : new LinePublisher(options.tell);
  const stopDeleting = keepDeletingExpired(clock, journal, queue, blobs);
  const close = async () => {
    stopDeleting();
    scheduler.close();
    queue.close();
    journal.close();
    store.close();
  };
  return { journal, queue, scheduler, blobs, registers, publisher, runners, clock, meter, close };
}

export { systemClock } from "./clock.ts";
