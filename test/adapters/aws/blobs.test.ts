import { createHash } from "node:crypto";
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { mockClient } from "aws-sdk-client-mock";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { S3Blobs } from "../../../shared/adapters/aws/blobs.ts";
import { startFauxqs } from "../../support/fauxqs.ts";
import { awsError, instantClock, region } from "./clock.ts";

describe("requests", () => {
  const mock = mockClient(S3Client);
  const blobs = new S3Blobs({ client: new S3Client(region), bucket: "b", clock: instantClock() });
  afterEach(() => mock.reset());
  afterAll(() => mock.restore());

  it("a put carries its checksum", async () => {
    mock.on(PutObjectCommand).resolves({});
    const bytes = new TextEncoder().encode("grüezi");
    await blobs.put("runs/r/k", bytes);
    expect(mock.call(0).args[0].input).toMatchObject({
      Bucket: "b",
      Key: "runs/r/k",
      Body: bytes,
      ChecksumSHA256: createHash("sha256").update(bytes).digest("base64"),
    });
  });

  it("removal goes on over pages, and repeats what failed", async () => {
    mock
      .on(ListObjectsV2Command)
      .resolvesOnce({ Contents: [{ Key: "a" }, { Key: "b" }], NextContinuationToken: "next" })
      .resolves({ Contents: [{ Key: "c" }] })
      .on(DeleteObjectsCommand)
      .resolvesOnce({ Errors: [{ Key: "b", Code: "InternalError" }] })
      .resolves({});
    await blobs.removeAll("runs/r/");
    const lists = mock.commandCalls(ListObjectsV2Command).map((call) => call.args[0].input.ContinuationToken);
    const deleted = mock
      .commandCalls(DeleteObjectsCommand)
      .map((call) => call.args[0].input.Delete!.Objects!.map((object) => object.Key));
    expect(lists).toEqual([undefined, "next"]);
    expect(deleted).toEqual([["a", "b", "c"], ["b"]]);
  });

  it("renewal copies what is old onto itself, and nothing else", async () => {
    const now = Date.now();
    const aged = (Key: string, days: number) => ({ Key, LastModified: new Date(now - days * 86_400_000) });
    mock
      .on(ListObjectsV2Command)
      .resolves({ Contents: [aged("runs/r/old", 181), aged("runs/r/new", 179)] })
      .on(CopyObjectCommand)
      .resolves({});
    await new S3Blobs({
      client: new S3Client(region),
      bucket: "b",
      clock: { ...instantClock(), now: () => now },
    }).renew("runs/r/");
    expect(mock.commandCalls(CopyObjectCommand).map((call) => call.args[0].input)).toEqual([
      {
        Bucket: "b",
        Key: "runs/r/old",
        CopySource: "b/runs%2Fr%2Fold",
        MetadataDirective: "REPLACE",
        ContentType: "application/json",
      },
    ]);
  });

  it("a missing bucket is named", async () => {
    mock.on(GetObjectCommand).rejects(awsError("NoSuchBucket", 404));
    await expect(blobs.get("k")).rejects.toMatchObject({
      code: "BucketNotFound",
      data: { bucket: "b", key: "k" },
    });
  });
});

it("a URL reads the blob without credentials", async () => {
  const fauxqs = await startFauxqs();
  try {
    await fauxqs.s3.send(new CreateBucketCommand({ Bucket: "urls" }));
    const blobs = new S3Blobs({ client: fauxqs.s3, bucket: "urls", clock: instantClock() });
    await blobs.put("runs/r/a b", new TextEncoder().encode("content"));
    const url = new URL(await blobs.url("runs/r/a b"));
    expect(Number(url.searchParams.get("X-Amz-Expires"))).toBeGreaterThanOrEqual(3_600);
    expect(await (await fetch(url)).text()).toBe("content");
  } finally {
    await fauxqs.stop();
  }
});
