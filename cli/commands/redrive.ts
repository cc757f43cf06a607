/** `stepfold redrive`: lets a failed, cancelled or timed-out run go on, and tries a stalled one again. */
import type { Command } from "commander";
import { changed } from "../print/told.ts";
import { type ApiOptions, apiCommand, withApi } from "./api.ts";

export const redriveCommand: Command = apiCommand("redrive", "let a failed, cancelled or timed-out run go on")
  .argument("<run>", "the run's id")
  .option("--from <operation>", "the operation that it begins at; by default the one that failed")
  .action((runId: string, options: ApiOptions & { from?: string }) =>
    withApi(options, async (api) => {
      changed(await api.client.redrive(runId, { from: options.from }), api);
      return 0;
    }),
  );
