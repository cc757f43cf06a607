import { App, Stack } from "aws-cdk-lib";
import { Stepfold } from "stepfold/cdk";

const app = new App();
const stack = new Stack(app, "Mine");
new Stepfold(stack, "Flows", { entry: "workflows.ts" });
app.synth();
