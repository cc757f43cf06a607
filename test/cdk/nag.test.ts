/**
 * cdk-nag's AwsSolutions rules hold for the stack; what is excepted is listed here, and each exception has a reason.
 */
import { type Stack, Validations } from "aws-cdk-lib";
import * as events from "aws-cdk-lib/aws-events";
import * as s3 from "aws-cdk-lib/aws-s3";
import { AwsSolutionsChecks } from "cdk-nag";
import { expect, test } from "vitest";
import type { StepfoldStack } from "../../cdk/stack.ts";
import { withApp } from "./fixtures/synth.ts";

interface Acknowledged {
  path: string;
  rule: string;
  reason: string;
}

test("no finding is left", () => {
  expect(() => check()).not.toThrow();
});

test("a finding that nobody acknowledged fails the synthesis", () => {
  expect(() => check((stack) => new s3.Bucket(stack, "Open"))).toThrow(/AwsSolutions-S10/);
});

test("what the construct acknowledges does not hide what a user grants", () => {
  expect(() => check((stack) => new s3.Bucket(stack, "Own", {}).grantRead(stack.flows.advance))).toThrow(
    /AdvanceRole\/DefaultPolicy[\s\S]*AwsSolutions-IAM5/,
  );
});

test("triggers and schedules leave none either", () => {
  const declare = (stack: StepfoldStack) => {
    const rule = new events.Rule(stack, "Ordered", { eventPattern: { source: ["shop"] } });
    stack.flows.startOn(rule, "greet");
    stack.flows.signalOn(rule, { runId: "watcher", signal: "ordered" });
    stack.flows.schedule("nightly", "cron(0 3 * * ? *)", "greet");
  };
  expect(() => check(declare)).not.toThrow();
});

test("the exceptions are these, each with its reason", () => {
  const found = withApp({}, (_app, stack) => acknowledgements(stack));
  const anyBlob = "IAM5[Resource::<FlowsStorageBlobsC96CB0E9.Arn>/*]";
  const anySchedule =
    "IAM5[Resource::arn:<AWS::Partition>:scheduler:<AWS::Region>:<AWS::AccountId>:schedule/Test-Flows-Schedules-Group-44BB9DD7/*]";
  const anything = "IAM5[Resource::*]";
  expect(rulesByPath(found)).toEqual({
    "Storage/Blobs": ["S1"],
    "Functions/ApiRole/Grants": [anything, anyBlob, anySchedule],
    "Functions/AdvanceRole/Grants": [anything, anyBlob, anySchedule],
    "Functions/SignalsRole/Grants": [anything],
    "Functions/TriggersRole/Grants": [anything, anyBlob],
    "Functions/SweepRole/Grants": [anything],
  });
  for (const { rule, reason } of found) expect(reason, rule).toMatch(/^[A-Z].{40,}\.$/);
});

function check(before?: Parameters<typeof withApp>[2]): void {
  withApp(
    {},
    (app) => {
      Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
      app.synth();
    },
    before,
  );
}

function acknowledgements(stack: Stack): Acknowledged[] {
  return stack.node.findAll().flatMap(({ node }) =>
    node.metadata
      .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
      .flatMap(({ data }) => Object.entries(data as Record<string, string>))
      .map(([rule, reason]) => ({ path: node.path, rule, reason })),
  );
}

function rulesByPath(found: Acknowledged[]): Record<string, string[]> {
  const byPath: Record<string, string[]> = {};
  for (const { path, rule } of found) {
    const short = path.replace("Test/Flows/", "");
    byPath[short] = [...(byPath[short] ?? []), rule.replace("Annotation::AwsSolutions-", "")];
  }
  return byPath;
}
