/** `stepfold show`: one run, its operations, what it waits for, and how to go on. */
import type { Command } from "commander";
import { Operations } from "../operations.ts";
import { runLines } from "../print/run.ts";
import { timeline } from "../print/timeline.ts";
import { type ApiOptions, apiCommand, withApi } from "./api.ts";

/** Enough to know the latest of nearly every run. */
const OPERATIONS_MAX = 5_000;

export const showCommand: Command = apiCommand("show", "show a run: its operations, and what it waits for")
  .argument("<run>", "its id")
  .option("--all", "every operation, however many")
  .action((runId: string, options: ApiOptions & { all?: true }) =>
    withApi(options, async (api) => {
      const { client, terminal } = api;
      const run = await client.get(runId);
      const reader = new Operations(client, runId);
      const operations = await reader.read(options.all ? undefined : OPERATIONS_MAX);
      if (api.isJson) api.sayJson({ ...run, operations });
      else {
        const max = options.all ? Number.POSITIVE_INFINITY : undefined;
        const drawn = timeline(run, operations, { terminal, now: api.now(), max });
        terminal.say(...runLines(run, operations, api), ...(drawn.length === 0 ? [] : ["", ...drawn]));
        if (reader.isCut)
          terminal.note(`Only the first ${operations.length} operations were read: --all reads all.`);
      }
      return 0;
    }),
  );
