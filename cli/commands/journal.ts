/** `stepfold journal`: a run's events in their order, and with `--follow` those to come, until it is finished. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { JournalEvent } from "../../shared/client/index.ts";
import { LIST_LIMIT_MAX } from "../../shared/core/limits.ts";
import { isFinished } from "../outcome.ts";
import { journalLine } from "../print/journal.ts";
import { type Api, type ApiOptions, apiCommand, countOf, sequenceOf, withApi } from "./api.ts";

interface Options extends ApiOptions {
  after?: number;
  limit?: number;
  follow?: true;
}

const LOOK_MS = 500;

export const journalCommand: Command = apiCommand("journal", "print a run's journal")
  .argument("<run>", "the run's id")
  .option("--after <sequence>", "only what has a later sequence", sequenceOf)
  .option("--limit <count>", "at most so many events, and the rest of the last one's entry", countOf)
  .option("--follow", "stay until the run is finished")
  .action((runId: string, { after, limit, follow, ...options }: Options) =>
    withApi(options, async (api) => {
      const say = sayer(api);
      let left = limit ?? Number.POSITIVE_INFINITY;
      let last = after;
      for (;;) {
        const wanted = Math.min(left, LIST_LIMIT_MAX);
        // Asked before the events: what it says of the end is then never ahead of them.
        const isOver = !follow || isFinished(await api.client.get(runId));
        const { items, cursor } = await api.client.journal(runId, { after: last, limit: wanted });
        for (const event of items) say(event);
        left -= items.length;
        last = items.at(-1)?.sequence ?? last;
        if (left <= 0 || (cursor === undefined && isOver)) return 0;
        if (cursor === undefined) await sleep(LOOK_MS);
      }
    }),
  );

function sayer(api: Api): (event: JournalEvent) => void {
  let previous: number | undefined;
  return (event) => {
    if (api.isJson) api.sayJsonLine(event);
    else api.terminal.say(journalLine(event, previous, api.terminal));
    previous = event.sequence;
  };
}
