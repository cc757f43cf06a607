/** `stepfold list`: the runs that hold every filter. */
import type { Command } from "commander";
import type { RunSummary } from "../../shared/client/index.ts";
import { listLines } from "../print/list.ts";
import { type ApiOptions, apiCommand, withApi } from "./api.ts";
import { type FilterOptions, listed, withFilters } from "./filters.ts";

export const listCommand: Command = withFilters(apiCommand("list", "list runs, the newest first")).action(
  (options: ApiOptions & FilterOptions) =>
    withApi(options, async (api) => {
      const { terminal } = api;
      const runs: RunSummary[] = [];
      let areMore = false;
      for await (const page of listed(api.client, options)) {
        areMore = page.areMore;
        if (api.isJson) for (const run of page.runs) api.sayJsonLine(run);
        else runs.push(...page.runs);
      }
      if (api.isJson) return 0;
      if (runs.length === 0) terminal.note("There are no such runs.");
      else terminal.say(...listLines(runs, terminal, api.now()));
      if (areMore)
        terminal.note(terminal.paint("dim", "There are more: --all lists them, --limit so many of them."));
      return 0;
    }),
);
