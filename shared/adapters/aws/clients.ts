/**
 * The SDK's clients as the adapters want them: every request ends (the SDK by itself waits for ever), and endpoints
 * come from the SDK's own variables, `AWS_ENDPOINT_URL_<SERVICE>` and `AWS_ENDPOINT_URL`.
 */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { S3Client } from "@aws-sdk/client-s3";
import { SchedulerClient } from "@aws-sdk/client-scheduler";
import { SQSClient } from "@aws-sdk/client-sqs";

export interface AwsClients {
  dynamodb: DynamoDBClient;
  sqs: SQSClient;
  scheduler: SchedulerClient;
  s3: S3Client;
  eventbridge: EventBridgeClient;
}

const HTTP_ATTEMPTS_MAX = 3;
const CONNECTION_TIMEOUT_MS = 2_000;
const REQUEST_TIMEOUT_MS = 5_000;
/** Over SQS's longest poll. */
const POLL_TIMEOUT_MS = 25_000;
const BLOB_TIMEOUT_MS = 60_000;
const SOCKETS_MAX = 256;

export function createClients(env: Record<string, string | undefined>): AwsClients {
  const s3Endpoint = endpointOf(env, "S3");
  return {
    dynamodb: new DynamoDBClient({ ...within(REQUEST_TIMEOUT_MS), ...endpointOf(env, "DYNAMODB") }),
    sqs: new SQSClient({ ...within(POLL_TIMEOUT_MS), ...endpointOf(env, "SQS") }),
    scheduler: new SchedulerClient({ ...within(REQUEST_TIMEOUT_MS), ...endpointOf(env, "SCHEDULER") }),
    eventbridge: new EventBridgeClient({ ...within(REQUEST_TIMEOUT_MS), ...endpointOf(env, "EVENTBRIDGE") }),
    // An endpoint of one's own seldom has a host name for every bucket.
    s3: new S3Client({ ...within(BLOB_TIMEOUT_MS), ...s3Endpoint, forcePathStyle: "endpoint" in s3Endpoint }),
  };
}

export function endpointOf(
  env: Record<string, string | undefined>,
  service: string,
): { endpoint: string } | Record<never, never> {
  const endpoint = env[`AWS_ENDPOINT_URL_${service}`] || env.AWS_ENDPOINT_URL;
  return endpoint ? { endpoint } : {};
}

export const within = (requestTimeout: number) => ({
  maxAttempts: HTTP_ATTEMPTS_MAX,
  requestHandler: {
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout,
    throwOnRequestTimeout: true,
    httpAgent: { maxSockets: SOCKETS_MAX, keepAlive: true },
    httpsAgent: { maxSockets: SOCKETS_MAX, keepAlive: true },
  },
});
