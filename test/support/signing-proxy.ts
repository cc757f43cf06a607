/**
 * A loopback proxy that signs what it passes on (AWS Signature Version 4), so that tools that know no signatures can
 * talk to a deployed API. Bytes, paths and headers go through as they came.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";

/** Signs a request and answers all headers that it must be sent with. */
export type Sign = (outgoing: {
  method: string;
  path: string;
  query: Record<string, string | string[]>;
  headers: Record<string, string>;
  body: Uint8Array;
}) => Promise<Record<string, string>>;

export interface SigningProxy {
  url: string;
  close(): Promise<void>;
}

/** Passed on as they are; the rest belongs to the connection. */
const PASSED = /^(content-type|accept|if-match|prefer|idempotency-key|stepfold-.*|authorization-.*)$/;

/** `target` is the API's address, without a slash at its end. */
export async function signingProxy(target: string, sign: Sign): Promise<SigningProxy> {
  const server = createServer({ maxHeaderSize: 256 * 1024 }, (incoming, outgoing) => {
    passOn(target, sign, incoming, outgoing).catch((error: unknown) => {
      outgoing.writeHead(502, { "content-type": "text/plain" }).end(String(error));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function passOn(
  target: string,
  sign: Sign,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const method = incoming.method ?? "GET";
  const address = new URL(`${target}${incoming.url}`);
  const headers = await sign({
    method,
    path: address.pathname,
    query: queryOf(address),
    headers: { host: address.host, ...passed(incoming.headers) },
    body,
  });
  await new Promise<void>((resolve, reject) => {
    const sent = request(
      address,
      { method, headers: { ...headers, "content-length": body.length } },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
        answer.on("end", resolve);
        answer.on("error", reject);
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

function passed(headers: IncomingHttpHeaders): Record<string, string> {
  const kept = Object.entries(headers).filter(
    ([name, value]) => PASSED.test(name) && typeof value === "string",
  );
  return Object.fromEntries(kept) as Record<string, string>;
}

function queryOf({ searchParams }: URL): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {};
  for (const name of new Set(searchParams.keys())) {
    const values = searchParams.getAll(name);
    query[name] = values.length === 1 ? values[0]! : values;
  }
  return query;
}
