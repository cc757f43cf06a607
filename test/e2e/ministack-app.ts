/**
 * The CDK app of the end-to-end test: Stepfold as a user deploys it, with short times, a caller that may use the API
 * and one that may not, and two EventBridge rules that aim at the triggers queue.
 */
import { App, CfnOutput, Duration, RemovalPolicy } from "aws-cdk-lib";
import * as events from "aws-cdk-lib/aws-events";
import * as targets from "aws-cdk-lib/aws-events-targets";
import * as iam from "aws-cdk-lib/aws-iam";
import { StepfoldStack } from "../../cdk/stack.ts";

const app = new App();
const stack = new StepfoldStack(app, "Deployed", {
  env: { account: process.env.CDK_DEFAULT_ACCOUNT, region: process.env.CDK_DEFAULT_REGION },
  flows: {
    entry: "test/e2e/workflows.ts",
    messageDelayMax: Duration.seconds(2),
    sweepAfter: Duration.seconds(5),
    removalPolicy: RemovalPolicy.DESTROY,
  },
});
const { flows } = stack;

const caller = new iam.Role(stack, "Caller", { assumedBy: new iam.AccountRootPrincipal() });
const stranger = new iam.Role(stack, "Stranger", { assumedBy: new iam.AccountRootPrincipal() });
flows.grantInvoke(caller);
new CfnOutput(stack, "CallerArn", { value: caller.roleArn });
new CfnOutput(stack, "StrangerArn", { value: stranger.roleArn });

const from = (detailType: string, message: Record<string, unknown>) =>
  new events.Rule(stack, detailType, {
    eventPattern: { source: ["shop"], detailType: [detailType] },
    targets: [
      new targets.SqsQueue(flows.triggersQueue, { message: events.RuleTargetInput.fromObject(message) }),
    ],
  });
from("Paid", {
  runId: events.EventField.fromPath("$.detail.runId"),
  signal: "paid",
  payload: { amount: events.EventField.fromPath("$.detail.amount") },
  signalId: events.EventField.eventId,
});
from("Visited", {
  workflow: "greet",
  input: { name: events.EventField.fromPath("$.detail.name") },
  idempotencyKey: events.EventField.eventId,
});
