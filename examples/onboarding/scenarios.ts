/** People whose journals are kept: one who came before the change, and one who came after it. */
import { workflow } from "stepfold";
import type { Example, ScenarioHost } from "../triad.ts";
import { mail, mailbox } from "./post.ts";
import { onboarding } from "./workflow.ts";

export const ada = { person: "Ada" };

/** The code as it was before the security briefing. */
export const before = workflow("onboarding", async (run, { person }: { person: string }) => {
  const send = (what: string) =>
    run.step(`send ${what}`, ({ idempotencyKey }) => mail(person, what, idempotencyKey));
  await send("welcome");
  await run.sleep("settle in", "7 days");
  await send("survey");
});

async function deployedUnderWay(host: ScenarioHost): Promise<string> {
  const runId = await host.start(before, ada);
  await host.deploy([onboarding]);
  await host.skip("8 days");
  return runId;
}

export const example: Example = {
  workflows: [onboarding],
  forget: () => mailbox.forget(),
  scenarios: {
    "v0-old": { workflows: [before], play: async (host) => ({ runId: await deployedUnderWay(host) }) },
    "v1-briefed": {
      async play(host) {
        const runId = await host.start(onboarding, ada);
        await host.skip("8 days");
        return { runId };
      },
    },
  },
};
