/** What `startOn`, `signalOn` and `schedule` make: the way from each source to the triggers function. */
import type { Stack } from "aws-cdk-lib";
import { Match, type Template } from "aws-cdk-lib/assertions";
import * as events from "aws-cdk-lib/aws-events";
import * as s3 from "aws-cdk-lib/aws-s3";
import * as sns from "aws-cdk-lib/aws-sns";
import * as sqs from "aws-cdk-lib/aws-sqs";
import { describe, expect, test } from "vitest";
import { objectEvents } from "../../cdk/objects.ts";
import type { StepfoldStack } from "../../cdk/stack.ts";
import { SOURCES_ENVIRONMENT } from "../../functions/environment.ts";
import { readable, synthesize, unbundled } from "./fixtures/synth.ts";

const { EventField } = events;
const pattern = { source: ["shop"] };
const aRule = (stack: Stack, id = "Ordered") => new events.Rule(stack, id, { eventPattern: pattern });
const withTriggers = (declare: (stack: StepfoldStack) => void) => synthesize({}, declare, unbundled);

/** The properties of the only resource of a type whose logical id matches. */
function only(template: Template, type: string, id: RegExp): Record<string, unknown> {
  const found = Object.entries(template.findResources(type)).filter(([name]) => id.test(name));
  expect(found, `${type} ${id}`).toHaveLength(1);
  return found[0]![1].Properties;
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
const targetOf = (template: Template, rule: RegExp): any =>
  (only(template, "AWS::Events::Rule", rule).Targets as unknown[])[0];

/** What a rule sends for an event. */
function sent(template: Template, rule: RegExp, event: object): unknown {
  const { InputTransformer } = targetOf(template, rule);
  expect(InputTransformer.InputPathsMap).toBeUndefined();
  const text = readable(InputTransformer.InputTemplate);
  expect(text.match(/<aws[^>]*>/g)).toEqual(["<aws.events.event.json>"]);
  return JSON.parse(text.replace("<aws.events.event.json>", JSON.stringify(event)));
}

/** What the triggers function knows of topics and queues. */
function sourcesOf(template: Template): unknown {
  const { Environment } = only(template, "AWS::Lambda::Function", /^FlowsFunctionsTriggers[0-9A-F]{8}$/);
  const { Variables } = Environment as { Variables: Record<string, unknown> };
  const sources = Variables[SOURCES_ENVIRONMENT];
  return sources === undefined ? undefined : JSON.parse(readable(sources));
}

describe("a rule", () => {
  test("starts a run: its message holds the event, and what to make of it", () => {
    const template = withTriggers((stack) => stack.flows.startOn(aRule(stack), "order"));
    expect(sent(template, /^Ordered/, { id: "e-1" })).toEqual({
      trigger: {
        id: "Test/Ordered/order",
        start: { workflow: "order", input: { $from: "$.detail" } },
      },
      event: { id: "e-1" },
    });
    const { Arn, DeadLetterConfig } = targetOf(template, /^Ordered/);
    expect(readable(Arn)).toBe("<QueuesTriggers.Arn>");
    expect(readable(DeadLetterConfig.Arn)).toBe("<QueuesTriggersDead.Arn>");
  });

  test("maps parts of the event, within texts too, and leaves other tokens to CloudFormation", () => {
    const template = withTriggers((stack) =>
      stack.flows.startOn(aRule(stack), "order", {
        input: {
          id: EventField.fromPath("$.detail.id"),
          text: `order ${EventField.fromPath("$.detail.id")} of <b>${EventField.source}</b>`,
          table: stack.flows.table.tableName,
          kept: [1, true, null, { a: undefined, b: 'with "quotes"' }],
        },
        idempotencyKey: EventField.fromPath("$.detail.id"),
      }),
    );
    expect(sent(template, /^Ordered/, {})).toMatchObject({
      trigger: {
        start: {
          input: {
            id: { $from: "$.detail.id" },
            text: { $text: ["order ", { $from: "$.detail.id" }, " of <b>", { $from: "$.source" }, "</b>"] },
            table: "<StorageJournal>",
            kept: [1, true, null, { b: 'with "quotes"' }],
          },
          idempotencyKey: { $from: "$.detail.id" },
        },
      },
    });
  });

  test("signals a run", () => {
    const template = withTriggers((stack) =>
      stack.flows.signalOn(aRule(stack), { runId: EventField.fromPath("$.detail.run"), signal: "paid" }),
    );
    expect(sent(template, /^Ordered/, {})).toMatchObject({
      trigger: {
        signal: { name: "paid", runId: { $from: "$.detail.run" }, payload: { $from: "$.detail" } },
      },
    });
  });

  test("does both", () => {
    const template = withTriggers((stack) => {
      const rule = aRule(stack);
      stack.flows.startOn(rule, "order");
      stack.flows.signalOn(rule, { runId: "watcher", signal: "ordered" });
    });
    expect(only(template, "AWS::Events::Rule", /^Ordered/).Targets).toHaveLength(2);
  });
});

describe("a bucket", () => {
  test("sends the objects that match to EventBridge, without a function of CDK's own", () => {
    const template = withTriggers((stack) => {
      const bucket = new s3.Bucket(stack, "In");
      stack.flows.startOn(objectEvents(bucket, { prefix: "in/", suffix: ".csv" }), "import");
      stack.flows.signalOn(objectEvents(bucket, { on: "deleted" }), { runId: "janitor", signal: "gone" });
    });
    template.hasResourceProperties("AWS::S3::Bucket", {
      NotificationConfiguration: { EventBridgeConfiguration: { EventBridgeEnabled: true } },
    });
    template.resourceCountIs("Custom::S3BucketNotifications", 0);
    expect(only(template, "AWS::Events::Rule", /import/)).toMatchObject({
      EventPattern: {
        source: ["aws.s3"],
        "detail-type": ["Object Created"],
        detail: {
          bucket: { name: [{ Ref: expect.stringMatching(/^In/) }] },
          object: { key: [{ wildcard: "in/*.csv" }] },
        },
      },
    });
    expect(sent(template, /import/, {})).toMatchObject({
      trigger: {
        start: {
          idempotencyKey: { $text: expect.arrayContaining([{ $from: "$.detail.object.sequencer" }]) },
        },
      },
    });
    expect(only(template, "AWS::Events::Rule", /gone/)).toMatchObject({
      EventPattern: { "detail-type": ["Object Deleted"] },
    });
  });

  test("with notifications of its own keeps them", () => {
    const template = withTriggers((stack) => {
      const bucket = new s3.Bucket(stack, "In", { eventBridgeEnabled: true });
      stack.flows.startOn(objectEvents(bucket), "import");
    });
    template.hasResourceProperties("Custom::S3BucketNotifications", {
      NotificationConfiguration: { EventBridgeConfiguration: {} },
    });
  });

  test("that gets its notifications afterwards is refused, since they would undo each other", () => {
    expect(() =>
      withTriggers((stack) => {
        const bucket = new s3.Bucket(stack, "In");
        stack.flows.startOn(objectEvents(bucket), "import");
        bucket.enableEventBridgeNotification();
      }),
    ).toThrow(/Expected Test\/In to get its notifications before startOn or signalOn/);
  });
});

describe("a topic and a queue", () => {
  test("a topic subscribes the triggers queue once, and its triggers are in the function's environment", () => {
    const template = withTriggers((stack) => {
      const topic = new sns.Topic(stack, "Orders");
      stack.flows.startOn(topic, "order", { input: { id: EventField.fromPath("$.id") } });
      stack.flows.signalOn(topic, { runId: EventField.fromPath("$.id"), signal: "ordered" });
    });
    template.resourceCountIs("AWS::SNS::Subscription", 1);
    template.hasResourceProperties("AWS::SNS::Subscription", {
      Protocol: "sqs",
      RedrivePolicy: { deadLetterTargetArn: Match.anyValue() },
    });
    expect(sourcesOf(template)).toEqual([
      {
        arn: "<Orders>",
        triggers: [
          { id: "Test/Orders/order", start: { workflow: "order", input: { id: { $from: "$.id" } } } },
          {
            id: "Test/Orders/ordered",
            signal: { name: "ordered", runId: { $from: "$.id" }, payload: { $from: "$" } },
          },
        ],
      },
    ]);
  });

  test("a queue feeds the function by itself, with partial failures, and its dead letters raise an alarm", () => {
    const template = withTriggers((stack) => {
      const dead = new sqs.Queue(stack, "Dead");
      const queue = new sqs.Queue(stack, "Jobs", { deadLetterQueue: { queue: dead, maxReceiveCount: 5 } });
      stack.flows.startOn(queue, "order");
    });
    expect(only(template, "AWS::Lambda::EventSourceMapping", /Jobs/)).toMatchObject({
      FunctionResponseTypes: ["ReportBatchItemFailures"],
    });
    expect(sourcesOf(template)).toMatchObject([{ arn: "<Jobs.Arn>" }]);
    expect(only(template, "AWS::CloudWatch::Alarm", /Jobs/)).toMatchObject({
      AlarmDescription: "A message on the Test/Jobs queue could not be processed.",
      Dimensions: [{ Value: { "Fn::GetAtt": [expect.stringMatching(/^Dead/), "QueueName"] } }],
    });
    const policies = Object.entries(template.findResources("AWS::IAM::Policy"));
    const own = policies.filter(([id]) => /TriggersRoleDefaultPolicy/.test(id));
    expect(own.map(([, { Properties }]) => Properties.PolicyDocument.Statement)).toEqual([
      [
        {
          Effect: "Allow",
          Action: [
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:ChangeMessageVisibility",
            "sqs:GetQueueAttributes",
          ],
          Resource: { "Fn::GetAtt": [expect.stringMatching(/^Jobs/), "Arn"] },
        },
      ],
    ]);
  });
});

describe("a schedule", () => {
  test("sends the time that is due to the triggers queue, in a group of its own", () => {
    const template = withTriggers((stack) => {
      stack.flows.schedule("nightly", "cron(0 3 * * ? *)", "report", {
        overlap: "queue",
        timezone: "Europe/Berlin",
        input: { day: EventField.fromPath("$.scheduledAt") },
        enabled: false,
      });
      stack.flows.schedule("ping", "rate(5 minutes)", { runId: "watcher", signal: "tick" });
    });
    const nightly = only(template, "AWS::Scheduler::Schedule", /nightly/);
    expect(nightly).toMatchObject({
      Name: "nightly",
      ScheduleExpression: "cron(0 3 * * ? *)",
      ScheduleExpressionTimezone: "Europe/Berlin",
      State: "DISABLED",
      FlexibleTimeWindow: { Mode: "OFF" },
    });
    const { Arn, Input, DeadLetterConfig } = nightly.Target as Record<string, { Arn: unknown }>;
    expect(readable(Arn)).toBe("<QueuesTriggers.Arn>");
    expect(readable(DeadLetterConfig!.Arn)).toBe("<QueuesTriggersDead.Arn>");
    expect(JSON.parse(readable(Input))).toEqual({
      trigger: {
        id: "schedule/nightly",
        schedule: {
          name: "nightly",
          overlap: "queue",
          workflow: "report",
          input: { day: { $from: "$.scheduledAt" } },
        },
      },
      event: {
        id: "<aws.scheduler.scheduled-time>",
        schedule: "nightly",
        scheduledAt: "<aws.scheduler.scheduled-time>",
      },
    });
    const ping = only(template, "AWS::Scheduler::Schedule", /ping/);
    expect(ping.State).toBe("ENABLED");
    expect(JSON.parse(readable((ping.Target as { Input: unknown }).Input))).toMatchObject({
      trigger: { signal: { name: "tick", runId: "watcher" } },
    });
    template.resourceCountIs("AWS::Scheduler::ScheduleGroup", 2);
    template.hasOutput("FlowsCronGroupName", {});
  });

  test("skips overlapping times unless it is told otherwise", () => {
    const template = withTriggers((stack) => stack.flows.schedule("n", "rate(1 hour)", "report"));
    const { Target } = only(template, "AWS::Scheduler::Schedule", /Cronsn/);
    expect(JSON.parse(readable((Target as { Input: unknown }).Input)).trigger.schedule).toEqual({
      name: "n",
      overlap: "skip",
      workflow: "report",
      input: { schedule: { $from: "$.schedule" }, scheduledAt: { $from: "$.scheduledAt" } },
    });
  });
});

test("without triggers there is nothing of them", () => {
  const template = synthesize({}, undefined, unbundled);
  template.resourceCountIs("AWS::Scheduler::ScheduleGroup", 1);
  expect(sourcesOf(template)).toBeUndefined();
});

describe("refused by name", () => {
  const refused: [string, (stack: StepfoldStack) => void, RegExp][] = [
    [
      "a queue without a dead-letter queue",
      (stack) => stack.flows.startOn(new sqs.Queue(stack, "Jobs"), "order"),
      /Expected the queue Test\/Jobs to have a dead-letter queue, got none/,
    ],
    [
      "two triggers of one workflow on one source",
      (stack) => {
        const rule = aRule(stack);
        for (const _ of [1, 2]) stack.flows.startOn(rule, "order");
      },
      /Expected one trigger of order on Test\/Ordered, got two/,
    ],
    [
      "a path that cannot be followed",
      (stack) => stack.flows.startOn(aRule(stack), "order", { input: EventField.fromPath("$..id") }),
      /Expected input to have paths such as \$\.detail\.id.*, got \$\.\.id/,
    ],
    [
      "a mapping that is no JSON",
      (stack) => stack.flows.startOn(aRule(stack), "order", { input: { at: () => 1 } }),
      /Expected input\.at to have JSON, got function/,
    ],
    [
      "a schedule's name that Scheduler does not take",
      (stack) => stack.flows.schedule("every night", "rate(1 day)", "report"),
      /Expected a schedule's name to be 1 to 64 of .*, got "every night"/,
    ],
    [
      "more on topics and queues than an environment holds",
      (stack) => stack.flows.startOn(new sns.Topic(stack, "T"), "order", { input: "x".repeat(2_400) }),
      /Expected the triggers on topics and queues to take at most 2400 bytes/,
    ],
    [
      "what is no source",
      (stack) => stack.flows.startOn("orders" as never, "order"),
      /Expected a rule, objectEvents\(bucket\), a topic or a queue/,
    ],
  ];
  test.each(refused)("%s", (_what, declare, message) => {
    expect(() => withTriggers(declare)).toThrow(message);
  });
});
