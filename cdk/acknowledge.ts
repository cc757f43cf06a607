/**
 * Says to cdk-nag, in apps that use it, why a policy of ours ends in a wildcard. One finding at a time, so that a
 * wildcard that somebody adds later is still found.
 */
import { Stack, Validations } from "aws-cdk-lib";
import type { Construct } from "constructs";

export function acknowledgeWildcard(scope: Construct, resource: string, reason: string): void {
  const found = flat(Stack.of(scope).resolve(resource));
  Validations.of(scope).acknowledge({ id: `AwsSolutions-IAM5[Resource::${found}]`, reason });
}

/** A resolved string as cdk-nag prints it: `<LogicalId.Attribute>` for what is known only when it is deployed. */
function flat(value: unknown): string {
  if (typeof value === "string") return value;
  const [[kind, inner]] = Object.entries(value as object) as [[string, unknown]];
  if (kind === "Ref") return `<${inner}>`;
  if (kind === "Fn::GetAtt") return `<${(inner as string[]).join(".")}>`;
  if (kind === "Fn::Join") return (inner as [string, unknown[]])[1].map(flat).join("");
  throw new Error(`Expected a Ref, Fn::GetAtt or Fn::Join, got ${kind}.`);
}
