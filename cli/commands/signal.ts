/** `stepfold signal`: sends a run a named message. */
import type { Command } from "commander";
import { plain } from "../print/text.ts";
import { done } from "../print/told.ts";
import { type ApiOptions, apiCommand, withApi } from "./api.ts";
import { jsonOf } from "./values.ts";

interface Options extends ApiOptions {
  key?: string;
  strict?: true;
}

export const signalCommand: Command = apiCommand("signal", "send a run a signal")
  .argument("<run>", "the run's id")
  .argument("<name>", "the signal's name")
  .argument("[payload]", "JSON text, @file, or - for standard input")
  .option("--key <key>", "an idempotency key: the same key signals once")
  .option("--strict", "refuse unless the run waits for it now")
  .action((runId: string, name: string, payload: string | undefined, options: Options) =>
    withApi(options, async (api) => {
      const value = await jsonOf(payload, "the payload");
      const { key, strict } = options;
      const sent = await api.client.signal(runId, name, value, { idempotencyKey: key, strict });
      done(api, `${plain(name)} sent to ${runId}`, sent);
      return 0;
    }),
  );
