import { workflow } from "stepfold";
import { everyCrash, type TestHost } from "stepfold/testing";
import { describe, expect, test } from "vitest";

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

describe("a scenario that lets no time pass for retries", () => {
  const size = workflow("size", (run, text: string) => run.step("measure", () => text.length));
  const approved = workflow("approved", async (run, text: string) => {
    const draft = await run.step("draft", () => text.trim(), {
      retry: { jitter: "none", initialDelay: "1h" },
    });
    const seen = await run.poll("seen", () => true, { every: "1 day" });
    await run.sleep("cool off", "3 days");
    const paid = await run.waitForSignal("paid");
    const { approved } = await run.gate("approval");
    return { draft, seen, paid, approved, size: await run.child("size", size, draft) };
  });
  const scenario = async (host: TestHost) => {
    const runId = await host.start(approved, " text ");
    await host.skip("3 days");
    await host.signal(runId, "paid", 1);
    await host.approve(runId, "approval");
    return host.result(runId);
  };

  test("has the same outcome after every crash: a crash costs no virtual time", async () => {
    expect((await everyCrash([approved, size], scenario)).crashes).toBeGreaterThan(30);
    expect((await everyCrash({ workflows: { approved, size, scenario } }, scenario)).crashes).toBeGreaterThan(
      30,
    );
  });

  test("may be given the workflow alone, which brings its children, and theirs", async () => {
    const { crashes } = await everyCrash(size, async (host) => host.result(await host.start(size, "abc")));
    expect(crashes).toBeGreaterThan(5);
    const above = workflow("above", (run, text: string) => run.child("approved", approved, text));
    await everyCrash(above, async (host) => {
      const runId = await host.start(above, " text ");
      const { childRunId } = (await host.operations(runId))[0]!;
      await host.skip("3 days");
      await host.signal(childRunId!, "paid", 1);
      await host.approve(childRunId!, "approval");
      return host.result(runId);
    });
  });
});
