/**
 * A workflow that was changed while runs of it were under way: the security briefing came later.
 *
 * 1. `run.patched` is false for runs that were past this point when the change was deployed, and true for all others;
 *    each run keeps its answer. So old runs do what they have always done.
 * 2. Once no run is on the old side any more, the question can go, and only the new code stay.
 */
import { workflow } from "stepfold";
import { z } from "zod";
import { mail } from "./post.ts";

const Person = z.strictObject({ person: z.string().min(1) });

export const onboarding = workflow(
  "onboarding",
  { description: "Welcomes a person, and asks a week later how it went.", input: Person },
  async (run, { person }) => {
    const send = (what: string) =>
      run.step(`send ${what}`, ({ idempotencyKey }) => mail(person, what, idempotencyKey));

    await send("welcome");
    if (run.patched("security briefing")) await send("security briefing");
    await run.sleep("settle in", "7 days");
    await send("survey");
  },
);
