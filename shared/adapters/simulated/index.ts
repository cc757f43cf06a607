/**
 * The ports as one process of a simulation has them: other adapters, on virtual time, under faults. The same
 * adapters stand behind every process; what each process does with them is its own, until its life is over.
 */

import type { BlobStore } from "../../ports/blobs.ts";
import type { Clock } from "../../ports/clock.ts";
import type { JournalStore } from "../../ports/journal.ts";
import type { Meter } from "../../ports/meter.ts";
import type { Publisher } from "../../ports/publisher.ts";
import type { Queue } from "../../ports/queue.ts";
import type { Registers } from "../../ports/registers.ts";
import type { Runners } from "../../ports/runners.ts";
import type { Scheduler } from "../../ports/scheduler.ts";
import { SimulatedBlobs } from "./blobs.ts";
import { Caller } from "./caller.ts";
import { SimulatedClock } from "./clock.ts";
import type { Faults } from "./faults.ts";
import { SimulatedJournal } from "./journal.ts";
import type { Life } from "./life.ts";
import { SimulatedPublisher } from "./publisher.ts";
import { SimulatedQueue } from "./queue.ts";
import { SimulatedRegisters } from "./registers.ts";
import { SimulatedRunners } from "./runners.ts";
import { SimulatedScheduler } from "./scheduler.ts";

export interface PortsBehind {
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

export function simulatedPorts(
  behind: PortsBehind,
  options: { process: string; life: Life; faults: Faults; skewMs: number },
): PortsBehind {
  const { life, faults } = options;
  const caller = new Caller(options.process, behind.clock, life, faults);
  return {
    journal: new SimulatedJournal(behind.journal, caller),
    queue: new SimulatedQueue(behind.queue, caller),
    scheduler: new SimulatedScheduler(behind.scheduler, caller),
    blobs: new SimulatedBlobs(behind.blobs, caller),
    runners: new SimulatedRunners(behind.runners, caller),
    registers: new SimulatedRegisters(behind.registers, caller),
    publisher: new SimulatedPublisher(behind.publisher, caller),
    clock: new SimulatedClock(behind.clock, life, options.skewMs),
    meter: behind.meter,
  };
}

export type { Call, Conduct, Fault, FaultKind, Faults, PortName } from "./faults.ts";
export { Life } from "./life.ts";
