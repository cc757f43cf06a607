/** Something that is asked of a run, with a reason and by whom. */
import type { Command } from "commander";
import { changed } from "../print/told.ts";
import { type ApiOptions, apiCommand, withApi } from "./api.ts";

interface Options extends ApiOptions {
  reason?: string;
  by?: string;
}

export const requestCommand = (verb: "pause" | "resume", description: string): Command =>
  apiCommand(verb, description)
    .argument("<run>", "the run's id")
    .option("--reason <text>", "why")
    .option("--by <who>", "who asks for it")
    .action((runId: string, options: Options) =>
      withApi(options, async (api) => {
        const { reason, by } = options;
        changed(await api.client[verb](runId, { reason, by }), api);
        return 0;
      }),
    );
