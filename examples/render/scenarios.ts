/** Scenes whose journals are kept. */
import type { Example, ScenarioHost } from "../triad.ts";
import { studio } from "./studio.ts";
import { render } from "./workflow.ts";

export async function rendered(host: ScenarioHost): Promise<string> {
  const runId = await host.start(render, { scene: "teapot", frames: 3 });
  await host.skip("10m");
  return runId;
}

export const example: Example = {
  workflows: [render],
  forget: () => studio.forget(),
  scenarios: {
    "v1-rendered": { play: async (host) => ({ runId: await rendered(host) }) },
    "v1-gave-up": {
      async play(host) {
        const runId = await host.start(render, { scene: "epic", frames: 1_000 });
        await host.skip("1h");
        return { runId };
      },
    },
  },
};
