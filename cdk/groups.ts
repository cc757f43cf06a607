/**
 * Worker groups: parts of the workflows with a function, a role, a work queue and a leg length of their own. A run
 * belongs to the group of its workflow, and only that group's function has the group's permissions.
 *
 * 1. A group's name becomes part of logical ids, so it is short and plain, and no two differ by case alone.
 * 2. Every function knows all groups, because whoever wakes a run must find its queue.
 */
import type { Duration } from "aws-cdk-lib";
import type * as ec2 from "aws-cdk-lib/aws-ec2";
import type * as iam from "aws-cdk-lib/aws-iam";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import { StepfoldError } from "../shared/core/errors.ts";
import { runnerGrant } from "./grants.ts";

export interface GroupProps {
  /** The module whose exports are the group's workflows, relative to the directory from which cdk runs. */
  entry: string;
  /** Of the group's function, in MB. Default: 1024. */
  memorySize?: number;
  /** How long one stretch of a run may last, and so how long a crash may delay it. Default: 2 minutes; at most 15. */
  timeout?: Duration;
  /** Environment variables for the group's code, and for no other. */
  environment?: Record<string, string>;
  /** The network in which the group's function runs. It needs a way to DynamoDB, SQS, S3 and EventBridge Scheduler. */
  vpc?: ec2.IVpc;
  vpcSubnets?: ec2.SubnetSelection;
  securityGroups?: ec2.ISecurityGroup[];
}

export type Groups = Record<string, GroupProps>;

const NAME = /^[a-z][A-Za-z0-9]{0,31}$/;
const TAKEN = ["default"];

/** Throws `InvalidGroup`. */
export function checkGroups(groups: Groups): void {
  const seen = new Set<string>();
  for (const name of Object.keys(groups)) {
    if (!NAME.test(name) || TAKEN.includes(name))
      throw invalid(
        `Expected a worker group's name to begin with a small letter and to have at most 32 letters and digits, got ${JSON.stringify(name)}.`,
      );
    if (seen.has(name.toLowerCase()))
      throw invalid(
        `Expected the names of worker groups to differ by more than case, got ${JSON.stringify(name)} twice.`,
      );
    seen.add(name.toLowerCase());
  }
}

const invalid = (message: string) => new StepfoldError("InvalidGroup", message);

/** A deployed worker group: grants go to its function alone, as in `bucket.grantRead(flows.group("payments"))`. */
export class WorkerGroup implements iam.IGrantable {
  readonly name: string;
  /** Runs the group's workflows. */
  readonly advance: lambda.Function;

  constructor(name: string, advance: lambda.Function) {
    this.name = name;
    this.advance = advance;
  }

  get role(): iam.IRole {
    return this.advance.role!;
  }

  get grantPrincipal(): iam.IPrincipal {
    return this.advance.grantPrincipal;
  }

  /** Lets the group's remote workflows have their steps done by this function. */
  grantRunner(runner: lambda.IFunction): void {
    this.grant(runnerGrant(runner));
  }

  /** Lets the group's code do more. */
  grant(...statements: iam.PolicyStatement[]): void {
    for (const statement of statements) this.advance.addToRolePolicy(statement);
  }
}

/** The group of that name. Throws `GroupNotFound`. */
export function groupNamed(groups: Record<string, lambda.Function>, name: string): WorkerGroup {
  const advance = Object.hasOwn(groups, name) ? groups[name] : undefined;
  if (advance !== undefined) return new WorkerGroup(name, advance);
  const known = Object.keys(groups).join(", ") || "none";
  throw new StepfoldError(
    "GroupNotFound",
    `Expected the name of a worker group, got ${JSON.stringify(name)}. There are: ${known}.`,
    { name },
  );
}
