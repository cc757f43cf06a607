/** Invocations of the functions' handlers, as Lambda makes them. */
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import type { ReceivedMessage } from "../../shared/ports/queue.ts";

/** A function's handler. */
export type Handler<Event, Result> = (event: Event, context: Context) => Promise<Result>;
export type BatchHandler = Handler<SQSEvent, SQSBatchResponse>;

/** Nothing limits an invocation here: legs end by their own length. */
export function contextOf(functionName: string, awsRequestId: string): Context {
  return {
    callbackWaitsForEmptyEventLoop: false,
    functionName,
    functionVersion: "$LATEST",
    invokedFunctionArn: `arn:aws:lambda:local:000000000000:function:${functionName}`,
    memoryLimitInMB: "512",
    awsRequestId,
    logGroupName: functionName,
    logStreamName: functionName,
    getRemainingTimeInMillis: () => Number.MAX_SAFE_INTEGER,
    done() {},
    fail() {},
    succeed() {},
  };
}

export const sqsEvent = (messages: readonly ReceivedMessage[]): SQSEvent => ({
  Records: messages.map(sqsRecord),
});

function sqsRecord(message: ReceivedMessage): SQSRecord {
  const { messageId, receipt, body, group, id, receiveCount, sentAt } = message;
  const fifo = group === undefined ? {} : { MessageGroupId: group, MessageDeduplicationId: id ?? messageId };
  return {
    messageId,
    receiptHandle: receipt,
    body,
    attributes: {
      ApproximateReceiveCount: String(receiveCount),
      SentTimestamp: String(sentAt),
      SenderId: "local",
      ApproximateFirstReceiveTimestamp: String(sentAt),
      ...fifo,
    },
    messageAttributes: {},
    md5OfBody: "",
    eventSource: "aws:sqs",
    eventSourceARN: "arn:aws:sqs:local:000000000000:local",
    awsRegion: "local",
  };
}
