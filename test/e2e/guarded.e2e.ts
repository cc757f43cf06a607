/**
 * Who may do what, on the real template in MiniStack with IAM enforced: worker groups, whose function alone has the
 * group's grants, and runs that are isolated by owner, for callers that sign with IAM and for callers with tokens.
 */
import { createSign, generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, type Credentials, type Deployment, deployApp } from "./ministack-deployment.ts";
import { enqueue, losingMessages, schedulesOf } from "./ministack-queues.ts";

const SOON_MS = 30_000;
/** As the app sets it. */
const SWEEP_AFTER_MS = 5_000;

interface Outputs {
  FlowsApiUrl: string;
  FlowsTableName: string;
  FlowsTriggersQueueUrl: string;
  FlowsPaymentsWorkQueueUrl: string;
  FlowsScheduleGroupName: string;
  FlowsSweepFunctionName: string;
  TokensApiUrl: string;
  AliceArn: string;
  BobArn: string;
  OperatorArn: string;
  LedgerName: string;
}

let issuer: Issuer;
let deployment: Deployment<Outputs>;
let outputs: Outputs;
let [alice, bob, operator]: Credentials[] = [];

beforeAll(async () => {
  issuer = await startIssuer();
  deployment = await deployApp("test/e2e/guarded-app.ts", "Guarded", { ISSUER: issuer.url });
  outputs = deployment.outputs;
  const { AliceArn, BobArn, OperatorArn } = outputs;
  [alice, bob, operator] = await Promise.all([AliceArn, BobArn, OperatorArn].map(deployment.assume));
});
afterAll(async () => {
  issuer?.server.close();
  await deployment?.stop();
});

type Caller = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<Answer>;

const signedBy =
  (as: () => Credentials | undefined): Caller =>
  (method, path, body, headers = {}) =>
    deployment.api(method, path, { as: as()!, body, headers });
const asAlice = signedBy(() => alice);
const asBob = signedBy(() => bob);
const asOperator = signedBy(() => operator);

const withToken =
  (claims: Record<string, unknown>, change: (token: string) => string = (token) => token): Caller =>
  (method, path, body, headers = {}) => {
    const authorization = `Bearer ${change(issuer.token(claims))}`;
    return deployment.api(method, path, {
      body,
      headers: { ...headers, authorization },
      url: outputs.TokensApiUrl,
    });
  };

describe("a workflow of a worker group", () => {
  test("runs in the group's function, with the group's grants", async () => {
    expect(await ended(asAlice, "charge", { id: "direct" })).toMatchObject({
      status: "completed",
      output: "booked direct",
    });
    expect(denied()).toEqual([]);
  });

  test("runs there as the child of a run of the default group, whose end comes back", async () => {
    expect(await ended(asAlice, "purchase", { id: "child" })).toMatchObject({
      status: "completed",
      output: "booked child",
    });
  });

  test("is woken there by signals, and by a schedule's message", async () => {
    const { body } = await asAlice("POST", "/runs", { workflow: "settle", input: { id: "settled" } });
    expect(await asAlice("POST", `/runs/${body.runId}/signals/paid`, 5)).toMatchObject({ status: 202 });
    const run = await finished(asAlice, body.runId);
    expect(run).toMatchObject({
      status: "completed",
      output: { paid: 5, booked: "booked settled" },
      cost: { schedules: 1 },
    });
  });

  test("is started there by a message of another service's, whose run belongs to nobody", async () => {
    const message = { workflow: "charge", input: { id: "queued" }, idempotencyKey: "queued" };
    await enqueue(deployment, outputs.FlowsTriggersQueueUrl, message);
    const found = await eventually("the run", async () => {
      const { body } = await asOperator("GET", "/runs?workflow=charge&status=completed");
      const runs = await Promise.all(
        body.items.map(({ runId }: { runId: string }) => asOperator("GET", `/runs/${runId}`)),
      );
      return runs.find((run) => run.body.output === "booked queued");
    });
    expect(found.body.owner).toBeUndefined();
    expect((await asAlice("GET", `/runs/${found.body.runId}`)).status).toBe(404);
  });

  test("is woken there by the sweep, when its wake was lost", async () => {
    const runId = await losingMessages(
      deployment,
      /PaymentsWork/,
      outputs.FlowsPaymentsWorkQueueUrl,
      async () => {
        const { body } = await asAlice("POST", "/runs", { workflow: "charge", input: { id: "lost" } });
        return body.runId as string;
      },
    );
    await sleep(SWEEP_AFTER_MS + 1_000);
    await deployment.aws(
      "lambda",
      "POST",
      `/2015-03-31/functions/${outputs.FlowsSweepFunctionName}/invocations`,
      {
        body: "{}",
      },
    );
    expect(await finished(asAlice, runId)).toMatchObject({ output: "booked lost" });
  });
});

test("children are listed by their parent, whoever started them", async () => {
  const parent = (await ended(asAlice, "purchase", { id: "parent" })).runId as string;
  const body = { workflow: "greet", input: { name: "Kid" }, parentRunId: parent };
  expect((await asAlice("POST", "/runs", body)).status).toBe(201);
  const listed = await eventually("both children", async () => {
    const { items } = (await asAlice("GET", `/runs?parent=${parent}`)).body;
    return items.length === 2 ? items : undefined;
  });
  expect(listed.map(({ workflow }: { workflow: string }) => workflow).sort()).toEqual(["charge", "greet"]);
  expect((await asBob("GET", `/runs?parent=${parent}`)).body.items).toEqual([]);
});

test("a run that is removed takes the schedule along that it was stopped before", async () => {
  const { body } = await asAlice("POST", "/runs", { workflow: "nap", input: { duration: "30 days" } });
  await eventually("its sleep", async () => {
    const { body: run } = await asAlice("GET", `/runs/${body.runId}`);
    return run.status === "sleeping" || undefined;
  });
  expect(await schedulesOf(deployment, outputs.FlowsScheduleGroupName, body.runId)).toHaveLength(1);
  await asAlice("POST", `/runs/${body.runId}/cancel`, {});
  await finished(asAlice, body.runId);
  await eventually(
    "its removal",
    async () => (await asAlice("DELETE", `/runs/${body.runId}`)).status === 204 || undefined,
  );
  expect(await schedulesOf(deployment, outputs.FlowsScheduleGroupName, body.runId)).toEqual([]);
});

test("the default function lacks the group's grants", async () => {
  expect(denied()).toEqual([]);
  const run = await ended(asAlice, "intrude", { id: "stolen" });
  expect(run).toMatchObject({ status: "failed", error: { name: "AccessDeniedException" } });
  expect(denied()).toEqual([expect.stringMatching(/FunctionsAdvanceRole.*dynamodb:PutItem.*Ledger/)]);
});

describe.each([
  {
    auth: "IAM",
    own: asAlice,
    other: asBob,
    admin: asOperator,
    owner: /^arn:aws:iam::\d+:role\/Guarded-Alice/,
  },
  {
    auth: "tokens",
    own: withToken({ sub: "alice" }),
    other: withToken({ sub: "bob", groups: ["users"] }),
    admin: withToken({ sub: "eve", groups: ["users", "operators"] }),
    owner: /^alice$/,
  },
])("isolated by $auth", ({ own, other, admin, owner }) => {
  test("an owner sees and steers its run, and no other caller does", async () => {
    const { status, body } = await own("POST", "/runs", { workflow: "order", input: {} });
    expect(status, JSON.stringify(body)).toBe(201);
    expect(body.owner).toMatch(owner);
    const { runId } = body;
    for (const [method, path, sent] of [
      ["GET", `/runs/${runId}`],
      ["GET", `/runs/${runId}/journal`],
      ["GET", `/runs/${runId}/operations`],
      ["POST", `/runs/${runId}/signals/paid`, 1],
      ["POST", `/runs/${runId}/cancel`, {}],
      ["DELETE", `/runs/${runId}`],
    ] as const)
      expect(await other(method, path, sent), `${method} ${path}`).toMatchObject({
        status: 404,
        body: { code: "RunNotFound" },
      });
    expect(await ids(own)).toContain(runId);
    expect(await ids(other)).not.toContain(runId);
    expect(await ids(admin)).toContain(runId);
    expect((await admin("GET", `/runs/${runId}`)).status).toBe(200);
    expect((await own("POST", `/runs/${runId}/signals/paid`, { amount: 1 })).status).toBe(202);
    expect(await finished(own, runId)).toMatchObject({ output: { paid: { amount: 1 } } });
    expect((await own("DELETE", `/runs/${runId}`)).status).toBe(204);
  });

  test("nobody starts a run for another, and keys do not meet", async () => {
    const body = { workflow: "greet", input: { name: "Ada" } };
    expect(await other("POST", "/runs", { ...body, owner: "somebody" })).toMatchObject({
      status: 403,
      body: { code: "Forbidden" },
    });
    const key = { "idempotency-key": "one" };
    const [first, second] = [await own("POST", "/runs", body, key), await other("POST", "/runs", body, key)];
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(first.body.runId).not.toBe(second.body.runId);
    expect((await own("POST", "/runs", body, key)).body.runId).toBe(first.body.runId);
  });
});

describe("a token", () => {
  const status = async (caller: Caller) => (await caller("GET", "/runs")).status;

  test("is taken from the issuer only, whole, in time, and for this audience", async () => {
    expect(await status(withToken({ sub: "alice" }))).toBe(200);
    expect(await status(withToken({ sub: "alice", aud: "others" }))).toBe(401);
    expect(await status(withToken({ sub: "alice", exp: 1 }))).toBe(401);
    expect(await status(withToken({ sub: "alice" }, (token) => `${token.slice(0, -4)}AAAA`))).toBe(401);
    expect(await status(withToken({ sub: "alice" }, () => "nonsense"))).toBe(401);
    const url = outputs.TokensApiUrl;
    expect((await deployment.api("GET", "/runs", { url })).status).toBe(401);
  });

  test("without a subject is nobody's", async () => {
    expect(await withToken({})("GET", "/runs")).toMatchObject({ status: 403, body: { code: "Forbidden" } });
  });
});

test("no call was denied but the intruder's", () => {
  expect(denied()).toHaveLength(1);
});

const denied = (): string[] =>
  deployment.ministack
    .log()
    .split("\n")
    .filter((line) => line.startsWith("DENIED"));

const ids = async (caller: Caller): Promise<string[]> =>
  (await caller("GET", "/runs?limit=200")).body.items.map(({ runId }: { runId: string }) => runId);

async function ended(caller: Caller, workflow: string, input: unknown) {
  const { status, body } = await caller("POST", "/runs", { workflow, input });
  expect(status, JSON.stringify(body)).toBe(201);
  return finished(caller, body.runId);
}

const finished = (caller: Caller, runId: string) =>
  eventually(`the end of ${runId}`, async () => {
    const { body } = await caller("GET", `/runs/${runId}`);
    return body.finishedAt === undefined ? undefined : body;
  });

async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = Date.now() + SOON_MS; Date.now() < deadline; await sleep(250)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error(
    `Expected ${what} within ${SOON_MS} ms. MiniStack's log ends:\n${deployment.ministack.log().slice(-3_000)}`,
  );
}

interface Issuer {
  url: string;
  server: Server;
  token(claims: Record<string, unknown>): string;
}

/** Issues tokens, and serves the key by which they are checked. */
async function startIssuer(): Promise<Issuer> {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const keys = { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "1", alg: "RS256", use: "sig" }] };
  const server = createServer((request, response) => {
    const isDiscovery = request.url?.endsWith("/openid-configuration");
    const body = isDiscovery ? { issuer: url(), jwks_uri: `${url()}/keys` } : keys;
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: url(), server, token: (claims) => signed(privateKey, { iss: url(), ...claims }) };
}

function signed(key: KeyObject, claims: Record<string, unknown>): string {
  const now = Math.floor(Date.now() / 1_000);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const all = { aud: "flows", iat: now - 10, exp: now + 3_600, ...claims };
  const text = `${part({ alg: "RS256", typ: "JWT", kid: "1" })}.${part(all)}`;
  return `${text}.${createSign("RSA-SHA256").update(text).sign(key, "base64url")}`;
}
