/**
 * The function that other AWS services aim at, through the standard intake queue, by queues of the user's that feed
 * it, or by invoking it: it starts and signals runs.
 */
import type { SNSEvent, SQSBatchResponse, SQSEvent } from "aws-lambda";
import { trigger } from "../shared/engine/trigger.ts";
import { eachRecord } from "./batch.ts";
import { asFunction, type FunctionEngine, type LambdaFunction } from "./function.ts";

/** A batch of a queue, what a topic invokes it with, or one trigger as the whole event. */
export type TriggersEvent = SQSEvent | SNSEvent | { Records?: undefined; [field: string]: unknown };

const isOfTopic = (event: TriggersEvent): event is SNSEvent =>
  event.Records?.[0] !== undefined && "Sns" in event.Records[0];

export function triggersFunction(engine: FunctionEngine): LambdaFunction<TriggersEvent, SQSBatchResponse> {
  return asFunction(engine, async (event) => {
    if (event.Records === undefined) {
      await trigger(engine, { body: JSON.stringify(event) });
      return { batchItemFailures: [] };
    }
    if (isOfTopic(event)) {
      for (const { Sns } of event.Records)
        await trigger(engine, { body: JSON.stringify(Sns), id: Sns.MessageId }, engine.sources);
      return { batchItemFailures: [] };
    }
    return eachRecord(engine, (event as SQSEvent).Records, (body, id, record) =>
      trigger(engine, { body, id, queueArn: record.eventSourceARN }, engine.sources),
    );
  });
}
