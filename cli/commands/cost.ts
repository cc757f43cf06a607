/** `stepfold cost`: what runs cost, and what they would elsewhere: of those that are named, or of a list. */
import type { Command } from "commander";
import type { Client } from "../../shared/client/index.ts";
import { Operations } from "../operations.ts";
import { costOf, sumOf } from "../prices.ts";
import { costLines, type NamedCost } from "../print/cost.ts";
import { type ApiOptions, apiCommand, withApi } from "./api.ts";
import { type FilterOptions, listed, withFilters } from "./filters.ts";

/** Asked for at once. */
const AT_ONCE = 8;

const command = apiCommand("cost", "print what runs cost: those named, or those of a list").argument(
  "[runs...]",
  "their ids; without any, the filters tell",
);

export const costCommand: Command = withFilters(command).action(
  (runIds: string[], options: ApiOptions & FilterOptions) =>
    withApi(options, async (api) => {
      const named = runIds.length > 0 ? runIds : await listedIds(api.client, options);
      const costs = await costsOf(api.client, named);
      const sum = sumOf(costs);
      if (api.isJson)
        api.sayJson({ runs: costs.map(({ name, runs: _one, ...cost }) => ({ runId: name, ...cost })), sum });
      else if (costs.length === 0) api.terminal.note("There are no such runs.");
      else api.terminal.say(...costLines(costs, sum, api.terminal));
      return 0;
    }),
);

async function listedIds(client: Client, options: FilterOptions): Promise<string[]> {
  const ids: string[] = [];
  for await (const { runs } of listed(client, options)) ids.push(...runs.map(({ runId }) => runId));
  return ids;
}

async function costsOf(client: Client, runIds: readonly string[]): Promise<NamedCost[]> {
  const costs: NamedCost[] = [];
  for (let begin = 0; begin < runIds.length; begin += AT_ONCE) {
    const some = runIds.slice(begin, begin + AT_ONCE);
    costs.push(...(await Promise.all(some.map((runId) => namedCost(client, runId)))));
  }
  return costs;
}

async function namedCost(client: Client, runId: string): Promise<NamedCost> {
  const [run, operations] = await Promise.all([client.get(runId), new Operations(client, runId).read()]);
  return { name: runId, ...costOf(run, operations) };
}
