/**
 * What the same run would cost elsewhere, at list prices (us-east-1). Lambda's time is left out everywhere: the same
 * code takes it everywhere.
 *
 * - Step Functions Standard: each attempt of each operation is one state transition.
 *   https://aws.amazon.com/step-functions/pricing/
 * - Lambda durable functions: the run and each attempt of each operation are one durable operation each, and the
 *   input and each output are data written. https://aws.amazon.com/lambda/pricing/
 */
import type { OperationView, Run } from "../shared/client/index.ts";

const TRANSITION_USD = 25 / 1e6;
const DURABLE_OPERATION_USD = 8 / 1e6;
const DURABLE_GB_USD = 0.25;
const GB = 1024 ** 3;

export interface RunCost {
  runs: number;
  operations: number;
  writeUnits: number;
  readUnits: number;
  queueRequests: number;
  schedules: number;
  usd: number;
  /** The same elsewhere. */
  stepFunctionsUsd: number;
  durableFunctionsUsd: number;
}

export function costOf({ cost, input, output }: Run, operations: readonly OperationView[]): RunCost {
  const attempts = operations.reduce((sum, operation) => sum + Math.max(1, operation.attempts), 0);
  const bytes = [input, output, ...operations.map((operation) => operation.output)].reduce<number>(
    (sum, value) =>
      sum + (value === undefined || value === null ? 0 : Buffer.byteLength(JSON.stringify(value))),
    0,
  );
  return {
    runs: 1,
    operations: operations.length,
    ...cost,
    stepFunctionsUsd: attempts * TRANSITION_USD,
    durableFunctionsUsd: (1 + attempts) * DURABLE_OPERATION_USD + (bytes / GB) * DURABLE_GB_USD,
  };
}

export function sumOf(costs: readonly RunCost[]): RunCost {
  const sum = (field: keyof RunCost) => costs.reduce((total, cost) => total + cost[field], 0);
  return {
    runs: sum("runs"),
    operations: sum("operations"),
    writeUnits: sum("writeUnits"),
    readUnits: sum("readUnits"),
    queueRequests: sum("queueRequests"),
    schedules: sum("schedules"),
    usd: sum("usd"),
    stepFunctionsUsd: sum("stepFunctionsUsd"),
    durableFunctionsUsd: sum("durableFunctionsUsd"),
  };
}
