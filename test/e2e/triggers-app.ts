/**
 * The CDK app of the end-to-end test of triggers: each kind of source starts runs and signals them, a schedule of each
 * kind, and a bus that is told of runs, whose events a queue collects.
 */
import { App, CfnOutput, Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as events from "aws-cdk-lib/aws-events";
import * as targets from "aws-cdk-lib/aws-events-targets";
import * as iam from "aws-cdk-lib/aws-iam";
import * as s3 from "aws-cdk-lib/aws-s3";
import * as sns from "aws-cdk-lib/aws-sns";
import * as sqs from "aws-cdk-lib/aws-sqs";
import { objectEvents } from "../../cdk/objects.ts";
import { Stepfold } from "../../cdk/stepfold.ts";

const stack = new Stack(new App(), "Triggered", {
  env: { account: process.env.CDK_DEFAULT_ACCOUNT, region: process.env.CDK_DEFAULT_REGION },
});
const { EventField } = events;
const output = (name: string, value: string) => new CfnOutput(stack, name, { value });

const bus = new events.EventBus(stack, "Bus");
const told = new sqs.Queue(stack, "Told");
new events.Rule(stack, "Tell", {
  eventBus: bus,
  eventPattern: { source: ["stepfold"], detailType: ["Run Status Changed"] },
  targets: [new targets.SqsQueue(told)],
});

const flows = new Stepfold(stack, "Flows", {
  entry: "test/e2e/workflows.ts",
  bus,
  sweepAfter: Duration.seconds(5),
  removalPolicy: RemovalPolicy.DESTROY,
});
const caller = new iam.Role(stack, "Caller", { assumedBy: new iam.AccountRootPrincipal() });
flows.grantInvoke(caller);

const rule = (detailType: string) =>
  new events.Rule(stack, detailType, { eventPattern: { source: ["shop"], detailType: [detailType] } });
flows.startOn(rule("Ordered"), "greet", {
  input: { name: `<${EventField.fromPath("$.detail.name")}>` },
  idempotencyKey: EventField.fromPath("$.detail.id"),
});
flows.signalOn(rule("Paid"), { runId: EventField.fromPath("$.detail.runId"), signal: "paid" });

const bucket = new s3.Bucket(stack, "In", { removalPolicy: RemovalPolicy.DESTROY });
flows.startOn(objectEvents(bucket, { prefix: "in/", suffix: ".csv" }), "greet", {
  input: { name: EventField.fromPath("$.detail.object.key") },
});
flows.signalOn(objectEvents(bucket, { on: "deleted" }), {
  runId: EventField.fromPath("$.detail.object.key"),
  signal: "paid",
});

const topic = (id: string) => new sns.Topic(stack, id);
const [visits, payments] = [topic("Visits"), topic("Payments")];
flows.startOn(visits, "greet");
flows.signalOn(payments, {
  runId: EventField.fromPath("$.runId"),
  signal: "paid",
  payload: { by: "topic", amount: EventField.fromPath("$.amount") },
});

const dead = new sqs.Queue(stack, "Dead");
const queue = (id: string) =>
  new sqs.Queue(stack, id, { deadLetterQueue: { queue: dead, maxReceiveCount: 1 } });
const [jobs, answers] = [queue("Jobs"), queue("Answers")];
flows.startOn(jobs, "greet", { idempotencyKey: EventField.fromPath("$.name") });
flows.signalOn(answers, { runId: EventField.fromPath("$.runId"), signal: "paid" });

flows.schedule("minutely", "cron(* * * * ? *)", "order", {
  overlap: "skip",
  input: { at: EventField.fromPath("$.scheduledAt") },
});
flows.schedule("pay", "cron(* * * * ? *)", { runId: "watcher", signal: "paid" });
flows.schedule("never", "rate(1 minute)", "greet", { enabled: false });

output("CallerArn", caller.roleArn);
output("ToldUrl", told.queueUrl);
output("InName", bucket.bucketName);
output("VisitsArn", visits.topicArn);
output("PaymentsArn", payments.topicArn);
output("JobsUrl", jobs.queueUrl);
output("AnswersUrl", answers.queueUrl);
output("DeadUrl", dead.queueUrl);
