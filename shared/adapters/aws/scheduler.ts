/**
 * One-off schedules of EventBridge Scheduler, aimed at the work queue.
 *
 * 1. The name decides: a schedule of that name is accepted if it has the same time and message, otherwise it is a
 *    `ScheduleConflict`. One that fires and goes while it is being compared is made anew.
 * 2. Times are whole seconds in UTC, rounded down: early is harmless, late is not.
 * 3. A schedule deletes itself after it fires, and does not give up while its queue cannot be reached.
 */
import {
  CreateScheduleCommand,
  DeleteScheduleCommand,
  GetScheduleCommand,
  type SchedulerClient,
} from "@aws-sdk/client-scheduler";
import { PortError, StepfoldError } from "../../core/errors.ts";
import { SCHEDULE_NAME_LENGTH_MAX } from "../../core/limits.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Meter } from "../../ports/meter.ts";
import type { Schedule, Scheduler } from "../../ports/scheduler.ts";
import { ATTEMPTS_MAX, type Call, isException, withRetry } from "./retry.ts";

export interface EventBridgeSchedulerOptions {
  client: SchedulerClient;
  group: string;
  workQueueArn: string;
  /** The work queue of each worker group beside the default one. */
  groups?: Record<string, { queueArn: string }> | undefined;
  roleArn: string;
  clock: Clock;
  meter: Meter;
}

const NAME = new RegExp(`^[0-9a-zA-Z_.-]{1,${SCHEDULE_NAME_LENGTH_MAX}}$`);

export class EventBridgeScheduler implements Scheduler {
  readonly #options: EventBridgeSchedulerOptions;

  constructor(options: EventBridgeSchedulerOptions) {
    this.#options = options;
  }

  async schedule(schedule: Schedule): Promise<void> {
    assertName(schedule.name);
    const call = this.#call(`make the schedule ${schedule.name} of run ${schedule.runId}`, schedule.runId);
    for (let attempt = 1; ; attempt++) {
      if (await this.#create(schedule, call)) return;
      const found = await this.#find(schedule.name, call);
      if (found !== undefined) return assertSame(schedule, found);
      if (attempt === ATTEMPTS_MAX) throw neverThere(call);
    }
  }

  async unschedule(name: string, runId: string): Promise<void> {
    assertName(name);
    const command = new DeleteScheduleCommand({ Name: name, GroupName: this.#options.group });
    await this.#unlessAbsent(this.#call(`remove the schedule ${name} of run ${runId}`, runId), () =>
      this.#options.client.send(command),
    );
  }

  /** False if the name is taken. */
  #create({ runId, name, at, body, workers = "" }: Schedule, call: Call): Promise<boolean> {
    const { client, group, workQueueArn, groups = {}, roleArn, meter } = this.#options;
    const command = new CreateScheduleCommand({
      Name: name,
      GroupName: group,
      ScheduleExpression: expressionOf(at),
      ScheduleExpressionTimezone: "UTC",
      FlexibleTimeWindow: { Mode: "OFF" },
      ActionAfterCompletion: "DELETE",
      Target: { Arn: groups[workers]?.queueArn ?? workQueueArn, RoleArn: roleArn, Input: body },
    });
    return withRetry(this.#options.clock, call, async () => {
      try {
        await client.send(command);
      } catch (error) {
        if (isException(error, "ConflictException")) return false;
        throw error;
      }
      meter.count(runId, "schedules", 1);
      return true;
    });
  }

  async #find(name: string, call: Call): Promise<{ expression: string; body: string } | undefined> {
    const command = new GetScheduleCommand({ Name: name, GroupName: this.#options.group });
    const found = await this.#unlessAbsent(call, () => this.#options.client.send(command));
    if (found === undefined) return undefined;
    return { expression: found.ScheduleExpression ?? "", body: found.Target?.Input ?? "" };
  }

  #unlessAbsent<T>(call: Call, action: () => Promise<T>): Promise<T | undefined> {
    return withRetry(this.#options.clock, call, async () => {
      try {
        return await action();
      } catch (error) {
        if (isException(error, "ResourceNotFoundException")) return undefined;
        throw error;
      }
    });
  }

  #call(doing: string, runId: string): Call {
    const { group } = this.#options;
    return {
      doing,
      data: { runId, group },
      missing: {
        errors: ["ResourceNotFoundException"],
        code: "ScheduleGroupNotFound",
        message: `Expected the schedule group ${group} to exist, got none. Run \`cdk deploy\`, or check AWS_REGION and AWS_ENDPOINT_URL_SCHEDULER.`,
      },
    };
  }
}

/** `at(2026-01-31T23:59:59)`: seconds, no zone. */
const expressionOf = (at: number): string =>
  `at(${new Date(Math.floor(at / 1000) * 1000).toISOString().slice(0, 19)})`;

function assertName(name: string): void {
  if (NAME.test(name)) return;
  throw new StepfoldError(
    "InvalidScheduleName",
    `Expected a schedule's name to be 1 to ${SCHEDULE_NAME_LENGTH_MAX} of the characters A-Z a-z 0-9 _ . -, got "${name}".`,
    { name },
  );
}

function assertSame(schedule: Schedule, found: { expression: string; body: string }): void {
  const expression = expressionOf(schedule.at);
  if (found.expression === expression && found.body === schedule.body) return;
  const [expected, got] =
    found.expression === expression ? ["its message", "another"] : [expression, found.expression];
  throw new PortError(
    "ScheduleConflict",
    `Expected the schedule ${schedule.name} of run ${schedule.runId} to be free or to have ${expected}, got ${got}.`,
    {
      retryable: false,
      data: { runId: schedule.runId, name: schedule.name, expected: expression, found: found.expression },
    },
  );
}

function neverThere(call: Call): PortError {
  return new PortError(
    "Unavailable",
    `Could not ${call.doing}: its name is taken, yet there is no schedule of it.`,
    {
      retryable: true,
      data: call.data ?? {},
    },
  );
}
