/** A deployed stack, found by its name: its address from CloudFormation, its requests signed. */
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { signing } from "../../cli/connect/sign.ts";
import { createClient } from "../../shared/client/index.ts";
import { aDirectory, type Ended, run } from "../host/command.ts";

interface Asked {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
}

const asked: Asked[] = [];
const listening = (server: Server): Promise<string> =>
  new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    ),
  );

/** The API: it notes what it is asked, and has no runs. */
const api = createServer((request, response) => {
  asked.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers });
  response.writeHead(200, { "content-type": "application/json" }).end('{"items":[]}');
});

const outputsOf = (...constructs: string[]): Record<string, string> =>
  Object.fromEntries(
    constructs.flatMap((id) => [
      [`${id}ApiUrl`, `${apiUrl}/`],
      [`${id}TableName`, "table"],
      [`${id}WorkQueueUrl`, "queue"],
    ]),
  );
let apiUrl: string;
let cloudFormationUrl: string;
const stacks = (): Record<string, Record<string, string>> => ({
  Shop: outputsOf("Flows"),
  Two: outputsOf("Flows", "Jobs"),
  Site: { WebApiUrl: "https://example.com" },
});

function refused(status: number, code: string, message: string) {
  const error = `<Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error>`;
  return { status, body: `<ErrorResponse>${error}<RequestId>r</RequestId></ErrorResponse>` };
}

/** CloudFormation's answer to DescribeStacks. */
function described(name: string | null): { status: number; body: string } {
  if (name === "Denied") return refused(403, "AccessDenied", "Ada may not describe stacks.");
  if (name !== null && !(name in stacks()))
    return refused(400, "ValidationError", `Stack with id ${name} does not exist`);
  const shown = Object.entries(stacks()).filter(([stack]) => name === null || stack === name);
  const members = shown.map(([stack, outputs]) => {
    const outputMembers = Object.entries(outputs).map(
      ([key, value]) => `<member><OutputKey>${key}</OutputKey><OutputValue>${value}</OutputValue></member>`,
    );
    const facts = `<StackName>${stack}</StackName><StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime>`;
    return `<member>${facts}<Outputs>${outputMembers.join("")}</Outputs></member>`;
  });
  const result = `<DescribeStacksResult><Stacks>${members.join("")}</Stacks></DescribeStacksResult>`;
  return {
    status: 200,
    body: `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">${result}</DescribeStacksResponse>`,
  };
}

const cloudFormation = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const name = new URLSearchParams(Buffer.concat(chunks).toString()).get("StackName");
    const { status, body } = described(name);
    response.writeHead(status, { "content-type": "text/xml" }).end(body);
  });
});

beforeAll(async () => {
  [apiUrl, cloudFormationUrl] = await Promise.all([listening(api), listening(cloudFormation)]);
});
afterAll(() => void [api, cloudFormation].map((server) => server.close()));
beforeEach(() => void asked.splice(0));

const credentials = { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "secret" };
const aws = (): Record<string, string> => ({
  AWS_REGION: "eu-west-1",
  AWS_ACCESS_KEY_ID: credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  AWS_ENDPOINT_URL_CLOUDFORMATION: cloudFormationUrl,
});
const stepfold = (args: string[], env: Record<string, string> = {}): Promise<Ended> =>
  run(args, { ...aws(), ...env });

describe("a stack's name", () => {
  test.each([
    ["by --stack", ["list", "--stack", "Shop"], {}],
    ["by the environment", ["list"], { STEPFOLD_STACK: "Shop" }],
    ["with its construct's", ["list", "--stack", "Two/Jobs"], {}],
  ])("leads to its API, %s, with signed requests", async (_how, args, env) => {
    expect(await stepfold(args, env)).toMatchObject({ code: 0, stderr: "There are no such runs.\n" });
    expect(asked).toHaveLength(1);
    expect(asked[0]!.headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE\/\d{8}\/eu-west-1\/execute-api\/aws4_request, SignedHeaders=/,
    );
  });

  test("that is not there: those that are", async () => {
    expect(await stepfold(["list", "--stack", "Shp"])).toEqual({
      code: 2,
      stdout: "",
      stderr: 'stepfold: Expected a stack "Shp" in eu-west-1, got none; those with Stepfold are Shop, Two.\n',
    });
  });

  test("of a stack without Stepfold, or with more than one", async () => {
    const other = await stepfold(["list", "--stack", "Site"]);
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining("Stepfold construct") });
    const two = await stepfold(["list", "--stack", "Two"]);
    expect(two).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--stack Two/Flows or --stack Two/Jobs"),
    });
  });

  test("when CloudFormation does not answer, or refuses", async () => {
    const ended = await stepfold(["list", "--stack", "Denied"]);
    expect(ended).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "stepfold: Expected CloudFormation to tell where the stack Denied is, got: Ada may not describe stacks. --url gives its address without asking.\n",
    });
  });

  test("without credentials, or without a region", async () => {
    const none = { AWS_EC2_METADATA_DISABLED: "true", HOME: aDirectory() };
    const noCredentials = await run(["list", "--stack", "Shop"], { ...none, AWS_REGION: "eu-west-1" });
    expect(noCredentials).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/credentials.*AWS_PROFILE/),
    });
    const noRegion = await run(["list", "--stack", "Shop"], none);
    expect(noRegion).toMatchObject({ code: 2, stderr: expect.stringContaining("AWS_REGION") });
    const unsigned = await run(["list", "--url", apiUrl, "--sign"], { ...none, AWS_REGION: "eu-west-1" });
    expect(unsigned).toMatchObject({ code: 2, stderr: expect.stringMatching(/credentials.*AWS_PROFILE/) });
  });
});

describe("an address", () => {
  test("is signed for when asked to, and not otherwise", async () => {
    await stepfold(["list", "--url", apiUrl, "--sign"]);
    await stepfold(["list", "--url", apiUrl]);
    expect(asked.map(({ headers }) => headers.authorization?.slice(0, 16))).toEqual([
      "AWS4-HMAC-SHA256",
      undefined,
    ]);
  });

  test("is given a token in place of a signature", async () => {
    await stepfold(["list", "--url", apiUrl, "--token", "jwt-1"]);
    await stepfold(["list", "--stack", "Shop"], { STEPFOLD_TOKEN: "jwt-2" });
    expect(asked.map(({ headers }) => headers.authorization)).toEqual(["Bearer jwt-1", "Bearer jwt-2"]);
  });
});

/** AWS makes the signature of what it received again, and compares. */
test("a signature holds for the very request that is sent, whatever its path and query", async () => {
  const region = "eu-west-1";
  const client = createClient({ url: apiUrl, auth: signing({ credentials, region }) });
  await client.signal("r~1", "go/now *(ünï)", { a: "ä" });
  await client.list({ tag: { key: "a b", value: "c+d&é" } });
  for (const { method, url, headers } of asked) {
    expect(url).not.toContain("+");
    const { pathname, searchParams } = new URL(url, apiUrl);
    const [, given] = /Signature=([0-9a-f]+)$/.exec(headers.authorization!)!;
    const signed = /SignedHeaders=([^,]+)/.exec(headers.authorization!)![1]!.split(";");
    const { createHash, createHmac } = await import("node:crypto");
    const hash = (text: string) => createHash("sha256").update(text).digest("hex");
    const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();
    const encode = (text: string) =>
      encodeURIComponent(text).replace(
        /[!'()*]/g,
        (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
      );
    const query = [...searchParams]
      .map((pair) => pair.map(encode).join("="))
      .sort()
      .join("&");
    const canonical = [
      method,
      pathname.split("/").map(encode).join("/"),
      query,
      ...signed.map((name) => `${name}:${String(headers[name]).trim()}`),
      "",
      signed.join(";"),
      headers["x-amz-content-sha256"],
    ].join("\n");
    const at = String(headers["x-amz-date"]);
    const scope = `${at.slice(0, 8)}/${region}/execute-api/aws4_request`;
    const key = scope.split("/").reduce<string | Buffer>(hmac, `AWS4${credentials.secretAccessKey}`);
    const expected = hmac(key, `AWS4-HMAC-SHA256\n${at}\n${scope}\n${hash(canonical)}`).toString("hex");
    expect(given).toBe(expected);
  }
  expect(asked).toHaveLength(2);
});
