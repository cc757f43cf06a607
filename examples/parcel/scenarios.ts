/** A parcel whose journal is kept. */
import type { Example, ScenarioHost } from "../triad.ts";
import { parcel } from "./workflow.ts";

export async function sent(host: ScenarioHost): Promise<string> {
  const runId = await host.start(parcel, { id: "p-1", grams: 1_200 });
  await host.skip("53h");
  return runId;
}

export const example: Example = {
  workflows: [parcel],
  scenarios: { "v1-sent": { play: async (host) => ({ runId: await sent(host) }) } },
};
