/**
 * Blobs in S3. A put carries its SHA-256, so S3 refuses what was damaged on the way; a blob's content never changes,
 * so a put that is repeated is harmless.
 */
import { createHash } from "node:crypto";
import {
  type _Object,
  CopyObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { PortError } from "../../core/errors.ts";
import { BLOB_RENEW_MS } from "../../core/limits.ts";
import type { BlobStore } from "../../ports/blobs.ts";
import type { Clock } from "../../ports/clock.ts";
import { type Call, isException, withLeftovers, withRetry } from "./retry.ts";

export interface S3BlobsOptions {
  client: S3Client;
  bucket: string;
  clock: Clock;
}

/** A URL is valid for at least an hour, unless the credentials that signed it end before. */
const URL_SECONDS = 2 * 3_600;
const KEYS_PER_DELETE_MAX = 1_000;

export class S3Blobs implements BlobStore {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #clock: Clock;

  constructor(options: S3BlobsOptions) {
    this.#client = options.client;
    this.#bucket = options.bucket;
    this.#clock = options.clock;
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const command = new PutObjectCommand({
      Bucket: this.#bucket,
      Key: key,
      Body: bytes,
      ChecksumSHA256: createHash("sha256").update(bytes).digest("base64"),
      ContentType: "application/json",
    });
    await withRetry(this.#clock, this.#call(`store the blob ${key}`, key), () => this.#client.send(command));
  }

  async get(key: string): Promise<Uint8Array> {
    const command = new GetObjectCommand({ Bucket: this.#bucket, Key: key });
    const bytes = await withRetry(this.#clock, this.#call(`read the blob ${key}`, key), async () => {
      try {
        return await (await this.#client.send(command)).Body?.transformToByteArray();
      } catch (error) {
        if (isException(error, "NoSuchKey")) return undefined;
        throw error;
      }
    });
    if (bytes !== undefined) return bytes;
    throw new PortError(
      "BlobNotFound",
      `Expected the blob ${key} to be in the bucket ${this.#bucket}, got none.`,
      {
        retryable: false,
        data: { key, bucket: this.#bucket },
      },
    );
  }

  async renew(prefix: string): Promise<void> {
    const call = this.#call(`renew the blobs under ${prefix}`, prefix);
    const before = this.#clock.now() - BLOB_RENEW_MS;
    for await (const { Key, LastModified } of this.#listed(prefix, call)) {
      if (Key === undefined || LastModified === undefined || LastModified.getTime() > before) continue;
      const command = new CopyObjectCommand({
        Bucket: this.#bucket,
        Key,
        CopySource: `${this.#bucket}/${encodeURIComponent(Key)}`,
        // S3 refuses to copy a thing onto itself unless something changes.
        MetadataDirective: "REPLACE",
        ContentType: "application/json",
      });
      await withRetry(this.#clock, call, () => this.#client.send(command));
    }
  }

  async removeAll(prefix: string): Promise<void> {
    const call = this.#call(`remove the blobs under ${prefix}`, prefix);
    const keys: string[] = [];
    for await (const { Key } of this.#listed(prefix, call)) if (Key !== undefined) keys.push(Key);
    for (let from = 0; from < keys.length; from += KEYS_PER_DELETE_MAX) {
      const some = keys.slice(from, from + KEYS_PER_DELETE_MAX);
      await withLeftovers(this.#clock, call, some, async (left) => {
        const Delete = { Objects: left.map((Key) => ({ Key })), Quiet: true };
        const { Errors = [] } = await this.#client.send(
          new DeleteObjectsCommand({ Bucket: this.#bucket, Delete }),
        );
        const again = Errors.map((error) => error.Key ?? "");
        const reason = Errors[0]?.Code;
        return reason === undefined ? { again } : { again, reason };
      });
    }
  }

  async *#listed(prefix: string, call: Call): AsyncGenerator<_Object, void, undefined> {
    for (let from: string | undefined, isFirst = true; isFirst || from !== undefined; isFirst = false) {
      const list = new ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: prefix,
        ContinuationToken: from,
      });
      const page = await withRetry(this.#clock, call, () => this.#client.send(list));
      yield* page.Contents ?? [];
      from = page.NextContinuationToken;
    }
  }

  url(key: string): Promise<string> {
    const command = new GetObjectCommand({ Bucket: this.#bucket, Key: key });
    return withRetry(this.#clock, this.#call(`sign a URL of the blob ${key}`, key), () =>
      getSignedUrl(this.#client, command, { expiresIn: URL_SECONDS }),
    );
  }

  #call(doing: string, key: string): Call {
    return {
      doing,
      data: { bucket: this.#bucket, key },
      missing: {
        errors: ["NoSuchBucket"],
        code: "BucketNotFound",
        message: `Expected the bucket ${this.#bucket} to exist, got none. Run \`cdk deploy\`, or check AWS_REGION and AWS_ENDPOINT_URL_S3.`,
      },
    };
  }
}
