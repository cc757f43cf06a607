/** `stepfold watch`: a run as it goes on, until it is finished. Its outcome is the exit code. */
import type { Command } from "commander";
import { followRun } from "../follow.ts";
import { exitCodeOf } from "../outcome.ts";
import { type ApiOptions, apiCommand, withApi } from "./api.ts";

export const watchCommand: Command = apiCommand("watch", "watch a run until it is finished; Ctrl-C leaves it")
  .argument("<run>", "its id")
  .action((runId: string, options: ApiOptions) =>
    withApi(options, async (api) => {
      const last = await followRun(api, await api.client.get(runId));
      return last === undefined ? undefined : exitCodeOf(last);
    }),
  );
