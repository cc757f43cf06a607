/** Trips whose journals are kept. */
import type { Example } from "../triad.ts";
import { desk } from "./agency.ts";
import { trip } from "./workflow.ts";

export const example: Example = {
  workflows: [trip],
  forget: () => desk.forget(),
  scenarios: {
    "v1-booked": {
      async play(host) {
        const runId = await host.start(trip, { traveller: "Ada" });
        await host.skip("1 day");
        return { runId };
      },
    },
    "v1-sold-out": {
      play: async (host) => ({ runId: await host.start(trip, { traveller: "Ada", soldOut: ["car"] }) }),
    },
    "v1-cancelled": {
      async play(host) {
        const runId = await host.start(trip, { traveller: "Ada" });
        await host.cancel(runId, { by: "Ada", reason: "rain" });
        return { runId };
      },
    },
  },
};
