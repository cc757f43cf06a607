/**
 * From a route's answer to what Lambda returns.
 *
 * 1. Lambda returns at most 6 MB, and counts the body as text within JSON: every quote and backslash of it twice. So
 *    what is too large like that goes out compressed.
 * 2. Whoever takes no compressed answers gets large values as blobs (`Budget`), so that this is seldom too late.
 */
import { gzipSync } from "node:zlib";
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from "aws-lambda";
import { ANSWER_BYTES_MAX } from "../core/limits.ts";
import type { ApiResponse } from "./route.ts";

/** No text takes more bytes than this for each of its units of UTF-16 when it is escaped and encoded. */
const WIRE_BYTES_PER_UNIT_MAX = 6;

export function asResult({ status, headers, body }: ApiResponse): APIGatewayProxyStructuredResultV2 {
  if (body === undefined) return { statusCode: status, headers: { ...headers } };
  const all = { "content-type": "application/json", ...headers };
  const text = JSON.stringify(body);
  if (fitsOnWire(text)) return { statusCode: status, headers: all, body: text };
  return {
    statusCode: status,
    headers: { ...all, "content-encoding": "gzip", vary: "accept-encoding" },
    body: gzipSync(text).toString("base64"),
    isBase64Encoded: true,
  };
}

export const fitsOnWire = (text: string): boolean =>
  text.length * WIRE_BYTES_PER_UNIT_MAX <= ANSWER_BYTES_MAX || wireBytes(text) <= ANSWER_BYTES_MAX;

/** What a JSON text takes as a string within JSON, without the quotes around it. */
export function wireBytes(text: string): number {
  let escaped = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x22 || code === 0x5c) escaped++;
  }
  return Buffer.byteLength(text) + escaped;
}

/** Whether a caller says that it takes gzip. */
export function acceptsGzip({ headers }: APIGatewayProxyEventV2): boolean {
  const given = (headers["accept-encoding"] ?? "").toLowerCase().split(",");
  const codings = new Map(
    given.map((coding) => {
      const [name = "", ...parameters] = coding.split(";").map((part) => part.trim());
      return [name, !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))] as const;
    }),
  );
  return codings.get("gzip") ?? codings.get("*") ?? false;
}
