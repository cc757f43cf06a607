/** Isolation by owner in the template: what the functions are told, and what makes no sense. */
import { Stack } from "aws-cdk-lib";
import type { Template } from "aws-cdk-lib/assertions";
import * as iam from "aws-cdk-lib/aws-iam";
import { expect, test } from "vitest";
import { ISOLATION_ENVIRONMENT, settingsFrom } from "../../functions/environment.ts";
import { plain, type Resources, readable, synthesize } from "./fixtures/synth.ts";

const auth = { jwt: { issuer: "https://issuer.example", audience: ["flows"] } };

function told(template: Template): Record<string, string> {
  const functions = Object.entries(template.findResources("AWS::Lambda::Function") as Resources);
  return Object.fromEntries(
    functions.flatMap(([id, { Properties }]) => {
      const { Variables } = Properties.Environment as { Variables: Record<string, unknown> };
      const value = Variables[ISOLATION_ENVIRONMENT];
      return value === undefined ? [] : [[plain(id), readable(value)]];
    }),
  );
}

test("whoever starts runs is told of it, and nobody where there is none", () => {
  expect(told(synthesize())).toEqual({});
  expect(told(synthesize({ isolation: "owner" }))).toEqual({ FunctionsApi: "{}", FunctionsTriggers: "{}" });
});

test("a claim names owners and admins", () => {
  const isolation = { claim: "tenant", admins: { claim: "groups", value: "admin" } };
  const { FunctionsApi } = told(synthesize({ auth, isolation }));
  expect(settingsFrom({ [ISOLATION_ENVIRONMENT]: FunctionsApi! })).toEqual({ isolation });
});

test("roles and users are admins by IAM", () => {
  const elsewhere = new Stack();
  const template = synthesize({
    isolation: {
      admins: [iam.Role.fromRoleArn(elsewhere, "Ops", "arn:aws:iam::123456789012:role/team/Ops")],
    },
  });
  expect(told(template).FunctionsApi).toBe('{"admins":["arn:aws:iam::123456789012:role/team/Ops"]}');
});

test("claims without tokens, and principals without IAM, are refused", () => {
  expect(() => synthesize({ isolation: { claim: "tenant" } })).toThrow(/those need `auth: { jwt }`/);
  expect(() => synthesize({ isolation: { admins: { claim: "a", value: "b" } } })).toThrow(/got claims/);
  expect(() => synthesize({ auth, isolation: { admins: [] } })).toThrow(/got IAM principals/);
});

test("what nobody understands is refused by the functions: it must not be no isolation", () => {
  for (const text of [
    "owner",
    "[]",
    '"owner"',
    '{"claims":"sub"}',
    '{"claim":1}',
    '{"admins":{"claim":"a"}}',
    "null",
  ])
    expect(() => settingsFrom({ [ISOLATION_ENVIRONMENT]: text }), text).toThrow(
      /Expected STEPFOLD_ISOLATION/,
    );
});
