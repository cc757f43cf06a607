/**
 * Worker groups in the template: each has its own function, role, queue, leg length and alarms, and nothing of a group's
 * reaches another. What the stack is without groups, `stack.test.ts` says.
 */
import { Duration, Stack } from "aws-cdk-lib";
import type { Template } from "aws-cdk-lib/assertions";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import { beforeAll, describe, expect, test } from "vitest";
import { SETTINGS_ENVIRONMENT } from "../../functions/environment.ts";
import { GROUP_ENVIRONMENT, GROUPS_ENVIRONMENT } from "../../shared/adapters/aws/names.ts";
import { plain, type Resources, readable, statementsByRole, synthesize } from "./fixtures/synth.ts";

const payments = {
  entry: "test/cdk/fixtures/payments.ts",
  timeout: Duration.minutes(10),
  memorySize: 2048,
  environment: { SHOP: "one" },
};

let template: Template;
beforeAll(() => {
  template = synthesize({ groups: { payments } }, (stack) =>
    stack.flows
      .group("payments")
      .grant(
        new iam.PolicyStatement({ actions: ["ses:SendEmail"], resources: ["arn:aws:ses:::identity/a"] }),
      ),
  );
});

const ofType = (type: string, from = template) => from.findResources(type) as Resources;
const functionNamed = (name: string, from = template) =>
  Object.entries(ofType("AWS::Lambda::Function", from)).find(([id]) => plain(id) === name)![1].Properties;
const variables = (name: string) =>
  (functionNamed(name).Environment as { Variables: Record<string, unknown> }).Variables;

describe("a group", () => {
  test("has a function with its memory, its leg length, its environment and its name", () => {
    expect(functionNamed("FunctionsPaymentsAdvance")).toMatchObject({ Timeout: 610, MemorySize: 2048 });
    expect(variables("FunctionsPaymentsAdvance")).toMatchObject({
      SHOP: "one",
      POWERTOOLS_SERVICE_NAME: "stepfold-paymentsAdvance",
      [GROUP_ENVIRONMENT]: "payments",
      [SETTINGS_ENVIRONMENT.legMs]: "600000",
    });
    expect(variables("FunctionsAdvance")).not.toHaveProperty("SHOP");
    expect(variables("FunctionsAdvance")).not.toHaveProperty(GROUP_ENVIRONMENT);
  });

  test("has a queue of its own, hidden for longer than its legs, which feeds its function alone", () => {
    const queue = Object.entries(ofType("AWS::SQS::Queue")).find(
      ([id]) => plain(id) === "QueuesPaymentsWork",
    );
    expect(queue?.[1].Properties.VisibilityTimeout).toBe(630);
    const feeds = Object.values(ofType("AWS::Lambda::EventSourceMapping")).map(
      ({ Properties }) => `${readable(Properties.EventSourceArn)} to ${readable(Properties.FunctionName)}`,
    );
    expect(feeds).toEqual([
      "<QueuesWork.Arn> to <FunctionsAdvance>",
      "<QueuesSignals.Arn> to <FunctionsSignals>",
      "<QueuesTriggers.Arn> to <FunctionsTriggers>",
      "<QueuesPaymentsWork.Arn> to <FunctionsPaymentsAdvance>",
    ]);
  });

  test("is known to every function, which all may have to wake its runs", () => {
    for (const [id, { Properties }] of Object.entries(ofType("AWS::Lambda::Function"))) {
      const { Variables } = Properties.Environment as { Variables: Record<string, unknown> };
      expect(readable(Variables[GROUPS_ENVIRONMENT]), id).toBe(
        '{"payments":{"queueUrl":"<QueuesPaymentsWork>","queueArn":"<QueuesPaymentsWork.Arn>"}}',
      );
    }
  });

  test("has alarms of its own, and its queues among the outputs", () => {
    const alarms = Object.keys(ofType("AWS::CloudWatch::Alarm")).map((id) => plain(id).replace("Alarms", ""));
    expect(alarms.filter((name) => name.startsWith("Payments")).sort()).toEqual([
      "PaymentsAdvanceErrors",
      "PaymentsAdvanceThrottles",
      "PaymentsWorkAge",
      "PaymentsWorkDeadLetters",
    ]);
    expect(template.findOutputs("FlowsPaymentsWorkQueueUrl")).not.toEqual({});
    expect(template.findOutputs("FlowsPaymentsWorkDeadLettersUrl")).not.toEqual({});
  });
});

describe("grants", () => {
  const send = "sqs:SendMessage on <QueuesWork.Arn>, <QueuesPaymentsWork.Arn>";

  test("whoever wakes runs sends to every work queue, and takes from its own alone", () => {
    const byRole = statementsByRole(template);
    const queueGrants = (role: string) => byRole[role]!.filter((statement) => statement.startsWith("sqs:"));
    const receive =
      "sqs:ReceiveMessage sqs:DeleteMessage sqs:ChangeMessageVisibility sqs:GetQueueAttributes on";
    expect(queueGrants("FunctionsApiRole")).toEqual([`${send}, <QueuesSignals.Arn>`]);
    expect(queueGrants("FunctionsAdvanceRole")).toEqual([
      `${send}, <QueuesSignals.Arn>`,
      `${receive} <QueuesWork.Arn>`,
    ]);
    expect(queueGrants("FunctionsPaymentsAdvanceRole")).toEqual([
      `${send}, <QueuesSignals.Arn>`,
      `${receive} <QueuesPaymentsWork.Arn>`,
    ]);
    expect(queueGrants("FunctionsSignalsRole")).toEqual([send, `${receive} <QueuesSignals.Arn>`]);
    expect(queueGrants("FunctionsSweepRole")).toEqual([send]);
    expect(queueGrants("FunctionsTriggersRole")).toEqual([
      `${send}, <QueuesSignals.Arn>`,
      `${receive} <QueuesTriggers.Arn>`,
    ]);
    expect(queueGrants("SchedulesRole")).toEqual([send]);
  });

  test("beyond its queue, a group's function has what the default one has but the lists, and its own grants", () => {
    const byRole = statementsByRole(template);
    const others = (role: string) =>
      byRole[role]!.filter((statement) => !/^(sqs|logs):|Query on .*index/.test(statement))
        .map((statement) => statement.replace(" dynamodb:BatchGetItem", ""))
        .sort();
    expect(others("FunctionsPaymentsAdvanceRole")).toEqual(
      [...others("FunctionsAdvanceRole"), "ses:SendEmail on arn:aws:ses:::identity/a"].sort(),
    );
  });

  test("a group's own grants go to its function alone", () => {
    const having = Object.entries(statementsByRole(template)).filter(([, list]) =>
      list.some((one) => one.includes("ses:")),
    );
    expect(having.map(([role]) => role)).toEqual(["FunctionsPaymentsAdvanceRole"]);
  });
});

test("a group may run in a network: its role alone may attach to it", () => {
  const vpc = ec2.Vpc.fromVpcAttributes(new Stack(), "Net", {
    vpcId: "vpc-0123456789abcdef0",
    availabilityZones: ["eu-west-1a"],
    privateSubnetIds: ["subnet-0123456789abcdef0"],
  });
  const networked = synthesize({ groups: { payments: { ...payments, vpc } } });
  expect(functionNamed("FunctionsPaymentsAdvance", networked).VpcConfig).toMatchObject({
    SubnetIds: ["subnet-0123456789abcdef0"],
  });
  expect(functionNamed("FunctionsAdvance", networked)).not.toHaveProperty("VpcConfig");
  const attaching = Object.entries(statementsByRole(networked)).filter(([, list]) =>
    list.some((one) => one.includes("ec2:")),
  );
  expect(attaching).toEqual([
    [
      "FunctionsPaymentsAdvanceRole",
      expect.arrayContaining([
        "ec2:CreateNetworkInterface ec2:DescribeNetworkInterfaces ec2:DescribeSubnets ec2:DeleteNetworkInterface " +
          "ec2:AssignPrivateIpAddresses ec2:UnassignPrivateIpAddresses on *",
      ]),
    ],
  ]);
});

test("a group that there is not is refused by name", () => {
  synthesize({}, (stack) =>
    expect(() => stack.flows.group("payments")).toThrow(
      /Expected the name of a worker group, got "payments"/,
    ),
  );
});

test("names that cannot become part of the template are refused", () => {
  const named =
    (...names: string[]) =>
    () =>
      synthesize({ groups: Object.fromEntries(names.map((name) => [name, payments])) });
  expect(named("Payments")).toThrow(/begin with a small letter.*got "Payments"/);
  expect(named("default")).toThrow(/got "default"/);
  expect(named("pay-ments")).toThrow(/got "pay-ments"/);
  expect(named("payments", "payMents")).toThrow(/differ by more than case/);
  expect(() => synthesize({ groups: { payments: { ...payments, timeout: Duration.minutes(16) } } })).toThrow(
    /Expected the timeout of group payments to be at most 15 minutes/,
  );
  expect(() => synthesize({ groups: { payments: { entry: "nowhere.ts" } } })).toThrow(/at nowhere\.ts/);
});
