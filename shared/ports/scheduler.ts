/**
 * One-off schedules that put a message on the work queue at a time too far off for a message's own delay.
 *
 * 1. `schedule` is idempotent by name: a schedule of that name is accepted if it has the same time and message, and
 *    is otherwise a `PortError` with code `ScheduleConflict`.
 * 2. A schedule fires once, not before its time by more than a minute, and is then gone. It may fire late, twice,
 *    or (rarely) never: the sweep covers that.
 * 3. One that cannot be made (throttled, quota) is a `PortError` with `retryable` set; the caller falls back to the
 *    sweep.
 */
export interface Schedule {
  runId: string;
  /** At most `SCHEDULE_NAME_LENGTH_MAX` characters of `[A-Za-z0-9_.-]`. */
  name: string;
  at: number;
  /** The body of the message for the work queue. */
  body: string;
  /** The worker group whose queue that is; absent or unknown, the default one. */
  workers?: string;
}

export interface Scheduler {
  schedule(schedule: Schedule): Promise<void>;
  /** Removes it, if it is still there. */
  unschedule(name: string, runId: string): Promise<void>;
}
