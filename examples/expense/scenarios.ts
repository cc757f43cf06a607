/** Expenses whose journals are kept. */
import type { Example, ScenarioHost } from "../triad.ts";
import { expense } from "./workflow.ts";

export const spent = { employee: "Ada", euros: 120 };

export async function escalated(host: ScenarioHost): Promise<string> {
  const runId = await host.start(expense, spent);
  await host.skip("50h");
  await host.approve(runId, "director", { by: "Edsger" });
  return runId;
}

export const example: Example = {
  workflows: [expense],
  scenarios: {
    "v1-approved": {
      async play(host) {
        const runId = await host.start(expense, spent);
        await host.approve(runId, "manager", { by: "Grace", feedback: "fine" });
        return { runId };
      },
    },
    "v1-escalated": { play: async (host) => ({ runId: await escalated(host) }) },
  },
};
