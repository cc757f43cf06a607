/** The ports in memory, on virtual time: for unit tests of users' workflows and the simulation. */
import { Meter } from "../../ports/meter.ts";
import { VISIBILITY_MS } from "../common/mailbox.ts";
import { MemoryBlobs } from "./blobs.ts";
import { VirtualClock } from "./clock.ts";
import { MemoryJournal } from "./journal.ts";
import { MemoryPublisher } from "./publisher.ts";
import { MemoryQueue } from "./queue.ts";
import { MemoryRegisters } from "./registers.ts";
import { MemoryRunners } from "./runners.ts";
import { MemoryScheduler } from "./scheduler.ts";

export interface MemoryPorts {
  journal: MemoryJournal;
  queue: MemoryQueue;
  scheduler: MemoryScheduler;
  blobs: MemoryBlobs;
  runners: MemoryRunners;
  registers: MemoryRegisters;
  publisher: MemoryPublisher;
  clock: VirtualClock;
  meter: Meter;
}

/** `seed` decides every random number and id; `now` is where time begins, in epoch milliseconds. */
export function memoryPorts(
  options: { seed?: number; now?: number; visibilityMs?: number } = {},
): MemoryPorts {
  const clock = new VirtualClock(options);
  const meter = new Meter();
  const queue = new MemoryQueue(clock, meter, options.visibilityMs ?? VISIBILITY_MS);
  return {
    journal: new MemoryJournal(clock, meter),
    queue,
    scheduler: new MemoryScheduler(clock, meter, queue),
    blobs: new MemoryBlobs(),
    runners: new MemoryRunners(),
    registers: new MemoryRegisters(meter),
    publisher: new MemoryPublisher(),
    clock,
    meter,
  };
}

export { VirtualClock } from "./clock.ts";
