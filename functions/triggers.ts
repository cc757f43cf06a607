/**
 * The function that other AWS services aim at, through the standard intake queue, by queues of the user's that feed
 * it, or by invoking it: it starts and signals runs.
 */
import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import { trigger } from "../shared/engine/trigger.ts";
import { eachRecord } from "./batch.ts";
import { asFunction, type FunctionEngine, type LambdaFunction } from "./function.ts";

/** A batch of a queue, or one trigger as the whole event. */
export type TriggersEvent = SQSEvent | { Records?: undefined; [field: string]: unknown };

export function triggersFunction(engine: FunctionEngine): LambdaFunction<TriggersEvent, SQSBatchResponse> {
  return asFunction(engine, async (event) => {
    if (event.Records === undefined) {
      await trigger(engine, { body: JSON.stringify(event) });
      return { batchItemFailures: [] };
    }
    return eachRecord(engine, (event as SQSEvent).Records, (body, id, record) =>
      trigger(engine, { body, id, queueArn: record.eventSourceARN }, engine.sources),
    );
  });
}
