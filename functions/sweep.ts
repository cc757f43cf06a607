/** The function that a rule invokes every minute: it finds runs whose wake was lost. */
import type { ScheduledEvent } from "aws-lambda";
import { sweep } from "../shared/engine/sweep.ts";
import { asFunction, type FunctionEngine, type LambdaFunction } from "./function.ts";

export function sweepFunction(
  engine: FunctionEngine,
): LambdaFunction<Partial<ScheduledEvent>, { woken: number }> {
  return asFunction(engine, async () => {
    const { woken } = await sweep(engine);
    if (woken > 0) engine.count?.("WokenRuns", woken);
    return { woken };
  });
}
