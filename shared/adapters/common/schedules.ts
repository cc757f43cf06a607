/** When two schedules of one name are the same, and what is wrong with a name. */
import { PortError } from "../../core/errors.ts";
import { SCHEDULE_NAME_LENGTH_MAX } from "../../core/limits.ts";
import type { Schedule } from "../../ports/scheduler.ts";

export function scheduleConflict(
  existing: Pick<Schedule, "at" | "body">,
  schedule: Schedule,
): PortError | undefined {
  if (existing.at === schedule.at && existing.body === schedule.body) return undefined;
  return new PortError(
    "ScheduleConflict",
    `Expected schedule ${schedule.name} of run ${schedule.runId} to be new or the same, got another time or message: ${existing.at} is there, ${schedule.at} was asked for.`,
    {
      retryable: false,
      data: { runId: schedule.runId, name: schedule.name, at: schedule.at, existingAt: existing.at },
    },
  );
}

export function assertScheduleName(schedule: Schedule): void {
  if (schedule.name.length <= SCHEDULE_NAME_LENGTH_MAX && /^[A-Za-z0-9_.-]+$/.test(schedule.name)) return;
  throw new PortError(
    "InvalidScheduleName",
    `Expected a schedule's name to be 1 to ${SCHEDULE_NAME_LENGTH_MAX} of [A-Za-z0-9_.-], got "${schedule.name}" for run ${schedule.runId}.`,
    { retryable: false, data: { runId: schedule.runId, name: schedule.name } },
  );
}
