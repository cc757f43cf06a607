/** Options that are wrong, as plain JavaScript can give them: the call fails, and no run gets stuck on them. */
import { type RunContext, workflow } from "stepfold";
import { testHost } from "stepfold/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";

/** The codes with which these calls fail. */
const codesOf = async (calls: ((run: RunContext) => Promise<unknown>)[]) => {
  const definition = workflow("wrong", async (run) => {
    const settled = await Promise.allSettled(calls.map((call) => call(run)));
    return settled.map((one) => (one.status === "rejected" ? (one.reason as { code?: string }).code : "ok"));
  });
  const host = testHost({ workflows: [definition] });
  return new Set(await host.result(await host.start(definition)));
};
const wrong = (value: unknown) => value as never;
const fails = () => {
  throw new Error("fails");
};

describe("a call fails with InvalidOptions", () => {
  test("where nonRetryable holds what can match nothing", async () => {
    const given = [[undefined], [/text/], [{}], [5], () => true, [() => true], 5, {}];
    const calls = given.map(
      (nonRetryable) => (run: RunContext) =>
        run.step("s", fails, { retry: { nonRetryable: wrong(nonRetryable) } }),
    );
    expect(await codesOf(calls)).toEqual(new Set(["InvalidOptions"]));
  });

  test("where something else stands for a function", async () => {
    const calls = [
      (run: RunContext) => run.step("s", wrong(undefined)),
      (run: RunContext) => run.step("s", () => 1, { compensate: wrong("undo") }),
      (run: RunContext) => run.step("s", () => 1, { dryRun: wrong(5) }),
      (run: RunContext) => run.poll("p", wrong(undefined)),
      (run: RunContext) => run.callback("c", wrong({})),
      (run: RunContext) => run.map("m", [1], wrong("work")),
      (run: RunContext) => run.all("a", { branch: wrong(1) }),
      (run: RunContext) => run.waitForSignal("s", { where: wrong({ n: 1 }) }),
    ];
    expect(await codesOf(calls)).toEqual(new Set(["InvalidOptions"]));
  });

  test("where something else stands for a schema", async () => {
    const given = [{}, null, "string", (value: unknown) => value];
    const calls = given.map(
      (schema) => (run: RunContext) => run.waitForSignal("s", { schema: wrong(schema) }),
    );
    expect(await codesOf(calls)).toEqual(new Set(["InvalidOptions"]));
    for (const option of ["input", "output"])
      for (const schema of given)
        expect(() => workflow("w", wrong({ [option]: schema }), () => 1)).toThrow(
          expect.objectContaining({ code: "InvalidOptions" }),
        );
  });
});

test("a date that is none is InvalidDuration", async () => {
  const calls = [null, undefined, true, {}, "soon", new Date(Number.NaN)].map(
    (date) => (run: RunContext) => run.sleepUntil("s", wrong(date)),
  );
  expect(await codesOf(calls)).toEqual(new Set(["InvalidDuration"]));
});

test("a schema that throws refuses what it is given", async () => {
  const url = z.string().transform((text) => new URL(text).href);
  const definition = workflow("visit", { input: url, output: url }, (_run, input) =>
    `${input}${input}`.slice(0, 9),
  );
  const host = testHost({ workflows: definition });
  const refused = host.start(definition, "nowhere");
  await expect(refused).rejects.toMatchObject({
    code: "InvalidInput",
    data: { issues: [{ path: "", message: expect.stringContaining("Invalid URL") }] },
  });
  const runId = await host.start(definition, "https://a.example");
  expect(await host.result(runId)).toBe("https://a/");
  const wrong = workflow("wrong", { output: url }, () => "nowhere");
  const other = testHost({ workflows: wrong });
  await expect(other.result(await other.start(wrong))).rejects.toMatchObject({ code: "InvalidInput" });
});

test("a map has an item for each place of its list, also where that has holes, as it was when the map began", async () => {
  const definition = workflow("holed", async (run) => {
    const items = ["a", undefined, "c"];
    delete items[1];
    const mapping = run.map("m", items, (_item, given, index) => `${index}${given}`);
    items.length = 0;
    return mapping;
  });
  const host = testHost({ workflows: [definition] });
  expect(await host.result(await host.start(definition))).toEqual(["0a", "1undefined", "2c"]);
});

test("one matcher in nonRetryable needs no list", async () => {
  let attempts = 0;
  const definition = workflow("once", (run) =>
    run.step(
      "s",
      () => {
        attempts++;
        throw new RangeError("out");
      },
      { retry: { nonRetryable: RangeError } },
    ),
  );
  const host = testHost({ workflows: [definition] });
  await expect(host.result(await host.start(definition))).rejects.toMatchObject({ attempts: 1 });
  expect(attempts).toBe(1);
});

test("retries without a delay stay without one, however many there are", async () => {
  let [attempts, checks] = [0, 0];
  const definition = workflow("eager", async (run) => {
    await run.step("s", () => ++attempts > 1_100 || fails(), {
      retry: { initialDelay: 0, maxAttempts: 2_000 },
    });
    return run.poll("p", () => ++checks > 1_100 && checks, { every: 0, backoff: 2 });
  });
  const host = testHost({ workflows: [definition] });
  const runId = await host.start(definition);
  await host.skip("1 second");
  expect(await host.result(runId)).toBe(1_101);
});

test("what a schema makes of a signal may be too large for an entry, and so may what it says of one", async () => {
  const padded = z.object({ n: z.number() }).transform(({ n }) => ({ n, text: "x".repeat(1_000_000) }));
  const schema = z.unknown().superRefine((value, context) => {
    if (typeof value === "string") context.addIssue({ code: "custom", message: value.repeat(1_000_000) });
  });
  const definition = workflow("padded", async (run) => {
    const { n, text } = await run.waitForSignal("padded", { schema: padded });
    const other = await run.waitForSignal("refused", { schema });
    return [n, text.length, other];
  });
  const host = testHost({ workflows: [definition] });
  const runId = await host.start(definition);
  await host.signal(runId, "padded", { n: 7 });
  host.evict(runId);
  await host.signal(runId, "refused", "no");
  await host.signal(runId, "refused", 1);
  expect(await host.result(runId)).toEqual([7, 1_000_000, 1]);
});
