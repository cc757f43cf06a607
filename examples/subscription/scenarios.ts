/** Subscriptions whose journals are kept. */
import type { Example, ScenarioHost } from "../triad.ts";
import { till } from "./till.ts";
import { subscription } from "./workflow.ts";

/** The run that this one goes on as. */
export async function nextOf(host: Pick<ScenarioHost, "journal">, runId: string): Promise<string> {
  const end = (await host.journal(runId)).find((event) => event.type === "RunContinued");
  if (end?.type !== "RunContinued") throw new Error("Expected the run to go on as another.");
  return end.nextRunId;
}

export const example: Example = {
  workflows: [subscription],
  forget: () => till.forget(),
  scenarios: {
    "v1-left": {
      async play(host) {
        const runId = await host.start(subscription, { customer: "Ada" });
        await host.skip("31 days");
        await host.signal(runId, "leave");
        return { runId };
      },
    },
    "v1-first-year": {
      async play(host) {
        const runId = await host.start(subscription, { customer: "Ada" });
        await host.skip("361 days");
        return { runId };
      },
    },
    "v1-second-year": {
      async play(host) {
        const first = await host.start(subscription, { customer: "Ada" });
        await host.skip("361 days");
        const second = await nextOf(host, first);
        await host.signal(second, "leave");
        return { runId: second };
      },
    },
  },
};
