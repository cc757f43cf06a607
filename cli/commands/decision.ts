/** A human decision at a gate, one way or the other. */
import type { Command } from "commander";
import { plain } from "../print/text.ts";
import { done } from "../print/told.ts";
import { type ApiOptions, apiCommand, withApi } from "./api.ts";
import { jsonOf } from "./values.ts";

interface Options extends ApiOptions {
  feedback?: string;
  selections?: string;
  by?: string;
}

export const decisionCommand = (verb: "approve" | "reject", participle: string): Command =>
  apiCommand(verb, `${verb} at a gate that a run waits at`)
    .argument("<run>", "the run's id")
    .argument("<gate>", "the gate's name, or the operation's id")
    .option("--feedback <text>", "what the run is told: a text, or JSON")
    .option("--selections <json>", "what was chosen: JSON text, @file, or -")
    .option("--by <who>", "who decided")
    .action((runId: string, gate: string, options: Options) =>
      withApi(options, async (api) => {
        const { feedback, selections, by } = options;
        const decision = {
          feedback: feedback === undefined ? undefined : textOrJson(feedback),
          selections: await jsonOf(selections, "the selections"),
          by,
        };
        const operation = await api.client[verb](runId, gate, decision);
        done(api, `${plain(gate)} of ${runId} is ${participle}`, operation);
        return 0;
      }),
    );

/** An object or a list as such; anything else is a text. */
function textOrJson(given: string): unknown {
  if (!/^\s*[[{]/.test(given)) return given;
  try {
    return JSON.parse(given);
  } catch {
    return given;
  }
}
