/** Another scheduler, called under faults: its schedules fire early, late, twice or never. */
import type { Schedule, Scheduler } from "../../ports/scheduler.ts";
import type { Caller } from "./caller.ts";

export class SimulatedScheduler implements Scheduler {
  readonly #scheduler: Scheduler;
  readonly #caller: Caller;

  constructor(scheduler: Scheduler, caller: Caller) {
    this.#scheduler = scheduler;
    this.#caller = caller;
  }

  schedule(schedule: Schedule): Promise<void> {
    const { runId, name, at } = schedule;
    return this.#caller.call({ port: "scheduler", method: "schedule", runId }, async () => {
      const shifts = this.#caller.faults.onSchedule(name);
      for (const [copy, shiftMs] of shifts.entries())
        await this.#scheduler.schedule({
          ...schedule,
          name: copy === 0 ? name : `${name}-${copy}`,
          at: at + shiftMs,
        });
    });
  }

  unschedule(name: string, runId: string): Promise<void> {
    return this.#caller.call({ port: "scheduler", method: "unschedule", runId }, async () => {
      for (const copy of this.#caller.faults.onSchedule(name).keys())
        await this.#scheduler.unschedule(copy === 0 ? name : `${name}-${copy}`, runId);
    });
  }
}
