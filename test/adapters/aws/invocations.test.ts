/** Lambda functions as runners, and the secrets of Secrets Manager: what is sent, and what each failure means. */
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { mockClient } from "aws-sdk-client-mock";
import { beforeEach, describe, expect, test } from "vitest";
import { Invocations } from "../../../shared/adapters/aws/invocations.ts";
import { TURN_BYTES_MAX } from "../../../shared/core/limits.ts";

const lambda = mockClient(LambdaClient);
const secrets = mockClient(SecretsManagerClient);
const turn = { id: "turn-1", runId: "run-1", workflow: "billing", body: '{"name":"billing"}' };
const { signal } = new AbortController();
const MINUTE_MS = 60_000;
let now = 0;
let invocations: Invocations;

beforeEach(() => {
  lambda.reset();
  secrets.reset();
  now = 0;
  const region = "eu-west-1";
  const clients = { lambda: new LambdaClient({ region }), secrets: new SecretsManagerClient({ region }) };
  invocations = new Invocations({}, { ...clients, clock: { now: () => now } });
});

const payload = (text: string) => Buffer.from(text) as never;
const failure = (name: string, httpStatusCode?: number): Error =>
  Object.assign(new Error("at arn:aws:lambda:eu-west-1:1:function:secret-name"), {
    name,
    $metadata: { httpStatusCode },
  });
const invoked = () => invocations.invoke("billing", turn, signal);

describe("a function", () => {
  test("is invoked with the turn as its event, and the turn's id in its context", async () => {
    lambda.on(InvokeCommand).resolves({ StatusCode: 200, Payload: payload('{"action":"complete"}') });
    expect(await invoked()).toEqual({ action: "complete" });
    const { FunctionName, Payload, ClientContext, InvocationType } = lambda.call(0).args[0].input as never;
    expect([FunctionName, String(Payload), InvocationType]).toEqual(["billing", turn.body, undefined]);
    expect(JSON.parse(Buffer.from(ClientContext, "base64").toString())).toEqual({
      custom: { "webhook-id": "turn-1" },
    });
  });

  test("that throws has not answered", async () => {
    lambda
      .on(InvokeCommand)
      .resolves({ FunctionError: "Unhandled", Payload: payload('{"errorMessage":"x"}') });
    await expect(invoked()).rejects.toMatchObject({ code: "RunnerUnavailable" });
  });

  test("that answers no JSON has not answered; nothing at all is no JSON", async () => {
    lambda
      .on(InvokeCommand)
      .resolvesOnce({ Payload: payload("<html>") })
      .resolvesOnce({});
    await expect(invoked()).rejects.toMatchObject({ code: "RunnerUnavailable" });
    await expect(invoked()).rejects.toMatchObject({ code: "RunnerUnavailable" });
  });

  test("that answers too much breaks the protocol", async () => {
    lambda.on(InvokeCommand).resolves({ Payload: payload(`"${"x".repeat(TURN_BYTES_MAX)}"`) });
    await expect(invoked()).rejects.toMatchObject({ code: "RunnerProtocolError" });
  });

  test.each([
    ["TooManyRequestsException", 429, "RunnerUnavailable"],
    ["ServiceException", 500, "RunnerUnavailable"],
    ["EC2ThrottledException", 502, "RunnerUnavailable"],
    ["TimeoutError", undefined, "RunnerUnavailable"],
    ["AccessDeniedException", 403, "RunnerRefused"],
    ["ResourceNotFoundException", 404, "RunnerRefused"],
    ["RequestTooLargeException", 413, "RunnerRefused"],
  ])("%s (%s) is %s", async (name, status, code) => {
    lambda.on(InvokeCommand).rejects(failure(name, status));
    await expect(invoked()).rejects.toMatchObject({
      code,
      message: expect.not.stringContaining("secret-name"),
    });
  });
});

describe("a secret", () => {
  const read = () => invocations.secret("runner");

  test("is read once in five minutes", async () => {
    secrets.on(GetSecretValueCommand).resolvesOnce({ SecretString: "one" }).resolves({ SecretString: "two" });
    expect(await read()).toBe("one");
    now = 4 * MINUTE_MS;
    expect(await read()).toBe("one");
    now = 6 * MINUTE_MS;
    expect(await read()).toBe("two");
    expect(secrets.calls()).toHaveLength(2);
  });

  test("that is known is used while it cannot be read anew", async () => {
    secrets
      .on(GetSecretValueCommand)
      .resolvesOnce({ SecretString: "one" })
      .rejects(failure("InternalServiceError"));
    await read();
    now = 6 * MINUTE_MS;
    expect(await read()).toBe("one");
  });

  test.each([
    [
      "cannot be read",
      () => secrets.on(GetSecretValueCommand).rejects(failure("AccessDeniedException", 400)),
    ],
    ["holds no text", () => secrets.on(GetSecretValueCommand).resolves({})],
  ])("that %s leaves the turn unsent, for later", async (_, given) => {
    given();
    await expect(read()).rejects.toMatchObject({
      code: "RunnerUnavailable",
      message: expect.not.stringContaining("secret-name"),
    });
  });
});
