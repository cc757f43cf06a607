/**
 * From an API Gateway event to a request whose every part held its schema. Whatever is wrong is thrown as a problem.
 */
import type { APIGatewayProxyEventV2 } from "aws-lambda";
import type * as z from "zod";
import { StepfoldError } from "../core/errors.ts";
import { isRunId } from "../core/ids.ts";
import type { Json } from "../core/json.ts";
import { PREFER_WAIT_SECONDS_MAX, REQUEST_BYTES_MAX } from "../core/limits.ts";
import { runNotFound } from "../engine/outside.ts";
import { invalidInput, malformed } from "./problem.ts";
import type { ApiRequest } from "./route.ts";
import type { Match } from "./router.ts";

/** Beyond it neither validation nor storage need go. */
const JSON_DEPTH_MAX = 200;
const KEY_LENGTH_MAX = 255;

type Headers = APIGatewayProxyEventV2["headers"];

export function requestOf({ route, params }: Match, event: APIGatewayProxyEventV2): ApiRequest {
  if (params.runId !== undefined && !isRunId(params.runId)) throw runNotFound(params.runId);
  const { headers } = event;
  const body = route.body === undefined ? undefined : parsed("the body", route.body, bodyOf(event));
  const request: ApiRequest = { params, query: queryOf(route.query, event.rawQueryString), body };
  const ifMatch = revisionOf(headers["if-match"]);
  if (ifMatch !== undefined) request.ifMatch = ifMatch;
  const idempotencyKey = keyOf(headers["idempotency-key"]);
  if (idempotencyKey !== undefined) request.idempotencyKey = idempotencyKey;
  const generation = generationOf(headers["stepfold-generation"]);
  if (generation !== undefined) request.generation = generation;
  const waitSeconds = waitOf(headers.prefer);
  if (waitSeconds !== undefined) request.waitSeconds = waitSeconds;
  return request;
}

function parsed<T>(what: string, schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw value === undefined
    ? malformed(`Expected ${what} to be JSON, got nothing.`)
    : invalidInput(what, result.error);
}

function queryOf(schema: z.ZodType | undefined, rawQueryString: string): unknown {
  if (rawQueryString === "") return schema === undefined ? undefined : parsed("the query", schema, {});
  const query = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(rawQueryString)) {
    if (schema === undefined) throw unexpected(name, "is unknown");
    if (query.has(name)) throw unexpected(name, "is given twice");
    query.set(name, value);
  }
  return schema === undefined ? undefined : parsed("the query", schema, Object.fromEntries(query));
}

const unexpected = (path: string, message: string): StepfoldError =>
  new StepfoldError("InvalidInput", `Expected the query to hold its schema, but ${path} ${message}`, {
    issues: [{ path, message }],
  });

/** The body's JSON, or `undefined` for an empty body. */
function bodyOf({ body, isBase64Encoded, headers }: APIGatewayProxyEventV2): Json | undefined {
  if (body === undefined || body === "") return undefined;
  checkSize(isBase64Encoded ? Math.floor(body.length * 0.75) - 2 : body.length);
  const bytes = isBase64Encoded ? Buffer.from(body, "base64") : undefined;
  // UTF-8 takes up to three bytes for each unit of text, so most bodies need no count.
  if (bytes !== undefined) checkSize(bytes.byteLength);
  else if (body.length * 3 > REQUEST_BYTES_MAX) checkSize(Buffer.byteLength(body));
  checkMediaType(headers["content-type"]);
  checkCoding(headers["content-encoding"]);
  const text = bytes === undefined ? body : utf8Of(bytes);
  checkDepth(text);
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw malformed(`Expected the body to be JSON, got ${(error as Error).message}.`);
  }
}

function checkSize(bytes: number): void {
  if (bytes <= REQUEST_BYTES_MAX) return;
  throw new StepfoldError(
    "PayloadTooLarge",
    `Expected a body of at most ${REQUEST_BYTES_MAX} bytes, got more.`,
    {
      bytesMax: REQUEST_BYTES_MAX,
    },
  );
}

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

function checkMediaType(given: string | undefined): void {
  if (given === undefined || given === "application/json" || JSON_TYPE.test(given)) return;
  throw new StepfoldError(
    "UnsupportedMediaType",
    `Expected a body of application/json, got ${given.slice(0, 200)}.`,
  );
}

function checkCoding(given: string | undefined): void {
  if (given === undefined || /^\s*(identity\s*)?$/i.test(given)) return;
  throw new StepfoldError(
    "UnsupportedMediaType",
    `Expected a body without Content-Encoding, got ${JSON.stringify(given.slice(0, 200))}.`,
  );
}

function utf8Of(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw malformed("Expected the body to be UTF-8, got bytes that are not.");
  }
}

/** Code that walks a value would otherwise run out of stack. */
function checkDepth(text: string): void {
  let depth = 0;
  let isInString = false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (isInString) {
      if (code === 0x5c) index++;
      else if (code === 0x22) isInString = false;
    } else if (code === 0x22) isInString = true;
    else if (code === 0x5b || code === 0x7b) depth++;
    else if (code === 0x5d || code === 0x7d) depth--;
    if (depth > JSON_DEPTH_MAX)
      throw new StepfoldError(
        "InvalidInput",
        `Expected JSON of at most ${JSON_DEPTH_MAX} levels, got more.`,
        {
          issues: [{ path: "", message: "is nested too deeply" }],
        },
      );
  }
}

function revisionOf(given: Headers[string]): number | undefined {
  if (given === undefined || given === "*") return undefined;
  const [, quoted, bare] = /^(?:"(\d{1,15})"|(\d{1,15}))$/.exec(given) ?? [];
  const revision = quoted ?? bare;
  if (revision !== undefined) return Number(revision);
  throw malformed(
    `Expected If-Match to be the ETag of a run, such as "3", got ${JSON.stringify(given.slice(0, 100))}.`,
  );
}

function generationOf(given: Headers[string]): number | undefined {
  if (given === undefined) return undefined;
  if (/^\d{1,15}$/.test(given)) return Number(given);
  throw malformed(
    `Expected Stepfold-Generation to be the generation of a lease, such as 3, got ${JSON.stringify(given.slice(0, 100))}.`,
  );
}

function keyOf(given: Headers[string]): string | undefined {
  if (given === undefined) return undefined;
  if (given !== "" && given.length <= KEY_LENGTH_MAX) return given;
  throw malformed(`Expected an Idempotency-Key of 1–${KEY_LENGTH_MAX} characters, got ${given.length}.`);
}

/** RFC 7240: a preference that cannot be understood is ignored. */
function waitOf(given: Headers[string]): number | undefined {
  const seconds = Number(/(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})"?\s*(?:[,;]|$)/i.exec(given ?? "")?.[1] ?? 0);
  return seconds === 0 ? undefined : Math.min(seconds, PREFER_WAIT_SECONDS_MAX);
}
