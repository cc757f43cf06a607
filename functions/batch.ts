/**
 * SQS batches with partial failures: what is not answered as failed is deleted from the queue.
 *
 * 1. One failing message fails nothing else of a standard queue's batch.
 * 2. In a FIFO batch, whatever stands behind a failed message of its group fails too, so that order holds.
 */
import type { SQSBatchResponse, SQSRecord } from "aws-lambda";
import { toRunError } from "../shared/core/errors.ts";
import type { FunctionEngine } from "./function.ts";

/** Handles all groups at once, each one's records in their order; answers those that failed. */
export async function eachRecord(
  engine: FunctionEngine,
  records: readonly SQSRecord[],
  handle: (body: string, messageId: string, record: SQSRecord) => Promise<void>,
): Promise<SQSBatchResponse> {
  const groups = Map.groupBy(records, ({ messageId, attributes }) => attributes.MessageGroupId ?? messageId);
  const failed: string[] = [];
  await Promise.all(
    [...groups.values()].map(async (group) => {
      const failure = await firstFailure(engine, group, handle);
      if (failure !== undefined) failed.push(failure);
    }),
  );
  return failedInOrder(engine, records, failed);
}

async function firstFailure(
  engine: FunctionEngine,
  group: readonly SQSRecord[],
  handle: (body: string, messageId: string, record: SQSRecord) => Promise<void>,
): Promise<string | undefined> {
  for (const record of group) {
    const { messageId, body, eventSourceARN: queue } = record;
    try {
      await handle(body, messageId, record);
    } catch (error) {
      const failure = { messageId, queue, error: toRunError(error, "Error") };
      engine.log.error("A message failed and comes back.", failure);
      return messageId;
    }
  }
  return undefined;
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
