/**
 * The CDK app of the end-to-end test of remote workflows: a runner over HTTP on the test's own machine, whose turns
 * are signed with a secret of Secrets Manager; a runner that is a Lambda function in Python; and a function that the
 * workflows may not invoke.
 */
import { App, CfnOutput, Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as secrets from "aws-cdk-lib/aws-secretsmanager";
import { Stepfold } from "../../cdk/stepfold.ts";

const stack = new Stack(new App(), "Remote", {
  env: { account: process.env.CDK_DEFAULT_ACCOUNT, region: process.env.CDK_DEFAULT_REGION },
});

const RUNNER = `
import time

def handler(turn, context):
    steps = turn["completed_steps"]
    done = {s["name"]: s.get("output") for s in steps if s["status"] == "completed"}
    if "sum" not in done:
        return {"action": "step_complete", "step_name": "sum", "output": sum(turn["input"]["numbers"])}
    if not any(s["status"] == "failed" for s in steps):
        return {"action": "fail", "step_name": "store", "error": "busy"}
    if "store" not in done:
        return {"action": "step_complete", "step_name": "store"}
    if turn["current_step"] == 2:
        return {"action": "sleep", "duration": "1s"}
    return {"action": "complete", "output": done["sum"]}
`;
const inPython = (id: string) =>
  new lambda.Function(stack, id, {
    runtime: lambda.Runtime.PYTHON_3_12,
    handler: "index.handler",
    code: lambda.Code.fromInline(RUNNER),
  });
const [runner, other] = [inPython("Runner"), inPython("Other")];

const secret = new secrets.Secret(stack, "Secret", {
  generateSecretString: { passwordLength: 40, excludePunctuation: true },
  removalPolicy: RemovalPolicy.DESTROY,
});
// As `secret.secretArn` is in AWS: there `Ref` gives the ARN, in MiniStack the name.
const secretArn = (secret.node.defaultChild as secrets.CfnSecret).attrId;
const flows = new Stepfold(stack, "Flows", {
  entry: "test/e2e/remotes.ts",
  environment: {
    RUNNER_URL: process.env.RUNNER_URL!,
    RUNNER_SECRET: secretArn,
    RUNNER_FUNCTION: runner.functionName,
    OTHER_FUNCTION: other.functionName,
  },
  messageDelayMax: Duration.seconds(2),
  sweepAfter: Duration.seconds(5),
  removalPolicy: RemovalPolicy.DESTROY,
});
flows.grantRunner(runner);
flows.grantAdvance(
  new iam.PolicyStatement({ actions: ["secretsmanager:GetSecretValue"], resources: [secretArn] }),
);

const caller = new iam.Role(stack, "Caller", { assumedBy: new iam.AccountRootPrincipal() });
flows.grantInvoke(caller);
new CfnOutput(stack, "CallerArn", { value: caller.roleArn });
new CfnOutput(stack, "SecretArn", { value: secretArn });
