/** Orders whose journals are kept, each with a sandbox of the shop's services. */
import type { Example, Scenario, ScenarioHost } from "../triad.ts";
import { flakyCard, openSandbox, type Sandbox } from "./sandbox.ts";
import { order } from "./workflow.ts";

export const orderOf = (card: string, { url }: Sandbox) => ({
  id: "o-1",
  amountCents: 4_200,
  card,
  lines: [{ sku: "kettle", quantity: 1 }],
  services: url,
});

/** Says, as the bank would, that the money of the only charge has come. */
export const pay = (
  host: Pick<ScenarioHost, "signal">,
  runId: string,
  { charges }: Sandbox,
  amountCents = 4_200,
) => host.signal(runId, "paid", { chargeId: charges[0]!.chargeId, amountCents });

const scenario = (
  happens: (host: ScenarioHost, runId: string, sandbox: Sandbox) => Promise<void>,
): Scenario => ({
  async play(host) {
    const sandbox = await openSandbox();
    const runId = await host.start(order, orderOf(flakyCard, sandbox));
    await happens(host, runId, sandbox);
    await sandbox.close();
    return { runId, scrub: { [sandbox.url]: "http://services.example" } };
  },
});

export const example: Example = {
  workflows: [order],
  scenarios: {
    "v1-shipped": scenario(async (host, runId, sandbox) => {
      await host.skip("1m");
      await pay(host, runId, sandbox);
      await host.skip("3 days");
    }),
    "v1-given-back": scenario((host) => host.skip("3 days")),
    "v1-cancelled": scenario(async (host, runId, sandbox) => {
      await host.skip("1m");
      await pay(host, runId, sandbox);
      await host.cancel(runId, { reason: "changed my mind" });
    }),
  },
};
