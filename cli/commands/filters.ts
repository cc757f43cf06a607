/** Which runs are meant: the filters of a list, and how many of them. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Client, ListOptions, RunSummary } from "../../shared/client/index.ts";
import { LIST_LIMIT_MAX } from "../../shared/core/limits.ts";
import { countOf } from "./api.ts";
import { type Tag, tagOf, timeOf } from "./values.ts";

export interface FilterOptions {
  status?: string[];
  workflow?: string;
  owner?: string;
  tag?: Tag;
  parent?: string;
  stalled?: true;
  createdAfter?: string;
  createdBefore?: string;
  order: "asc" | "desc";
  limit: number;
  all?: true;
}

const STATUSES = [
  "active",
  "pending",
  "running",
  "sleeping",
  "waiting",
  "paused",
  "completed",
  "failed",
  "cancelled",
  "timedOut",
];

export const withFilters = (command: Command): Command =>
  command
    .option("--status <status,…>", `one or several of ${STATUSES.join(" ")}`, statusesOf)
    .option("--workflow <name>", "of this workflow")
    .option("--owner <owner>", "of this owner")
    .option("--tag <key=value>", "with this tag", tagOf)
    .option("--parent <run>", "started by this run")
    .option("--stalled", "whose code does not agree with their journal")
    .option("--created-after <time>", "begun after a time, or at most so long ago", timeOf(-1))
    .option("--created-before <time>", "begun before a time, or at least so long ago", timeOf(-1))
    .addOption(
      new Option("--order <order>", "newest (desc) or oldest (asc) first")
        .choices(["desc", "asc"])
        .default("desc"),
    )
    .option("--limit <count>", "at most so many", countOf, 20)
    .option("--all", "all there are");

function statusesOf(given: string): string[] {
  const statuses = given.split(",");
  const unknown = statuses.find((status) => !STATUSES.includes(status));
  if (unknown === undefined) return statuses;
  throw new InvalidArgumentError(
    `Expected statuses of ${STATUSES.join(", ")}, got ${JSON.stringify(unknown)}.`,
  );
}

/** The runs, page by page. The last page tells whether there are more than were asked for. */
export async function* listed(
  client: Client,
  { limit, all, status, stalled, ...rest }: FilterOptions,
): AsyncGenerator<{ runs: RunSummary[]; areMore: boolean }> {
  let left = all ? Number.POSITIVE_INFINITY : limit;
  const { order, workflow, owner, tag, parent, createdAfter, createdBefore } = rest;
  let cursor: string | undefined;
  do {
    const filters = { order, workflow, owner, tag, parent, createdAfter, createdBefore, stalled, cursor };
    const page = await client.list({
      ...filters,
      status: status as ListOptions["status"],
      limit: Math.min(left, LIST_LIMIT_MAX),
    });
    left -= page.items.length;
    cursor = page.cursor;
    yield { runs: page.items, areMore: cursor !== undefined };
  } while (cursor !== undefined && left > 0);
}
