/**
 * Remote workflows, deployed by `cdk deploy` into MiniStack with IAM enforced: over HTTP to a runner on this machine,
 * signed with a secret of Secrets Manager, and by Lambda's `Invoke`, which only the function that was granted allows.
 */
import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import type { TurnAction, TurnRequest } from "stepfold";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, type Credentials, type Deployment, deployApp } from "./ministack-deployment.ts";

const SOON_MS = 40_000;

interface Outputs {
  FlowsApiUrl: string;
  CallerArn: string;
  SecretArn: string;
}
interface Asked {
  headers: IncomingHttpHeaders;
  body: string;
  turn: TurnRequest;
}

let deployment: Deployment<Outputs>;
let caller: Credentials;
let secret: string;
let server: Server;
let answer: (turn: TurnRequest) => TurnAction | number = () => 503;
const asked: Asked[] = [];

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString("utf8");
    const turn = JSON.parse(body) as TurnRequest;
    asked.push({ headers: request.headers, body, turn });
    const said = answer(turn);
    if (typeof said === "number") response.writeHead(said).end();
    else response.end(JSON.stringify(said));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const RUNNER_URL = `http://127.0.0.1:${(server.address() as AddressInfo).port}/turn`;
  deployment = await deployApp("test/e2e/remote-app.ts", "Remote", { RUNNER_URL });
  caller = await deployment.assume(deployment.outputs.CallerArn);
  const { ministack, owner: credentials, outputs } = deployment;
  const client = new SecretsManagerClient({
    endpoint: ministack.endpoint,
    region: ministack.region,
    credentials,
  });
  const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: outputs.SecretArn }));
  secret = SecretString!;
});
afterAll(async () => {
  server?.close();
  await deployment?.stop();
});

const call = (method: string, path: string, body?: unknown): Promise<Answer> =>
  deployment.api(method, path, { as: caller, ...(body === undefined ? {} : { body }) });

async function start(workflow: string, input: unknown): Promise<string> {
  const started = await call("POST", "/runs", { workflow, input });
  expect(started, JSON.stringify(started.body)).toMatchObject({ status: 201, body: { driver: "remote" } });
  return started.body.runId;
}

async function until(runId: string, isSo: (status: string) => boolean): Promise<Answer["body"]> {
  for (const deadline = Date.now() + SOON_MS; Date.now() < deadline; await sleep(200)) {
    const { body } = await call("GET", `/runs/${runId}`);
    if (isSo(body.status)) return body;
  }
  throw new Error(
    `${JSON.stringify((await call("GET", `/runs/${runId}`)).body)}\n${deployment.ministack.log().slice(-3_000)}`,
  );
}
const finished = (runId: string) =>
  until(runId, (status) => ["completed", "failed", "cancelled", "timedOut"].includes(status));

const operations = async (runId: string): Promise<string[]> =>
  (await call("GET", `/runs/${runId}/operations`)).body.items.map(
    ({ kind, name, status, attempts }: Record<string, unknown>) => `${kind} ${name} ${status} ${attempts}`,
  );

test("over HTTP: a runner that is down at first, fails a step, sleeps and waits", async () => {
  let isDown = 2;
  answer = ({ completed_steps: steps, current_step: current }) => {
    if (isDown-- > 0) return 503;
    if (steps.length === 0) return { action: "fail", step_name: "charge", error: "busy" };
    if (steps.length === 1)
      return { action: "step_complete", step_name: "charge", output: "c-1", duration_ms: 12 };
    if (current === 1) return { action: "sleep", duration: "3s" };
    return steps.length === 2
      ? { action: "wait_event", event: "paid" }
      : { action: "complete", output: steps.at(-1)?.output };
  };
  const runId = await start("over-http", { order: 7 });
  await until(runId, (status) => status === "waiting");
  expect((await call("POST", `/runs/${runId}/signals/paid`, { cents: 420 })).status).toBe(202);
  expect(await finished(runId)).toMatchObject({ status: "completed", output: { cents: 420 }, retryCount: 1 });
  expect(await operations(runId)).toEqual([
    "step charge completed 2",
    "timer sleep completed 1",
    "signal paid completed 1",
  ]);
  const ids = asked
    .filter(({ turn }) => turn.completed_steps.length === 0)
    .map(({ headers }) => headers["webhook-id"]);
  expect([ids.length, new Set(ids).size], "tried thrice, one turn").toEqual([3, 1]);
});

test("each of its turns was signed with the secret of Secrets Manager", () => {
  expect(secret.length).toBeGreaterThan(20);
  expect(asked.length).toBeGreaterThan(5);
  for (const { headers, body } of asked) {
    const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
    const expected = createHmac("sha256", secret).update(signed).digest("base64");
    expect(headers).toMatchObject({ "webhook-signature": `v1,${expected}`, "x-team": "e2e" });
  }
});

test("over HTTP: what does not hold fails the run, and says why", async () => {
  answer = () => ({ action: "dance" }) as never;
  expect(await finished(await start("over-http", {}))).toMatchObject({
    status: "failed",
    error: { code: "RunnerProtocolError", message: expect.stringContaining('"dance"') },
  });
  answer = () => 401;
  expect(await finished(await start("over-http", {}))).toMatchObject({ error: { code: "RunnerRefused" } });
});

test("by Lambda: a function in Python does the steps", async () => {
  const runId = await start("by-lambda", { numbers: [1, 2, 39] });
  expect(await finished(runId)).toMatchObject({ status: "completed", output: 42, retryCount: 1 });
  expect(await operations(runId)).toEqual([
    "step sum completed 1",
    "step store completed 2",
    "timer sleep completed 1",
  ]);
});

test("by Lambda: a function that was not granted is refused, and nothing else was", async () => {
  const runId = await start("not-granted", { numbers: [] });
  expect(await finished(runId)).toMatchObject({
    status: "failed",
    error: { code: "RunnerRefused", data: { status: 403 } },
  });
  const denied = deployment.ministack
    .log()
    .split("\n")
    .filter((line) => line.startsWith("DENIED"));
  expect(denied.filter((line) => /Advance.* lambda:InvokeFunction .*Other/.test(line))).toHaveLength(1);
  expect(denied).toHaveLength(1);
});

test("neither the secret nor the runner's address is in a log", () => {
  const log = deployment.ministack.log();
  expect(log.includes(secret)).toBe(false);
  expect(log).not.toMatch(/127\.0\.0\.1:\d+\/turn/);
});
