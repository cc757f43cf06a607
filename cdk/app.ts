/** The CDK app of this repository: the examples, in the account and region of the caller. */
import { App } from "aws-cdk-lib";
import { StepfoldStack } from "./stack.ts";

const app = new App();
new StepfoldStack(app, "StepfoldExamples", {
  description: "Stepfold's example workflows.",
  env: { account: process.env.CDK_DEFAULT_ACCOUNT, region: process.env.CDK_DEFAULT_REGION },
  flows: { entry: "examples/index.ts" },
});
