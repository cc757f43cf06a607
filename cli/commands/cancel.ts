/** `stepfold cancel`. */
import type { Command } from "commander";
import { changed } from "../print/told.ts";
import { type ApiOptions, apiCommand, withApi } from "./api.ts";

interface Options extends ApiOptions {
  reason?: string;
  by?: string;
  final?: boolean;
}

export const cancelCommand: Command = apiCommand(
  "cancel",
  "end a run: what it has done is undone where its code says how",
)
  .argument("<run>", "the run's id")
  .option("--reason <text>", "why")
  .option("--by <who>", "who asks for it")
  .option("--final", "at once and without its code: a managed, mirrored or stalled run")
  .action((runId: string, options: Options) =>
    withApi(options, async (api) => {
      const { reason, by, final } = options;
      changed(await api.client.cancel(runId, { reason, by, ...(final && { final }) }), api);
      return 0;
    }),
  );
