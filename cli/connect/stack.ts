/**
 * Where a deployed stack's API is, by the stack's name: the outputs that the construct gives it. `Shop/Flows` names
 * the construct too, where a stack has several.
 */
import {
  CloudFormationClient,
  type DescribeStacksOutput,
  paginateDescribeStacks,
  type Stack,
} from "@aws-sdk/client-cloudformation";
import { StepfoldError } from "../../shared/core/errors.ts";
import { type AwsIdentity, awsProblem } from "./sign.ts";

const API_URL = "ApiUrl";
/** What the construct puts out beside its address: a stack's own `ApiUrl` has none of them. */
const BESIDE = ["TableName", "WorkQueueUrl"];

export interface DeployedApi {
  url: string;
  identity: AwsIdentity;
}

/** The SDK's own ways to credentials and a region. */
export function awsIdentity(): AwsIdentity {
  const { credentials, region } = new CloudFormationClient().config;
  return { credentials, region };
}

/** Throws `StackNotFound`, `NotStepfold`, `WhichConstruct`, `NoCredentials`, `NoRegion`. */
export async function deployedApi(name: string): Promise<DeployedApi> {
  const [stackName = "", construct] = name.split("/");
  const client = new CloudFormationClient();
  try {
    const [stack] = await stacks(client, stackName);
    if (stack === undefined) throw await stackNotFound(client, stackName);
    return { url: urlOf(stack, construct), identity: client.config };
  } catch (error) {
    throw told(awsProblem(error), name);
  } finally {
    client.destroy();
  }
}

/** What AWS itself says, with a way around it. */
function told(problem: unknown, name: string): unknown {
  if (problem instanceof StepfoldError) return problem;
  const message = String((problem as Error).message ?? problem).replace(/\.$/, "");
  const sentence = `Expected CloudFormation to tell where the stack ${name} is, got: ${message}. --url gives its address without asking.`;
  return new Error(sentence, { cause: problem });
}

/** The stack of that name if there is one, or all there are. */
async function stacks(client: CloudFormationClient, StackName?: string): Promise<Stack[]> {
  const found: Stack[] = [];
  try {
    const pages: AsyncIterable<DescribeStacksOutput> = paginateDescribeStacks(
      { client },
      StackName === undefined ? {} : { StackName },
    );
    for await (const { Stacks = [] } of pages) found.push(...Stacks);
  } catch (error) {
    const { name, message } = error as Error;
    if (StackName === undefined || name !== "ValidationError" || !/does not exist/.test(message)) throw error;
  }
  return found;
}

/** The APIs of a stack, by their constructs' ids. */
function apisOf({ Outputs = [] }: Stack): Map<string, string> {
  const outputs = new Map(Outputs.map(({ OutputKey = "", OutputValue = "" }) => [OutputKey, OutputValue]));
  const constructs = [...outputs.keys()]
    .filter((key) => key.endsWith(API_URL))
    .map((key) => key.slice(0, -API_URL.length))
    .filter((construct) => BESIDE.every((output) => outputs.has(construct + output)));
  return new Map(constructs.map((construct) => [construct, outputs.get(construct + API_URL)!]));
}

function urlOf(stack: Stack, construct: string | undefined): string {
  const name = stack.StackName ?? "";
  const apis = apisOf(stack);
  if (apis.size === 0)
    throw new StepfoldError(
      "NotStepfold",
      `Expected the stack ${name} to have a Stepfold construct, got none among its outputs: deploy one into it, or name another stack.`,
    );
  const url = construct === undefined && apis.size === 1 ? [...apis.values()][0] : apis.get(construct ?? "");
  if (url !== undefined) return url;
  const choices = [...apis.keys()].map((id) => `--stack ${name}/${id}`).join(" or ");
  throw new StepfoldError(
    "WhichConstruct",
    `Expected to know which API of the stack ${name} is meant: ${choices}.`,
  );
}

async function stackNotFound(client: CloudFormationClient, name: string): Promise<StepfoldError> {
  const region = await client.config.region();
  const there = (await stacks(client))
    .filter((stack) => apisOf(stack).size > 0)
    .map((stack) => stack.StackName);
  const hint =
    there.length > 0
      ? `those with Stepfold are ${there.join(", ")}`
      : "none there has Stepfold: set AWS_REGION or AWS_PROFILE to where it is deployed";
  return new StepfoldError(
    "StackNotFound",
    `Expected a stack ${JSON.stringify(name)} in ${region}, got none; ${hint}.`,
  );
}
