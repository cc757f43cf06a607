/** fauxqs, an SQS and S3 in this process, over HTTP on a free port of the loopback interface. */
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import { startFauxqs as start } from "fauxqs";

export interface Fauxqs {
  endpoint: string;
  sqs: SQSClient;
  s3: S3Client;
  stop(): Promise<void>;
}

export async function startFauxqs(): Promise<Fauxqs> {
  const server = await start({ port: 0, host: "127.0.0.1", logger: false });
  const endpoint = `http://127.0.0.1:${server.port}`;
  const common = {
    endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  };
  const sqs = new SQSClient(common);
  const s3 = new S3Client({ ...common, forcePathStyle: true });
  const stop = async () => {
    sqs.destroy();
    s3.destroy();
    await server.stop();
  };
  return { endpoint, sqs, s3, stop };
}
