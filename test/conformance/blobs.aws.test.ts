import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll } from "vitest";
import { S3Blobs } from "../../shared/adapters/aws/blobs.ts";
import { systemClock as clock } from "../../shared/adapters/local/clock.ts";
import { Meter } from "../../shared/ports/meter.ts";
import { type Fauxqs, startFauxqs } from "../support/fauxqs.ts";
import { realTime } from "../support/ports.ts";
import { blobsSuite } from "./blobs.suite.ts";

let fauxqs: Fauxqs;
let drawn = 0;

beforeAll(async () => {
  fauxqs = await startFauxqs();
});
afterAll(() => fauxqs.stop());

blobsSuite("aws", async () => {
  const bucket = `blobs-${++drawn}`;
  await fauxqs.s3.send(new CreateBucketCommand({ Bucket: bucket }));
  const blobs = new S3Blobs({ client: fauxqs.s3, bucket, clock });
  return { blobs, clock, meter: new Meter(), advance: realTime, close: async () => {} };
});
