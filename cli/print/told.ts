/** What a command says when it has done what it was asked for. */
import type { Run } from "../../shared/client/index.ts";
import type { Api } from "../commands/api.ts";
import { isFinished } from "../outcome.ts";
import { headline } from "./run.ts";
import { jsonText } from "./text.ts";

/** A run that was changed. */
export function changed(run: Run, api: Api): void {
  if (api.isJson) return api.sayJson(run);
  const { terminal, next } = api;
  terminal.say(headline(run, api));
  // What it was before is still shown: the request is what has changed.
  if (run.cancel !== undefined && !isFinished(run))
    terminal.say(terminal.paint("dim", `  it was asked to end. Follow it: ${next("watch", run.runId)}`));
}

export function startedLines(run: Run, api: Api): string[] {
  const { terminal, next } = api;
  return [
    headline(run, api),
    ...(isFinished(run) ? [] : [terminal.paint("dim", `  follow it: ${next("watch", run.runId)}`)]),
  ];
}

/** Something happened: a sign, and the rest. */
export function done(api: Api, text: string, value: unknown): void {
  if (api.isJson) api.sayJson(value);
  else api.terminal.say(`${api.terminal.paint("green", "✓")} ${text}`);
}

/** A value as it may be pasted somewhere else: whole. */
export const outputLines = (output: unknown): string[] =>
  output === undefined || output === null ? [] : jsonText(output, 2).split("\n");
