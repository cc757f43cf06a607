/** The function behind the FIFO queue of signals: it appends each run's signals of a batch, and runs no user code. */
import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import { receiveSignals } from "../shared/engine/intake.ts";
import { failedInOrder } from "./batch.ts";
import { asFunction, type FunctionEngine, type LambdaFunction } from "./function.ts";

export function signalsFunction(engine: FunctionEngine): LambdaFunction<SQSEvent, SQSBatchResponse> {
  return asFunction(engine, async ({ Records }) => {
    const failed = await receiveSignals(
      engine,
      Records.map(({ messageId, body }) => ({ id: messageId, body })),
    );
    return failedInOrder(engine, Records, failed);
  });
}
