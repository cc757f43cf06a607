/**
 * The function that other AWS services aim at, through the standard intake queue or by invoking it: it starts and
 * signals runs.
 */
import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import { trigger } from "../shared/engine/trigger.ts";
import { eachRecord } from "./batch.ts";
import { asFunction, type FunctionEngine, type LambdaFunction } from "./function.ts";

/** A batch of the intake queue, or one trigger as the whole event. */
export type TriggersEvent = SQSEvent | { Records?: undefined; [field: string]: unknown };

export function triggersFunction(engine: FunctionEngine): LambdaFunction<TriggersEvent, SQSBatchResponse> {
  return asFunction(engine, async (event) => {
    if (event.Records === undefined) {
      await trigger(engine, JSON.stringify(event));
      return { batchItemFailures: [] };
    }
    return eachRecord(engine, (event as SQSEvent).Records, (body, id) => trigger(engine, body, id));
  });
}
