/** Requests and answers of the client: JSON over `fetch`. It runs in browsers too, so it imports nothing of Node. */
import type { Json } from "../core/json.ts";
import { StepfoldClientError } from "./errors.ts";

export interface OutgoingRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: string;
}

type Credentials = string | Record<string, string>;

/** An `Authorization` header's value, or a function that answers it anew for each request, or answers the headers to
 * add: to sign a request, for example. */
export type Auth = string | ((request: OutgoingRequest) => Credentials | Promise<Credentials>);

export interface ClientOptions {
  url: string;
  auth?: Auth;
  fetch?: typeof fetch;
}

export interface Call {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Segments, not encoded. */
  path: readonly string[];
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  headers?: Record<string, string | undefined>;
}

export type Transport = ReturnType<typeof createTransport>;

export function createTransport({ url, auth, fetch: given }: ClientOptions) {
  const base = url.replace(/\/+$/, "");
  const send = given ?? fetch;

  const request = async (outgoing: OutgoingRequest): Promise<Response> => {
    const credentials = typeof auth === "function" ? await auth(outgoing) : auth;
    if (typeof credentials === "string") outgoing.headers.authorization = credentials;
    else Object.assign(outgoing.headers, credentials);
    const { url: target, ...init } = outgoing;
    try {
      return await send(target, init);
    } catch (cause) {
      const detail = `Expected an answer of ${base}, got none: ${String((cause as Error).cause ?? cause)}`;
      throw new StepfoldClientError({ code: "Unreachable", status: 0, detail }, { cause });
    }
  };

  const call = async <T>({ method, path, query, body, headers = {} }: Call): Promise<T> => {
    const outgoing: OutgoingRequest = {
      method,
      url: `${base}${pathOf(path)}${queryOf(query)}`,
      headers: defined(headers),
    };
    if (body !== undefined) {
      outgoing.body = JSON.stringify(body);
      outgoing.headers["content-type"] = "application/json";
    }
    return answerOf<T>(await request(outgoing));
  };

  /** A value that an answer only links to. The credentials go nowhere but to the API itself. */
  const read = async (link: string): Promise<Json> => {
    if (link.startsWith("/"))
      return answerOf(await request({ method: "GET", url: `${base}${link}`, headers: {} }));
    return answerOf(await send(link));
  };

  return { call, read };
}

const pathOf = (segments: readonly string[]): string =>
  segments.map((segment) => `/${encodeURIComponent(inPath(segment))}`).join("");

/** Nothing, `.` and `..` drop out of a path, however they are written: the request would go to another one. */
function inPath(segment: string): string {
  if (!/^\.{0,2}$/.test(segment)) return segment;
  const detail = `Expected an id or a name that a path can hold, got ${JSON.stringify(segment)}.`;
  throw new StepfoldClientError({ code: "InvalidName", status: 422, detail });
}

function queryOf(query: Call["query"] = {}): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  );
  return given.length === 0
    ? ""
    : `?${given.map((pair) => pair.map(encodeURIComponent).join("=")).join("&")}`;
}

const defined = (headers: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );

async function answerOf<T>(response: Response): Promise<T> {
  const text = await response.text();
  const json = parsed(text);
  if (response.ok && (json !== undefined || text === "")) return json as T;
  const problem = (json ?? {}) as Record<string, Json>;
  if (typeof problem.code === "string" && typeof problem.detail === "string") {
    const { type: _type, title: _title, status: _status, code, detail, ...data } = problem;
    throw new StepfoldClientError({ code, status: response.status, detail, data });
  }
  const detail = `Expected an answer of Stepfold's API, got HTTP ${response.status}: ${text.slice(0, 200)}`;
  throw new StepfoldClientError({ code: "UnknownAnswer", status: response.status, detail });
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
