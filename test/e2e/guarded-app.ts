/**
 * The CDK app of the end-to-end test of who may do what: one construct whose callers are IAM roles, with a worker group
 * whose function alone may write into a ledger, and one whose callers bring tokens. Both isolate runs by owner.
 */
import { App, CfnOutput, Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import * as iam from "aws-cdk-lib/aws-iam";
import { Stepfold } from "../../cdk/stepfold.ts";

const stack = new Stack(new App(), "Guarded", {
  env: { account: process.env.CDK_DEFAULT_ACCOUNT, region: process.env.CDK_DEFAULT_REGION },
});
const role = (id: string) => new iam.Role(stack, id, { assumedBy: new iam.AccountRootPrincipal() });
const [alice, bob, operator] = [role("Alice"), role("Bob"), role("Operator")];

const ledger = new dynamodb.Table(stack, "Ledger", {
  partitionKey: { name: "id", type: dynamodb.AttributeType.STRING },
  removalPolicy: RemovalPolicy.DESTROY,
});
const common = {
  entry: "test/e2e/workflows.ts",
  environment: { LEDGER: ledger.tableName },
  messageDelayMax: Duration.seconds(2),
  sweepAfter: Duration.seconds(5),
  removalPolicy: RemovalPolicy.DESTROY,
};

const flows = new Stepfold(stack, "Flows", {
  ...common,
  isolation: { admins: [operator] },
  groups: {
    payments: {
      entry: "test/e2e/payments.ts",
      environment: { LEDGER: ledger.tableName },
      timeout: Duration.minutes(3),
    },
  },
});
ledger.grantWriteData(flows.group("payments"));
for (const caller of [alice, bob, operator]) flows.grantInvoke(caller);

new Stepfold(stack, "Tokens", {
  ...common,
  auth: { jwt: { issuer: process.env.ISSUER!, audience: ["flows"] } },
  isolation: { admins: { claim: "groups", value: "operators" } },
});

new CfnOutput(stack, "AliceArn", { value: alice.roleArn });
new CfnOutput(stack, "BobArn", { value: bob.roleArn });
new CfnOutput(stack, "OperatorArn", { value: operator.roleArn });
new CfnOutput(stack, "LedgerName", { value: ledger.tableName });
