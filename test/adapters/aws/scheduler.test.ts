import {
  CreateScheduleCommand,
  DeleteScheduleCommand,
  GetScheduleCommand,
  SchedulerClient,
} from "@aws-sdk/client-scheduler";
import { mockClient } from "aws-sdk-client-mock";
import { beforeEach, expect, it } from "vitest";
import { ATTEMPTS_MAX } from "../../../shared/adapters/aws/retry.ts";
import { EventBridgeScheduler } from "../../../shared/adapters/aws/scheduler.ts";
import { Meter } from "../../../shared/ports/meter.ts";
import { awsError, instantClock, region } from "./clock.ts";

const mock = mockClient(SchedulerClient);
let meter: Meter;
let scheduler: EventBridgeScheduler;

const at = Date.UTC(2026, 11, 31, 23, 59, 58, 999);
const schedule = { runId: "r-1", name: "Sleep.1_a-b", at, body: '{"wake":"r-1"}' };
const stored = {
  ScheduleExpression: "at(2026-12-31T23:59:58)",
  Target: { Arn: "a", RoleArn: "r", Input: schedule.body },
};
const conflict = awsError("ConflictException", 409);
const absent = awsError("ResourceNotFoundException", 404);

beforeEach(() => {
  mock.reset();
  meter = new Meter();
  scheduler = new EventBridgeScheduler({
    client: new SchedulerClient(region),
    group: "stepfold",
    workQueueArn: "arn:aws:sqs:us-east-1:000000000000:work",
    roleArn: "arn:aws:iam::000000000000:role/scheduler",
    clock: instantClock(),
    meter,
  });
});

it("asks for a one-off schedule in UTC seconds, rounded down, that deletes itself", async () => {
  mock.on(CreateScheduleCommand).resolves({});
  await scheduler.schedule(schedule);
  expect(mock.calls().map((call) => call.args[0].input)).toEqual([
    {
      Name: "Sleep.1_a-b",
      GroupName: "stepfold",
      ScheduleExpression: "at(2026-12-31T23:59:58)",
      ScheduleExpressionTimezone: "UTC",
      FlexibleTimeWindow: { Mode: "OFF" },
      ActionAfterCompletion: "DELETE",
      Target: {
        Arn: "arn:aws:sqs:us-east-1:000000000000:work",
        RoleArn: "arn:aws:iam::000000000000:role/scheduler",
        Input: '{"wake":"r-1"}',
      },
    },
  ]);
  expect(meter.drain("r-1")?.schedules).toBe(1);
});

it("accepts an existing schedule of the same second and message", async () => {
  mock.on(CreateScheduleCommand).rejects(conflict).on(GetScheduleCommand).resolves(stored);
  await scheduler.schedule({ ...schedule, at: at - 500 });
  const [get] = mock.commandCalls(GetScheduleCommand);
  expect(get!.args[0].input).toEqual({ Name: "Sleep.1_a-b", GroupName: "stepfold" });
  expect(meter.total.schedules).toBe(0);
});

it.each([
  ["time", { at: at + 1_000 }],
  ["message", { body: "other" }],
])("refuses an existing schedule of another %s", async (_what, change) => {
  mock.on(CreateScheduleCommand).rejects(conflict).on(GetScheduleCommand).resolves(stored);
  await expect(scheduler.schedule({ ...schedule, ...change })).rejects.toMatchObject({
    code: "ScheduleConflict",
    retryable: false,
  });
});

it("makes anew a schedule that fired while it was being compared", async () => {
  mock.on(CreateScheduleCommand).rejectsOnce(conflict).resolves({}).on(GetScheduleCommand).rejects(absent);
  await scheduler.schedule(schedule);
  expect(mock.commandCalls(CreateScheduleCommand)).toHaveLength(2);
  expect(meter.total.schedules).toBe(1);
});

it("gives up, for later, on a name that is taken and absent each time", async () => {
  mock.on(CreateScheduleCommand).rejects(conflict).on(GetScheduleCommand).rejects(absent);
  await expect(scheduler.schedule(schedule)).rejects.toMatchObject({ code: "Unavailable", retryable: true });
  expect(mock.commandCalls(CreateScheduleCommand)).toHaveLength(ATTEMPTS_MAX);
});

it.each([
  ["throttling", awsError("ThrottlingException", 429), "Throttled", true, ATTEMPTS_MAX],
  ["the quota", awsError("ServiceQuotaExceededException", 402), "QuotaExceeded", true, 1],
  ["a missing group", absent, "ScheduleGroupNotFound", false, 1],
  ["a wrong role", awsError("ValidationException"), "RequestRefused", false, 1],
])("tells %s", async (_name, error, code, retryable, attempts) => {
  mock.on(CreateScheduleCommand).rejects(error);
  await expect(scheduler.schedule(schedule)).rejects.toMatchObject({ code, retryable });
  expect(mock.commandCalls(CreateScheduleCommand)).toHaveLength(attempts);
});

it.each(["", "x".repeat(65), "a b", "a/b", "ä", "a\n"])("refuses the name %j before asking", async (name) => {
  await expect(scheduler.schedule({ ...schedule, name })).rejects.toMatchObject({
    code: "InvalidScheduleName",
  });
  await expect(scheduler.unschedule(name, "r-1")).rejects.toMatchObject({ code: "InvalidScheduleName" });
  expect(mock.calls()).toHaveLength(0);
});

it("removes a schedule, and takes one that is gone for removed", async () => {
  mock.on(DeleteScheduleCommand).resolvesOnce({}).rejects(absent);
  await scheduler.unschedule("a", "r-1");
  await scheduler.unschedule("a", "r-1");
  expect(mock.call(0).args[0].input).toEqual({ Name: "a", GroupName: "stepfold" });
});

it.each([
  ["payments", "payments-arn"],
  ["gone", "work-arn"],
  [undefined, "work-arn"],
])("aims at the queue of the worker group %s", async (workers, arn) => {
  mock.on(CreateScheduleCommand).resolves({});
  const grouped = new EventBridgeScheduler({
    client: new SchedulerClient(region),
    group: "stepfold",
    workQueueArn: "work-arn",
    groups: { payments: { queueArn: "payments-arn" } },
    roleArn: "role",
    clock: instantClock(),
    meter,
  });
  await grouped.schedule({ ...schedule, ...(workers && { workers }) });
  expect(mock.commandCalls(CreateScheduleCommand)[0]!.args[0].input.Target?.Arn).toBe(arn);
});
