/**
 * The API's handler over an engine in memory, on virtual time: `world.runs` is the host that advances runs, `ask` sends
 * what API Gateway would.
 */
import { gunzipSync } from "node:zlib";
import type { APIGatewayProxyEventV2, Context } from "aws-lambda";
import { apiFunction } from "../../functions/api.ts";
import type { JsonObject } from "../../shared/core/json.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import { type TestHost, testHost } from "../../shared/testing/index.ts";

export interface Answer {
  status: number;
  headers: Record<string, unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
  body: any;
  /** What Lambda would have to return. */
  lambdaBytes: number;
}

export interface Asked {
  body?: unknown;
  /** Sent as it is. */
  raw?: string | Uint8Array;
  headers?: Record<string, string>;
  /** Who the gateway's authorizer says it is: a token's claims, or an IAM principal. */
  as?: { claims: JsonObject } | { arn: string };
  /** As API Gateway's routes hand it over: decoded. */
  isDecoded?: boolean;
}

export interface World {
  runs: TestHost;
  engine: Engine;
  errors: unknown[];
  ask(method: string, path: string, asked?: Asked): Promise<Answer>;
}

export function aWorld(
  workflows: unknown[],
  change: (engine: Engine) => Partial<Engine> = () => ({}),
): World {
  const runs = testHost({ workflows });
  const errors: unknown[] = [];
  const log = {
    debug() {},
    info() {},
    warn() {},
    error: (message: string, data?: object) => errors.push({ message, ...data }),
  };
  const made = createEngine(runs.ports, { workflows, log, settings: { owner: "api", codeHash: "test" } });
  const engine = { ...made, ...change(made) };
  const handler = apiFunction(engine);
  const ask = async (method: string, path: string, asked: Asked = {}): Promise<Answer> => {
    const result = await handler(eventOf(method, path, asked), {} as Context);
    const { statusCode, headers, body, isBase64Encoded } = result;
    const text = isBase64Encoded ? gunzipSync(Buffer.from(body!, "base64")).toString() : body;
    const answer = {
      status: statusCode!,
      headers: headers ?? {},
      body: text === undefined ? undefined : JSON.parse(text),
      lambdaBytes: 0,
    };
    // Nothing that a caller sees: not a part of what is compared.
    const value = Buffer.byteLength(JSON.stringify(result));
    return Object.defineProperty(answer, "lambdaBytes", { value, enumerable: false });
  };
  return { runs, engine, errors, ask };
}

export function eventOf(
  method: string,
  path: string,
  { body, raw, headers = {}, isDecoded, as }: Asked,
): APIGatewayProxyEventV2 {
  const [rawPath = "", rawQueryString = ""] = path.split("?");
  const event: APIGatewayProxyEventV2 = {
    version: "2.0",
    routeKey: isDecoded ? "ANY /{proxy+}" : "$default",
    rawPath,
    rawQueryString,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    requestContext: { http: { method, path: rawPath } } as APIGatewayProxyEventV2["requestContext"],
    isBase64Encoded: raw instanceof Uint8Array,
  };
  if (as !== undefined) {
    const authorizer =
      "arn" in as ? { iam: { userArn: as.arn } } : { jwt: { claims: as.claims, scopes: null } };
    Object.assign(event.requestContext, { authorizer });
  }
  if (raw !== undefined) event.body = typeof raw === "string" ? raw : Buffer.from(raw).toString("base64");
  if (body !== undefined) event.body = JSON.stringify(body);
  return event;
}

/** A problem has its whole form, whatever its code. */
export function problem(status: number, code: string, data: JsonObject = {}) {
  return {
    status,
    headers: { "content-type": "application/problem+json" },
    body: { status, code, type: `urn:stepfold:problem:${code}`, ...data },
  };
}
