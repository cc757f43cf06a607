/** `stepfold start`: begins a run, and with `--wait` stays until it is finished. */
import type { Command } from "commander";
import type { StartOptions } from "../../shared/client/index.ts";
import { followRun } from "../follow.ts";
import { exitCodeOf } from "../outcome.ts";
import { startedLines } from "../print/told.ts";
import { type ApiOptions, apiCommand, countOf, withApi } from "./api.ts";
import { durationText, jsonOf, timeOf, withTag } from "./values.ts";

interface Options extends ApiOptions {
  runId?: string;
  key?: string;
  workflowVersion?: number;
  owner?: string;
  tag?: Record<string, string>;
  goal?: string;
  timeout?: string;
  startAt?: string;
  dryRun?: true;
  wait?: true;
}

export const startCommand: Command = apiCommand("start", "start a run of a workflow")
  .argument("<workflow>", "its name")
  .argument("[input]", "JSON text, @file, or - for standard input")
  .option("--run-id <id>", "the run's id; starting it again answers the same run")
  .option("--key <key>", "an idempotency key: the same key starts one run")
  .option("--workflow-version <number>", "the version of the workflow; by default its latest", countOf)
  .option("--owner <owner>", "whose run it is")
  .option("--tag <key=value>", "a tag; may come again", withTag)
  .option("--goal <text>", "what it is for")
  .option("--timeout <duration>", "the run's deadline, from now", durationText)
  .option("--start-at <time>", "when it begins: a time, or a length of time from now", timeOf(1))
  .option("--dry-run", "steps with a stand-in skip their work")
  .option("--wait", "stay until it is finished; the exit code is its outcome")
  .action((workflow: string, input: string | undefined, options: Options) =>
    withApi(options, async (api) => {
      const run = await api.client.start(workflow, await jsonOf(input, "the input"), startOptions(options));
      if (options.wait) {
        const last = await followRun(api, run);
        return last && exitCodeOf(last);
      }
      if (api.isJson) api.sayJson(run);
      else api.terminal.say(...startedLines(run, api));
      return 0;
    }),
  );

function startOptions({
  runId,
  key,
  workflowVersion,
  owner,
  tag,
  goal,
  timeout,
  startAt,
  dryRun,
}: Options): StartOptions {
  return {
    runId,
    idempotencyKey: key,
    version: workflowVersion,
    owner,
    tags: tag,
    goal,
    timeout,
    startAt,
    dryRun,
  };
}
