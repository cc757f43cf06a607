/**
 * Recurring schedules: EventBridge Scheduler puts a message on the triggers queue at each of their times. What the
 * overlap policy says is decided there, by the triggers function, since only it knows of the last run.
 *
 * Each schedule has the name that it was declared with, in a group of its own, so that it can be found and paused.
 */
import { Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as scheduler from "aws-cdk-lib/aws-scheduler";
import { Construct } from "constructs";
import { StepfoldError } from "../shared/core/errors.ts";
import { SCHEDULE_NAME_LENGTH_MAX } from "../shared/core/limits.ts";
import type { Template } from "../shared/engine/mapping.ts";
import type { Overlap } from "../shared/engine/schedule.ts";
import type { Trigger } from "../shared/engine/trigger.ts";
import { from, templateOf } from "./mapping.ts";
import type { QueuePair } from "./queues.ts";

export interface SignalScheduleOptions {
  /** In which a cron expression is meant, such as `"Europe/Berlin"`. Default: UTC. */
  timezone?: string;
  /** Default: true. */
  enabled?: boolean;
}

export interface ScheduleOptions extends SignalScheduleOptions {
  /** When the last run is not finished: start nothing, start once it is, or start all the same. Default: `"skip"`. */
  overlap?: Overlap;
  /** May hold `EventField.fromPath("$.scheduledAt")`. Default: `{ schedule, scheduledAt }`. */
  input?: unknown;
}

export interface SignalSchedule {
  runId: string;
  signal: string;
  /** May hold `EventField.fromPath("$.scheduledAt")`. Default: `{ schedule, scheduledAt }`. */
  payload?: unknown;
}

const scheduled: Template = { schedule: from("$.schedule"), scheduledAt: from("$.scheduledAt") };
const NAME = new RegExp(`^[0-9a-zA-Z_.-]{1,${SCHEDULE_NAME_LENGTH_MAX}}$`);

export class Crons extends Construct {
  readonly group: scheduler.ScheduleGroup;
  readonly #role: iam.Role;
  readonly #queue: QueuePair;

  constructor(scope: Construct, id: string, queue: QueuePair) {
    super(scope, id);
    this.#queue = queue;
    this.group = new scheduler.ScheduleGroup(this, "Group");
    this.#role = new iam.Role(this, "Role", {
      description: "EventBridge Scheduler sends what is due to the triggers queue.",
      assumedBy: new iam.ServicePrincipal("scheduler.amazonaws.com", {
        conditions: {
          StringEquals: {
            "aws:SourceAccount": Stack.of(this).account,
            "aws:SourceArn": this.group.scheduleGroupArn,
          },
        },
      }),
    });
    this.#role.addToPolicy(
      new iam.PolicyStatement({
        actions: ["sqs:SendMessage"],
        resources: [queue.queue.queueArn, queue.deadLetters.queueArn],
      }),
    );
  }

  add(
    name: string,
    expression: string,
    what: string | SignalSchedule,
    { overlap = "skip", timezone, input, enabled = true }: ScheduleOptions,
  ): void {
    checkName(name);
    const trigger: Trigger = { id: `schedule/${name}` };
    if (typeof what === "string")
      trigger.schedule = {
        name,
        overlap,
        workflow: what,
        input: input === undefined ? scheduled : templateOf(input, "input"),
      };
    else
      trigger.signal = {
        name: what.signal,
        runId: templateOf(what.runId, "runId"),
        payload: what.payload === undefined ? scheduled : templateOf(what.payload, "payload"),
      };
    const at = "<aws.scheduler.scheduled-time>";
    const event = { id: at, schedule: name, scheduledAt: at };
    new scheduler.CfnSchedule(this, name, {
      name,
      groupName: this.group.scheduleGroupName,
      description: typeof what === "string" ? `Starts ${what}.` : `Signals ${what.signal}.`,
      scheduleExpression: expression,
      ...(timezone === undefined ? {} : { scheduleExpressionTimezone: timezone }),
      flexibleTimeWindow: { mode: "OFF" },
      state: enabled ? "ENABLED" : "DISABLED",
      target: {
        arn: this.#queue.queue.queueArn,
        roleArn: this.#role.roleArn,
        input: Stack.of(this).toJsonString({ trigger, event }),
        deadLetterConfig: { arn: this.#queue.deadLetters.queueArn },
      },
    });
  }
}

function checkName(name: string): void {
  if (NAME.test(name)) return;
  throw new StepfoldError(
    "InvalidScheduleName",
    `Expected a schedule's name to be 1 to ${SCHEDULE_NAME_LENGTH_MAX} of the characters A-Z a-z 0-9 _ . -, got ${JSON.stringify(name)}.`,
    { name },
  );
}
