/** The function that runs users' code: one leg for each message of the work queue. */
import type { Context, SQSBatchResponse, SQSEvent } from "aws-lambda";
import { advance } from "../shared/engine/advance.ts";
import type { Engine } from "../shared/engine/settings.ts";
import { eachRecord } from "./batch.ts";
import { asFunction, type FunctionEngine, type LambdaFunction } from "./function.ts";

/** What a leg needs at its end: it parks, wakes and acknowledges. */
const CLOSING_MS = 3_000;
const LEG_MS_MIN = 1_000;

export function advanceFunction(engine: FunctionEngine): LambdaFunction<SQSEvent, SQSBatchResponse> {
  return asFunction(engine, (event, context) => {
    const inTime = withinInvocation(engine, context);
    return eachRecord(engine, event.Records, (body) => advance(inTime, body));
  });
}

/** A leg, and the lease that it claims, end before the invocation does. */
function withinInvocation(engine: Engine, context: Context): Engine {
  const leftMs = context.getRemainingTimeInMillis() - CLOSING_MS;
  if (leftMs >= engine.settings.legMs) return engine;
  return { ...engine, settings: { ...engine.settings, legMs: Math.max(leftMs, LEG_MS_MIN) } };
}
