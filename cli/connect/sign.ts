/** Requests signed for API Gateway (SigV4) with the user's own credentials, found where the AWS SDK finds them. */
import { createHash, createHmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import type { Auth } from "../../shared/client/index.ts";
import { StepfoldError } from "../../shared/core/errors.ts";

type Signer = ConstructorParameters<typeof SignatureV4>[0];

export interface AwsIdentity {
  credentials: Signer["credentials"];
  region: Signer["region"];
}

export function signing({ credentials, region }: AwsIdentity): Auth {
  const signer = new SignatureV4({ service: "execute-api", region, credentials, sha256: Sha256 });
  return async ({ method, url, headers, body }) => {
    const { protocol, hostname, host, port, pathname, searchParams } = new URL(url);
    const request = {
      method,
      protocol,
      hostname,
      path: pathname,
      query: Object.fromEntries(searchParams),
      headers: { host, ...headers },
      ...(port === "" ? {} : { port: Number(port) }),
      ...(body === undefined ? {} : { body }),
    };
    const signed = await signer.sign(request).catch((cause: unknown) => {
      throw awsProblem(cause);
    });
    // The host is the transport's to send.
    const { host: _host, ...sent } = signed.headers;
    return sent;
  };
}

/** What keeps the SDK from asking AWS at all, as what to do about it; anything else as it is. */
export function awsProblem(cause: unknown): unknown {
  const { name, message } = cause as Error;
  const isOneOf = (names: readonly string[]) => names.some((part) => name.includes(part));
  if (/^Region is missing/.test(message))
    return new StepfoldError("NoRegion", "Expected an AWS region, got none: set AWS_REGION to the stack's.");
  if (
    isOneOf([
      "CredentialsProviderError",
      "ExpiredToken",
      "InvalidClientTokenId",
      "UnrecognizedClient",
      "Token",
    ])
  )
    return new StepfoldError(
      "NoCredentials",
      "Expected AWS credentials, got none that AWS accepts: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in again (aws sso login).",
      {},
      { cause },
    );
  return cause;
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
