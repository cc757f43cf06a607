/**
 * HTTP to API Gateway events and back. It serves what the API function answers, and the blobs that the API's answers
 * link to.
 *
 * 1. It listens on this machine only, and refuses what a foreign web page sends: there is no other protection.
 * 2. Of a body that is too large only as much is kept as makes the API say so.
 */
import { isUtf8 } from "node:buffer";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import type { Log } from "../../shared/core/context.ts";
import { StepfoldError, toRunError } from "../../shared/core/errors.ts";
import { REQUEST_BYTES_MAX } from "../../shared/core/limits.ts";
import type { BlobStore } from "../../shared/ports/blobs.ts";
import type { Clock } from "../../shared/ports/clock.ts";
import { contextOf, type Handler } from "./invocation.ts";

const HOST = "127.0.0.1";
const BLOBS = "/blobs/";
/** Says who calls, as JSON: for trying `STEPFOLD_ISOLATION` on this machine. */
const CLAIMS = "stepfold-claims";
const LOOPBACK_ORIGIN = /^https?:\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/;
/** What no stranger can register: addresses, names without a dot, and names for private use. A page under any other
 * name may have had it pointed here, to read as if from its own host. */
const PRIVATE_HOST = /^(\[[\da-f:.]+\]|[\d.]+|[^.:]+|.+\.(localhost|local|internal|test))(:\d+)?$/i;
/** Of the request line and all headers, so that what is too long for the API is for the API to refuse. */
const HEADER_BYTES_MAX = 256 * 1024;
/** Longer than common clients keep an idle connection, so that it is theirs to close. */
const KEEP_ALIVE_MS = 65_000;

export type ApiHandler = Handler<APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2>;

export interface ServerOptions {
  port: number;
  api: ApiHandler;
  blobs: BlobStore;
  clock: Clock;
  log: Log;
}

export interface HttpHost {
  url: string;
  /** Accepts no more, and resolves when what is under way is answered. */
  close(): Promise<void>;
  /** Ends the connections that are left. */
  cut(): void;
}

/** Throws `PortInUse`. */
export async function serve(options: ServerOptions): Promise<HttpHost> {
  const server = createServer({ maxHeaderSize: HEADER_BYTES_MAX }, (request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      // Otherwise the caller has gone in the midst of its request.
      if (request.complete)
        options.log.error("A request failed.", { path: request.url, error: toRunError(error, "Error") });
      response.destroy();
    });
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.on("clientError", refuseBroken);
  await listening(server, options.port);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${HOST}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
    cut: () => server.closeAllConnections(),
  };
}

/** What is not HTTP, or has too large a head, is answered as a problem like any other. */
function refuseBroken({ code }: NodeJS.ErrnoException, socket: Duplex): void {
  if (code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const { status, reason, problem } = BROKEN[code ?? ""] ?? NOT_HTTP;
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${status} ${reason}`,
    "Content-Type: application/problem+json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

const broken = (status: number, reason: string, code: string, detail: string) => ({
  status,
  reason,
  problem: problemBody(status, code, detail),
});

const NOT_HTTP = broken(400, "Bad Request", "MalformedRequest", "Expected HTTP/1.1, got something else.");
/** By the codes of Node's own parser. */
const BROKEN: Record<string, ReturnType<typeof broken>> = {
  HPE_HEADER_OVERFLOW: broken(
    431,
    "Request Header Fields Too Large",
    "HeadersTooLarge",
    `Expected a request line and headers of at most ${HEADER_BYTES_MAX} bytes, got more.`,
  ),
  ERR_HTTP_REQUEST_TIMEOUT: broken(
    408,
    "Request Timeout",
    "RequestTimeout",
    "Expected the whole request within its time, got a part of it.",
  ),
};

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === "EADDRINUSE";
      const message = `Expected port ${port} to be free, got ${error.code}: stop what listens there, or choose another by --port (0 picks a free one).`;
      reject(isTaken ? new StepfoldError("PortInUse", message, { port }, { cause: error }) : error);
    });
    server.listen(port, HOST, resolve);
  });
}

async function answer(
  options: ServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = request.url ?? "/";
  const { origin, host } = request.headers;
  if (origin !== undefined && !LOOPBACK_ORIGIN.test(origin))
    return send(response, refusal(403, "ForeignOrigin", "Web pages of other hosts may not use this API."));
  if (host !== undefined && host !== "" && !PRIVATE_HOST.test(host))
    return send(
      response,
      refusal(403, "ForeignHost", "Expected this machine's own name or address as Host."),
    );
  const body = await bodyOf(request);
  if (request.method === "GET" && url.startsWith(BLOBS))
    return send(response, await blobAnswer(options.blobs, url));
  const id = options.clock.id();
  send(
    response,
    await options.api(eventOf(request, url, body, id, options.clock.now()), contextOf("api", id)),
  );
}

function send(
  response: ServerResponse,
  { statusCode = 200, headers, body, isBase64Encoded }: APIGatewayProxyStructuredResultV2,
): void {
  if (body === undefined) {
    response.writeHead(statusCode, headers as Record<string, string>).end();
    return;
  }
  const bytes = Buffer.from(body, isBase64Encoded ? "base64" : "utf8");
  response.writeHead(statusCode, { ...headers, "content-length": bytes.byteLength }).end(bytes);
}

/** What a body is made of, as far as the API wants to know it. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    if (bytes <= REQUEST_BYTES_MAX) chunks.push(chunk);
    bytes += chunk.length;
  }
  if (chunks.length === 0) return undefined;
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
}

function eventOf(
  request: IncomingMessage,
  url: string,
  body: Buffer | undefined,
  requestId: string,
  timeEpoch: number,
): APIGatewayProxyEventV2 {
  const question = url.indexOf("?");
  const rawPath = question < 0 ? url : url.slice(0, question);
  const isText = body !== undefined && isUtf8(body);
  const { headers } = request;
  const event: APIGatewayProxyEventV2 = {
    version: "2.0",
    routeKey: "$default",
    rawPath,
    rawQueryString: question < 0 ? "" : url.slice(question + 1),
    headers: headers as APIGatewayProxyEventV2["headers"],
    requestContext: {
      accountId: "000000000000",
      apiId: "local",
      domainName: headers.host ?? HOST,
      domainPrefix: "local",
      http: {
        method: request.method ?? "GET",
        path: rawPath,
        protocol: "HTTP/1.1",
        sourceIp: request.socket.remoteAddress ?? HOST,
        userAgent: headers["user-agent"] ?? "",
      },
      requestId,
      routeKey: "$default",
      stage: "$default",
      time: "",
      timeEpoch,
    },
    isBase64Encoded: body !== undefined && !isText,
  };
  if (body !== undefined) event.body = body.toString(isText ? "utf8" : "base64");
  const claims = claimsOf(headers[CLAIMS]);
  if (claims !== undefined)
    Object.assign(event.requestContext, { authorizer: { jwt: { claims, scopes: null } } });
  return event;
}

/** What an authorizer would have taken from a token. There is none on this machine, so callers say it themselves. */
function claimsOf(given: string | string[] | undefined): Record<string, unknown> | undefined {
  if (typeof given !== "string") return undefined;
  try {
    const claims = JSON.parse(given) as unknown;
    return typeof claims === "object" && claims !== null ? (claims as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

async function blobAnswer(blobs: BlobStore, url: string): Promise<APIGatewayProxyStructuredResultV2> {
  try {
    const bytes = await blobs.get(decodeURIComponent(url.slice(BLOBS.length)));
    const body = Buffer.from(bytes).toString("utf8");
    return { statusCode: 200, headers: { "content-type": "application/json" }, body };
  } catch (error) {
    if (error instanceof URIError) return refusal(400, "MalformedRequest", "Expected percent-encoded UTF-8.");
    if (error instanceof StepfoldError && error.code === "BlobNotFound")
      return refusal(404, error.code, error.message);
    throw error;
  }
}

function problemBody(status: number, code: string, detail: string) {
  return { type: `urn:stepfold:problem:${code}`, title: code, status, detail, code };
}

const refusal = (status: number, code: string, detail: string): APIGatewayProxyStructuredResultV2 => ({
  statusCode: status,
  headers: { "content-type": "application/problem+json" },
  body: JSON.stringify(problemBody(status, code, detail)),
});
