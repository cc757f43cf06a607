/**
 * What the engine is built from. Hosts (Lambda entry points, the local host, tests) make one `Parts` and hand it to
 * every function of the engine; there are no globals.
 */
import type { Log } from "../core/context.ts";
import type { BlobStore } from "../ports/blobs.ts";
import type { Clock } from "../ports/clock.ts";
import type { JournalStore } from "../ports/journal.ts";
import type { Meter } from "../ports/meter.ts";
import type { Publisher } from "../ports/publisher.ts";
import type { Queue } from "../ports/queue.ts";
import type { Registers } from "../ports/registers.ts";
import type { Runners } from "../ports/runners.ts";
import type { Scheduler } from "../ports/scheduler.ts";
import type { Residents } from "./residents.ts";

/** The ports, and the meter that their adapters count on. */
export interface Ports {
  journal: JournalStore;
  queue: Queue;
  scheduler: Scheduler;
  blobs: BlobStore;
  runners: Runners;
  registers: Registers;
  publisher: Publisher;
  clock: Clock;
  meter: Meter;
}

/** Ports to read runs through. Hosts leave `pages` out: how many entries come with the header, and in each page then. */
export interface Reader extends Ports {
  pages?: { head: number; next: number };
  log?: Log;
  /** Runs that this process keeps: they are told what further reads of them take. */
  known?: Pick<Residents, "tell">;
}
