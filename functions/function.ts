/**
 * What every function's file is built with: an engine, and the middlewares of its surroundings.
 *
 * On Lambda `lambdaEngine` puts Powertools there; the local host puts nothing, so that its hot path costs nothing.
 */
import middy, { type MiddlewareObj, type MiddyfiedHandler } from "@middy/core";
import type { Context } from "aws-lambda";
import type { Engine } from "../shared/engine/settings.ts";
import type { TriggerSource } from "../shared/engine/trigger.ts";

/** The engine of a function, with what observes each of its invocations. */
export interface FunctionEngine extends Engine {
  middlewares?: MiddlewareObj[];
  /** Counts what an operator wants to see. */
  count?(metric: Metric, value: number): void;
  /** The topics and queues that triggers were declared on. */
  sources?: readonly TriggerSource[];
}

/** Messages that a function could not handle, and runs whose wake had been lost. */
export type Metric = "FailedMessages" | "WokenRuns";

export type LambdaFunction<Event, Result> = MiddyfiedHandler<Event, Result, Error, Context>;

/** `handle` as a Lambda handler. Lambda's own time-out stands: legs end before it by themselves. */
export function asFunction<Event, Result>(
  engine: FunctionEngine,
  handle: (event: Event, context: Context) => Promise<Result>,
): LambdaFunction<Event, Result> {
  const wrapped = middy<Event, Result, Error, Context>({ timeoutEarlyInMillis: 0 }).handler(handle);
  for (const middleware of engine.middlewares ?? []) wrapped.use(middleware);
  return wrapped as LambdaFunction<Event, Result>;
}
