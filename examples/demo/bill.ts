/** What runs cost at AWS list prices, beside as many state transitions of Step Functions. Pure. */
import type { Finished } from "./timeline.ts";

/** https://aws.amazon.com/step-functions/pricing/: Standard, us-east-1. Retries are transitions too. */
const USD_PER_TRANSITION = 25 / 1e6;

const head = [
  "",
  "operations",
  "retries",
  "writes",
  "reads",
  "requests",
  "schedules",
  "Stepfold",
  "Step Functions",
  "",
];

export function billOf(finished: readonly Finished[]): string {
  const rows = finished.map(({ title, run, operations }) => {
    const { writeUnits, readUnits, queueRequests, schedules, usd } = run.cost;
    const transitions = operations.length + run.retryCount;
    const counts = [operations.length, run.retryCount, writeUnits, readUnits, queueRequests, schedules];
    const other = transitions * USD_PER_TRANSITION;
    return [title, ...counts.map(rounded), dollars(usd), dollars(other), `${(other / usd).toFixed(1)} times`];
  });
  const table = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table
    .map((row) => `  ${row.map((cell, column) => padded(cell, widths[column]!, column)).join("  ")}`)
    .join("\n");
}

const padded = (cell: string, width: number, column: number): string =>
  column === 0 ? cell.padEnd(width) : cell.padStart(width);
const rounded = (count: number): string => String(Math.round(count * 10) / 10);
/** For a million runs: a single one costs too little to read. */
const dollars = (usd: number): string => `$${(usd * 1e6).toFixed(2)}`;
