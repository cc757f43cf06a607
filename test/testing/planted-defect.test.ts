/** `everyCrash` as its users have it, over two examples: as they are, and with a side effect planted outside of a step. */
import { workflow } from "stepfold";
import { everyCrash } from "stepfold/testing";
import { describe, expect, test } from "vitest";
import { expense } from "../../examples/expense/workflow.ts";
import { desk } from "../../examples/trip/agency.ts";
import { trip } from "../../examples/trip/workflow.ts";

const found = (more: object = {}) =>
  expect.objectContaining({
    code: "CrashChangedOutcome",
    message: expect.stringContaining("also after a crash at moment"),
    ...more,
  });

describe("trip", () => {
  const brochures: string[] = [];
  /** Sends a brochure before it books: right from the function, or in a step. */
  const withBrochure = (isInStep: boolean) =>
    workflow("trip", trip.options, async (run, input) => {
      const send = (key: string) => void (brochures.includes(key) || brochures.push(key));
      if (isInStep) await run.step("brochure", ({ idempotencyKey }) => send(idempotencyKey));
      else send(`brochure ${brochures.length}`);
      return trip.handler(run, input);
    });
  const swept = (definition: typeof trip) =>
    everyCrash({ workflows: [definition] }, async (host) => {
      desk.forget();
      brochures.length = 0;
      const runId = await host.start(definition, { traveller: "Ada" });
      await host.skip("25h");
      return { output: await host.result(runId), log: desk.log, brochures: brochures.length };
    });

  test("as it is stands every crash", async () => {
    expect((await swept(trip)).crashes).toBeGreaterThan(10);
  });

  test("with a brochure sent outside of a step is found out, at a moment that can be gone back to", async () => {
    const failure = swept(withBrochure(false));
    await expect(failure).rejects.toEqual(found());
    await expect(failure).rejects.toMatchObject({
      data: {
        expected: expect.stringContaining('"brochures":1'),
        found: expect.stringContaining('"brochures":2'),
      },
    });
  });

  test("with the brochure in a step it stands them all", async () => {
    expect((await swept(withBrochure(true))).crashes).toBeGreaterThan(10);
  });
});

describe("expense", () => {
  let reminders = 0;
  /** Reminds the approver from the function itself. */
  const withReminder = workflow("expense", expense.options, async (run, input) => {
    const answer = await expense.handler(run, input);
    reminders++;
    await run.sleep("let it settle", "1h");
    return answer;
  });
  const swept = (definition: typeof expense) =>
    everyCrash({ workflows: [definition] }, async (host) => {
      reminders = 0;
      const runId = await host.start(definition, { employee: "Ada", euros: 1 });
      await host.skip("50h");
      await host.approve(runId, "director");
      await host.skip("2h");
      return { output: await host.result(runId), reminders };
    });

  test("as it is stands every crash", async () => {
    expect((await swept(expense)).crashes).toBeGreaterThan(10);
  });

  test("with a reminder counted outside of a step is found out", async () => {
    await expect(swept(withReminder)).rejects.toEqual(found());
  });
});
