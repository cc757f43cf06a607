/** What a remote definition may say. */
import { describe, expect, test } from "vitest";
import { type RemoteOptions, remote } from "../../../shared/core/remote/remote.ts";

const url = "https://runner.test/turn";

test("a definition is a workflow with a runner", () => {
  const secret = { secretId: "arn:aws:secretsmanager:eu-west-1:1:secret:runner-x" };
  const headers = { "X-Team": "billing" };
  const defined = remote("billing", {
    ...{ url, headers, secret, version: 3, description: "Bills.", file: "billing.py" },
    ...{ maxRetries: 4, stepTimeout: "30s", timeout: "1 day", retention: "90 days" },
  });
  expect(defined).toMatchObject({
    kind: "workflow",
    name: "billing",
    version: 3,
    driver: "remote",
    file: "billing.py",
    runner: { url, headers, secret },
    options: {
      description: "Bills.",
      maxRetries: 4,
      stepTimeout: "30s",
      timeout: "1 day",
      retention: "90 days",
    },
  });
  const fromStack = { secretId: { env: "SECRET_ARN" } };
  expect(remote("billing", { url, secret: fromStack }).runner).toMatchObject({ secret: fromStack });
  expect(remote("billing", { lambda: { env: "BILLING" } }).runner).toEqual({ lambda: { env: "BILLING" } });
});

describe("it is refused with", () => {
  test.each<[string, object, RegExp]>([
    ["neither", {}, /either a url or a lambda.*neither/],
    ["both", { url, lambda: "f" }, /either a url or a lambda.*both/],
    ["another scheme", { url: "ftp://x" }, /an http or https URL/],
    ["no URL", { url: "runner" }, /an http or https URL/],
    ["credentials in the URL", { url: "https://a:b@runner.test" }, /no user name and password/],
    ["a fragment", { url: "https://runner.test/#x" }, /no fragment/],
    ["a number as url", { url: 7 }, /a text or \{ env: "NAME" \}/],
    ["a variable with no name", { url: { env: "a b" } }, /a text or \{ env: "NAME" \}/],
    ["a header's name that is none", { url, headers: { "X Y": "1" } }, /"X Y".*an HTTP header's name/],
    ["a header that splits", { url, headers: { "X\r\nY": "1" } }, /an HTTP header's name/],
    ["a header's value of two lines", { url, headers: { X: "1\r\nY: 2" } }, /a text of one line/],
    ["a header of the signature", { url, headers: { "Webhook-Id": "1" } }, /this one is set with each turn/],
    ["the host", { url, headers: { Host: "inside" } }, /this one is set with each turn/],
    ["the length", { url, headers: { "Content-Length": "1" } }, /this one is set with each turn/],
    ["headers for a Lambda", { lambda: "f", headers: { X: "1" } }, /no headers and no secret/],
    ["a secret for a Lambda", { lambda: "f", secret: { env: "X" } }, /no headers and no secret/],
    ["a function's name that is none", { lambda: "f g" }, /a function's name or ARN/],
    ["the secret itself", { url, secret: "s3cret" }, /never the secret itself/],
    ["a step timeout that no leg holds", { url, stepTimeout: "1 hour" }, /fit into a leg/],
    ["no retries at all", { url, maxRetries: -1 }, /maxRetries/],
    ["a file that is no text", { url, file: 7 }, /the file/],
  ])("%s", (_, options, message) => {
    expect(() => remote("billing", options as RemoteOptions)).toThrow(message);
  });

  test("a secret or an address stays out of the message", () => {
    for (const options of [{ url: "https://a:hunter2@x" }, { url, secret: "hunter2" }])
      expect(() => remote("billing", options as never)).toThrow(
        expect.not.stringContaining("hunter2") as never,
      );
  });
});
