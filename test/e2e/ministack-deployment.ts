/**
 * `cdk bootstrap` and `cdk deploy` of the end-to-end app into a MiniStack that enforces IAM, and what a test needs to
 * talk to it: signed HTTP to the API as any role, and to AWS itself as the account's owner.
 */
import { execFile } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { SignatureV4 } from "@smithy/signature-v4";
import { type MiniStack, startMiniStack } from "../support/ministack.ts";
import { type Sign, type SigningProxy, signingProxy } from "../support/signing-proxy.ts";

const repository = join(dirname(fileURLToPath(import.meta.url)), "../..");
const binaries = join(repository, "node_modules/.bin");

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

export interface Outputs {
  FlowsApiUrl: string;
  FlowsTableName: string;
  FlowsBucketName: string;
  FlowsScheduleGroupName: string;
  FlowsSweepFunctionName: string;
  FlowsWorkQueueUrl: string;
  FlowsWorkDeadLettersUrl: string;
  FlowsSignalsQueueUrl: string;
  FlowsSignalsDeadLettersUrl: string;
  FlowsTriggersQueueUrl: string;
  FlowsTriggersDeadLettersUrl: string;
  CallerArn: string;
  StrangerArn: string;
}

export interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came back
  body: any;
}

export interface Deployment<O = Outputs> {
  ministack: MiniStack;
  outputs: O;
  owner: Credentials;
  /** Where MiniStack serves the deployed HTTP API. */
  apiUrl: string;
  /** A call of the deployed HTTP API; without credentials it is not signed. */
  api(
    method: string,
    path: string,
    options?: { body?: unknown; as?: Credentials; headers?: Record<string, string>; url?: string },
  ): Promise<Answer>;
  /** A call of AWS itself, signed by the account's owner. */
  aws(
    service: string,
    method: string,
    path: string,
    options?: { body?: string; headers?: Record<string, string> },
  ): Promise<string>;
  assume(roleArn: string): Promise<Credentials>;
  /** A loopback address of the API, where requests are signed as `as`. */
  proxy(as: Credentials): Promise<SigningProxy>;
  stop(): Promise<void>;
}

export const deploy = (): Promise<Deployment> => deployApp("test/e2e/ministack-app.ts", "Deployed");

/** The stack of an app; `env` is told to the app. */
export async function deployApp<O extends { FlowsApiUrl: string }>(
  file: string,
  stack: string,
  env: Record<string, string> = {},
): Promise<Deployment<O>> {
  const ministack = await startMiniStack({ auth: true });
  const output = mkdtempSync(join(tmpdir(), "stepfold-deploy-"));
  try {
    const cdk = commandLine(ministack, env);
    await cdk("bootstrap", `aws://${ministack.account}/${ministack.region}`);
    const app = `${join(binaries, "node")} --conditions=stepfold-source ${file}`;
    const files = ["--output", join(output, "cdk.out"), "--outputs-file", join(output, "outputs.json")];
    await cdk("deploy", stack, "--app", app, ...files, "--require-approval", "never", "--progress", "events");
    const outputs = JSON.parse(readFileSync(join(output, "outputs.json"), "utf8"))[stack] as O;
    return deployment(ministack, outputs);
  } catch (cause) {
    const log = ministack.log();
    await ministack.stop();
    throw new Error(`The deployment failed. MiniStack's log ends:\n${log.slice(-4_000)}`, { cause });
  } finally {
    rmSync(output, { recursive: true, force: true });
  }
}

function commandLine(ministack: MiniStack, more: Record<string, string>) {
  const PATH = `${binaries}:${process.env.PATH}`;
  const env = { ...process.env, ...ministack.environment, ...more, PATH, CI: "true" };
  return (...args: string[]) => promisify(execFile)(join(binaries, "cdk"), args, { cwd: repository, env });
}

function deployment<O extends { FlowsApiUrl: string }>(ministack: MiniStack, outputs: O): Deployment<O> {
  const owner = { accessKeyId: "test", secretAccessKey: "test" };
  const pathOf = (url: string) => `/_aws/execute-api/${new URL(url).hostname.split(".")[0]}/$default`;
  const apiUrl = `${ministack.endpoint}${pathOf(outputs.FlowsApiUrl)}`;
  const send = (service: string, request: OutgoingRequest, as: Credentials | undefined) =>
    sendSigned(`${ministack.endpoint}${request.path}`, service, ministack.region, request, as);

  const api: Deployment["api"] = async (method, path, options = {}) => {
    const { body, as, headers = {}, url = outputs.FlowsApiUrl } = options;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const json: Record<string, string> = text === undefined ? {} : { "content-type": "application/json" };
    const prefixed = `${pathOf(url)}${path}`;
    const answer = await send(
      "execute-api",
      { method, path: prefixed, body: text, headers: { ...json, ...headers } },
      as,
    );
    return { status: answer.status, body: parsed(await answer.text()) };
  };
  const aws: Deployment["aws"] = async (service, method, path, { body, headers = {} } = {}) => {
    const answer = await send(service, { method, path, body, headers }, owner);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${service} ${method} ${path} answered ${answer.status}: ${text}`);
    return text;
  };
  const assume = async (roleArn: string): Promise<Credentials> => {
    const form = new URLSearchParams({
      Action: "AssumeRole",
      Version: "2011-06-15",
      RoleArn: roleArn,
      RoleSessionName: "e2e",
    });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const xml = await aws("sts", "POST", "/", { body: form.toString(), headers });
    const field = (name: string) => new RegExp(`<${name}>([^<]+)</${name}>`).exec(xml)![1]!;
    return {
      accessKeyId: field("AccessKeyId"),
      secretAccessKey: field("SecretAccessKey"),
      sessionToken: field("SessionToken"),
    };
  };
  const proxy = (as: Credentials): Promise<SigningProxy> =>
    signingProxy(apiUrl, (request) => signedHeaders(ministack, request, as));
  return { ministack, outputs, owner, apiUrl, api, aws, assume, proxy, stop: () => ministack.stop() };
}

async function signedHeaders(
  { endpoint, region }: MiniStack,
  { method, path, query, headers, body }: Parameters<Sign>[0],
  credentials: Credentials,
): Promise<Record<string, string>> {
  const { protocol, hostname, port } = new URL(endpoint);
  const signer = new SignatureV4({ service: "execute-api", region, credentials, sha256: Sha256 });
  const request = { method, protocol, hostname, port: Number(port), path, query, headers };
  return (await signer.sign({ ...request, ...(body.length === 0 ? {} : { body }) })).headers;
}

interface OutgoingRequest {
  method: string;
  path: string;
  body: string | undefined;
  headers: Record<string, string>;
}

async function sendSigned(
  address: string,
  service: string,
  region: string,
  { method, body, headers }: OutgoingRequest,
  credentials: Credentials | undefined,
): Promise<Response> {
  const url = new URL(address);
  const init = (all: Record<string, string>) => ({
    method,
    headers: all,
    ...(body === undefined ? {} : { body }),
  });
  if (credentials === undefined) return fetch(url, init(headers));
  const signer = new SignatureV4({ service, region, credentials, sha256: Sha256 });
  const signed = await signer.sign({
    method,
    protocol: url.protocol,
    hostname: url.hostname,
    port: Number(url.port),
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: { host: url.host, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const { host: _host, ...sent } = signed.headers;
  return fetch(url, init(sent));
}

/** SHA-256 and HMAC in the form that the signer takes. */
class Sha256 {
  readonly #hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", secret as Uint8Array);
  }
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(typeof data === "string" ? data : (data as Uint8Array));
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
  reset(): void {}
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
