/**
 * Isolation by owner: callers of the API see and touch only their own runs. Who a caller is, the API's authorizer
 * says; who is an admin, and so sees all, is said here.
 */
import { Stack } from "aws-cdk-lib";
import type * as iam from "aws-cdk-lib/aws-iam";
import type { Construct } from "constructs";
import { StepfoldError } from "../shared/core/errors.ts";
import type { Isolation } from "../shared/engine/settings.ts";
import type { Auth } from "./http-api.ts";

export type IsolationProps =
  | "owner"
  | {
      /** With `auth: { jwt }`: the claim that names the owner. Default: `sub`. */
      claim?: string;
      /** Who sees every run. With `auth: { jwt }`, holders of a claim with a value; with IAM, roles and users. */
      admins?: { claim: string; value: string } | (iam.IRole | iam.IUser)[];
    };

/** What the functions are told, as JSON. Throws `InvalidIsolation`. */
export function isolationOf(scope: Construct, given: IsolationProps, auth: Auth): string {
  const { claim, admins } = given === "owner" ? {} : given;
  if (auth === "iam" && (claim !== undefined || (admins !== undefined && !Array.isArray(admins))))
    throw invalid("Expected isolation by IAM principals, got claims: those need `auth: { jwt }`.");
  if (auth !== "iam" && Array.isArray(admins))
    throw invalid('Expected admins as a claim and its value, got IAM principals: those need `auth: "iam"`.');
  const isolation: Isolation = {};
  if (claim !== undefined) isolation.claim = claim;
  if (admins !== undefined) isolation.admins = Array.isArray(admins) ? admins.map(arnOf) : admins;
  return Stack.of(scope).toJsonString(isolation);
}

const arnOf = (principal: iam.IRole | iam.IUser): string =>
  "roleArn" in principal ? principal.roleArn : principal.userArn;

const invalid = (message: string) => new StepfoldError("InvalidIsolation", message);
