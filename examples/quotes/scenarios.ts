/** Requests for quotes whose journals are kept. */
import type { Example, ScenarioHost } from "../triad.ts";
import { quotes } from "./workflow.ts";

export async function oneSilent(host: ScenarioHost): Promise<string> {
  const runId = await host.start(quotes, { carriers: ["north", "south"] });
  await host.signal(runId, "quote of north", { euros: 30 });
  await host.skip("2h");
  return runId;
}

export const example: Example = {
  workflows: [quotes],
  scenarios: {
    "v1-one-silent": { play: async (host) => ({ runId: await oneSilent(host) }) },
    "v1-nonsense": {
      async play(host) {
        const runId = await host.start(quotes, { carriers: ["north"] });
        await host.signal(runId, "quote of north", "cheap!");
        await host.signal(runId, "quote of north", { euros: 30 });
        return { runId };
      },
    },
  },
};
