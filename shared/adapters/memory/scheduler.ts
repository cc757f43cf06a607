/** One-off schedules on the clock's timers: each puts its message on the work queue at its time. */
import type { Clock } from "../../ports/clock.ts";
import type { Meter } from "../../ports/meter.ts";
import type { Queue } from "../../ports/queue.ts";
import type { Schedule, Scheduler } from "../../ports/scheduler.ts";
import { assertScheduleName, scheduleConflict } from "../common/schedules.ts";

export class MemoryScheduler implements Scheduler {
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #queue: Queue;
  readonly #schedules = new Map<string, { schedule: Schedule; cancel: () => void }>();

  constructor(clock: Clock, meter: Meter, queue: Queue) {
    this.#clock = clock;
    this.#meter = meter;
    this.#queue = queue;
  }

  async schedule(schedule: Schedule): Promise<void> {
    assertScheduleName(schedule);
    this.#meter.count(schedule.runId, "schedules", 1);
    const existing = this.#schedules.get(schedule.name)?.schedule;
    if (existing !== undefined) {
      const conflict = scheduleConflict(existing, schedule);
      if (conflict !== undefined) throw conflict;
      return;
    }
    const cancel = this.#clock.after(schedule.at - this.#clock.now(), () => {
      this.#schedules.delete(schedule.name);
      void this.#queue.send("work", [{ runId: schedule.runId, body: schedule.body }]);
    });
    this.#schedules.set(schedule.name, { schedule: { ...schedule }, cancel });
  }

  async unschedule(name: string, _runId: string): Promise<void> {
    this.#schedules.get(name)?.cancel();
    this.#schedules.delete(name);
  }

  /** What has not fired yet, in order of time. */
  pending(): Readonly<Schedule>[] {
    return [...this.#schedules.values()]
      .map(({ schedule }) => schedule)
      .sort((left, right) => left.at - right.at);
  }
}
