/** What runs cost, and what they would elsewhere. */
import type { RunCost } from "../prices.ts";
import { dollars } from "./money.ts";
import { type Column, table } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { pad } from "./text.ts";

export interface NamedCost extends RunCost {
  name: string;
}

const number = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(1));

const right = { align: "right" } as const;
const columns: Column<NamedCost>[] = [
  { title: "RUN", text: ({ name }) => name },
  { title: "OPERATIONS", text: ({ operations }) => String(operations), goes: 3, ...right },
  { title: "WRITE UNITS", text: ({ writeUnits }) => number(writeUnits), ...right },
  { title: "READ UNITS", text: ({ readUnits }) => number(readUnits), goes: 4, ...right },
  { title: "REQUESTS", text: ({ queueRequests }) => number(queueRequests), goes: 5, ...right },
  { title: "SCHEDULES", text: ({ schedules }) => number(schedules), goes: 6, ...right },
  { title: "COST", text: ({ usd }) => dollars(usd), style: () => "green", ...right },
  { title: "STEP FUNCTIONS", text: ({ stepFunctionsUsd }) => dollars(stepFunctionsUsd), goes: 1, ...right },
  {
    title: "DURABLE FUNCTIONS",
    text: ({ durableFunctionsUsd }) => dollars(durableFunctionsUsd),
    goes: 2,
    ...right,
  },
];

/** A row for each, and one for all where there are several. */
export const costLines = (costs: readonly NamedCost[], sum: RunCost, terminal: Terminal): string[] => [
  ...table(costs.length === 1 ? costs : [...costs, { ...sum, name: `${sum.runs} runs` }], columns, terminal),
  "",
  ...comparison(sum, terminal),
];

function comparison({ usd, stepFunctionsUsd, durableFunctionsUsd }: RunCost, terminal: Terminal): string[] {
  const rows = [
    ["Stepfold", usd],
    ["Step Functions Standard", stepFunctionsUsd],
    ["Lambda durable functions", durableFunctionsUsd],
  ] as const;
  return [
    ...rows.map(([name, price]) => {
      const times =
        price === usd || usd === 0 ? "" : `  ${terminal.paint("dim", `${timesOf(price / usd)} ×`)}`;
      return `${pad(name, 25)} ${pad(dollars(price), 12, "left")}${times}`;
    }),
    terminal.paint(
      "dim",
      "At list prices (us-east-1), without Lambda's time, API Gateway, logs and idle polling.",
    ),
  ];
}

const timesOf = (ratio: number): string => (ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(1));
