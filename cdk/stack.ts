/** The examples as a stack of their own: what `npx cdk deploy` in this repository deploys. */
import { Stack, type StackProps } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { Stepfold, type StepfoldProps } from "./stepfold.ts";

export interface StepfoldStackProps extends StackProps {
  flows: StepfoldProps;
}

export class StepfoldStack extends Stack {
  readonly flows: Stepfold;

  constructor(scope: Construct, id: string, props: StepfoldStackProps) {
    super(scope, id, props);
    this.flows = new Stepfold(this, "Flows", props.flows);
  }
}
