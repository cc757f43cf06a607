import { workflow } from "stepfold";
import { everyCrash } from "stepfold/testing";
import { expect, test } from "vitest";

/** Something outside that is told twice what it is told twice. */
const counted = (isCareful: boolean) => {
  const done = new Map<string, number>();
  let total = 0;
  const definition = workflow("counted", async (run) => {
    await run.step("count", ({ idempotencyKey }) => {
      if (isCareful && done.has(idempotencyKey)) return;
      done.set(idempotencyKey, 1);
      total++;
    });
    await run.sleep("rest", "1h");
    return total;
  });
  return { definition, total: () => total, forget: () => void done.clear() };
};

const outcome = (isCareful: boolean) => {
  const { definition, total, forget } = counted(isCareful);
  return everyCrash({ workflows: [definition] }, async (host) => {
    forget();
    const before = total();
    const runId = await host.start(definition);
    await host.skip("2h");
    await host.result(runId);
    return total() - before;
  });
};

test("a step that heeds its idempotency key stands every crash", async () => {
  expect((await outcome(true)).crashes).toBeGreaterThan(10);
});

test("one that does not is found out, and the moment is named", async () => {
  await expect(outcome(false)).rejects.toMatchObject({
    code: "CrashChangedOutcome",
    data: { crashAt: expect.any(Number), expected: "1", found: "2" },
  });
});
