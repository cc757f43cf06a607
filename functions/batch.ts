/**
 * SQS batches with partial failures: what is not answered as failed is deleted from the queue.
 *
 * 1. One failing message fails nothing else of a standard queue's batch.
 * 2. In a FIFO batch, whatever stands behind a failed message of its group fails too, so that order holds.
 */
import type { SQSBatchResponse, SQSRecord } from "aws-lambda";
import { toRunError } from "../shared/core/errors.ts";
import type { FunctionEngine } from "./function.ts";

/** Handles all records at once; answers those that failed. */
export async function eachRecord(
  engine: FunctionEngine,
  records: readonly SQSRecord[],
  handle: (body: string, messageId: string) => Promise<void>,
): Promise<SQSBatchResponse> {
  const failed: string[] = [];
  await Promise.all(
    records.map(async ({ messageId, body }) => {
      try {
        await handle(body, messageId);
      } catch (error) {
        engine.log.error("A message failed and comes back.", {
          messageId,
          error: toRunError(error, "Error"),
        });
        failed.push(messageId);
      }
    }),
  );
  return asFailures(engine, failed);
}

/** The failed ones, and those behind them in their groups. */
export function failedInOrder(
  engine: FunctionEngine,
  records: readonly SQSRecord[],
  failedIds: readonly string[],
): SQSBatchResponse {
  const failed = new Set(failedIds);
  const stopped = new Set<string>();
  for (const { messageId, attributes } of records) {
    const group = attributes.MessageGroupId ?? messageId;
    if (stopped.has(group)) failed.add(messageId);
    else if (failed.has(messageId)) stopped.add(group);
  }
  return asFailures(engine, [...failed]);
}

function asFailures(engine: FunctionEngine, messageIds: readonly string[]): SQSBatchResponse {
  if (messageIds.length > 0) engine.count?.("FailedMessages", messageIds.length);
  return { batchItemFailures: messageIds.map((itemIdentifier) => ({ itemIdentifier })) };
}
