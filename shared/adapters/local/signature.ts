/**
 * How a turn is signed: the headers of Standard Webhooks (standardwebhooks.com), so that runners can check it with
 * that specification's libraries.
 *
 * 1. The signed text is `<id>.<timestamp>.<body>`; the signature is HMAC-SHA256, base64, after `v1,`.
 * 2. A secret `whsec_…` is the key in base64; any other is the key's own text. Several, separated by spaces, sign
 *    one beside the other, so that a runner can go over from one to the next.
 */
import { createHmac } from "node:crypto";
import type { Turn } from "../../ports/runners.ts";

const PREFIX = "whsec_";

/** Without a secret: the turn's id and time alone. */
export function signatureHeaders(
  { id, body }: Pick<Turn, "id" | "body">,
  secrets: string | undefined,
  now: number,
): Record<string, string> {
  const timestamp = String(Math.floor(now / 1_000));
  const headers = { "webhook-id": id, "webhook-timestamp": timestamp };
  const keys = (secrets ?? "").split(/\s+/).filter((secret) => secret !== "");
  if (keys.length === 0) return headers;
  const signatures = keys.map((secret) => {
    const hmac = createHmac("sha256", keyOf(secret)).update(`${id}.${timestamp}.${body}`);
    return `v1,${hmac.digest("base64")}`;
  });
  return { ...headers, "webhook-signature": signatures.join(" ") };
}

const keyOf = (secret: string): Buffer =>
  secret.startsWith(PREFIX)
    ? Buffer.from(secret.slice(PREFIX.length), "base64")
    : Buffer.from(secret, "utf8");
