/**
 * Fan-out and fan-in: ask every carrier for a quote, give each an hour, take the cheapest of those that answered.
 *
 * 1. Each branch is a race between the answer and the clock: a silent carrier holds nobody up.
 * 2. The loser of a race is cancelled; an answer that comes too late stays unread.
 */
import { workflow } from "stepfold";
import { z } from "zod";

const Request = z.strictObject({
  carriers: z.array(z.string().min(1)).min(1),
  patience: z.string().default("1h"),
});
const Quote = z.object({ euros: z.number().positive() });

export const quotes = workflow(
  "quotes",
  { description: "Takes the cheapest quote of those that come within an hour.", input: Request },
  async (run, { carriers, patience }) => {
    const answers = await run.all(
      "ask",
      Object.fromEntries(
        carriers.map((carrier) => [
          carrier,
          (branch: typeof run) =>
            branch.race("answer or silence", {
              answer: (racer) => racer.waitForSignal(`quote of ${carrier}`, { schema: Quote }),
              silence: (racer) => racer.sleep("patience", patience).then(() => null),
            }),
        ]),
      ),
    );
    const offers = carriers.flatMap((carrier) => {
      const answer = answers[carrier];
      return answer ? [{ carrier, euros: answer.euros }] : [];
    });
    offers.sort((left, right) => left.euros - right.euros);
    return { best: offers[0] ?? null, answered: offers.length };
  },
);
