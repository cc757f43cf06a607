import { type RunContext, workflow } from "stepfold";
import { type GoldenJournal, normalised, recordJournal, replayJournal, testHost } from "stepfold/testing";
import { describe, expect, test } from "vitest";

const big = "x".repeat(50_000);

const two = (first: string, last: (run: RunContext) => Promise<string>) =>
  workflow("two", async (run, secret: string) => {
    const text = await run.step(first, () => big);
    const flip = run.random() < 2 ? "flipped" : "never";
    await run.waitForSignal("go", { timeout: "1h" });
    return `${secret} ${text.length} ${flip} ${await last(run)}`;
  });

const original = two("read", (run) => run.step("write", ({ idempotencyKey }) => idempotencyKey));

async function recorded(definition = original, seed = 1, secret = "/home/someone"): Promise<GoldenJournal> {
  const host = testHost({ workflows: [definition], seed });
  const runId = await host.start(definition, secret);
  await host.signal(runId, "go", { by: "someone" });
  await host.result(runId);
  return recordJournal(host, runId, { [secret]: "<home>" });
}

describe("golden journals", () => {
  test("two runs that went the same way are equal, whatever their ids", async () => {
    const [one, other] = [await recorded(original, 1), await recorded(original, 2)];
    expect(other).not.toEqual(one);
    expect(normalised(other)).toEqual(normalised(one));
  });

  test("runs that went differently are not", async () => {
    const renamed = two("read", (run) => run.step("print", ({ idempotencyKey }) => idempotencyKey));
    const answered = two("read", (run) => run.step("write", () => "something else"));
    const expected = normalised(await recorded());
    expect(normalised(await recorded(renamed))).not.toEqual(expected);
    expect(normalised(await recorded(answered))).not.toEqual(expected);
  });

  test("what is scrubbed is nowhere in the journal", async () => {
    const text = JSON.stringify(await recorded());
    expect(text).not.toContain("/home/someone");
    expect(text).toContain("<home>");
  });

  test("the code that wrote it replays it, without running a step", async () => {
    let calls = 0;
    const counting = two("read", (run) =>
      run.step("write", ({ idempotencyKey }) => {
        calls++;
        return idempotencyKey;
      }),
    );
    const golden = await recorded(counting);
    expect(calls).toBe(1);
    await replayJournal(counting, JSON.parse(JSON.stringify(golden)) as GoldenJournal);
    expect(calls).toBe(1);
  });

  const changes = {
    "another name": two("load", (run) => run.step("write", () => "")),
    "another kind": two("read", (run) => run.sleep("write", "1s").then(() => "")),
    "a step less": two("read", async () => ""),
    "a step more": two("read", (run) => run.step("write", () => "").then(() => run.step("more", () => ""))),
    "another answer": two("read", async (run) => `${await run.step("write", () => "")}!`),
  };
  for (const [name, changed] of Object.entries(changes))
    test(`code that changed is found out: ${name}`, async () => {
      await expect(replayJournal(changed, await recorded())).rejects.toMatchObject({
        code: "NonDeterminism",
      });
    });

  test("a journal of an unfinished run is replayed as far as it goes", async () => {
    const host = testHost({ workflows: [original] });
    const runId = await host.start(original, "s");
    const golden = await recordJournal(host, runId);
    await replayJournal(original, golden);
    await expect(replayJournal(changes["another name"], golden)).rejects.toMatchObject({
      code: "NonDeterminism",
    });
  });

  test("a journal that ends by going on as another run is replayed, and its input is looked at", async () => {
    const counting = (by: number) =>
      workflow("counting", async (run, count: number): Promise<number> => {
        await run.step("count", () => count);
        return count < 2 ? run.continueAsNew(count + by) : count;
      });
    const host = testHost({ workflows: [counting(1)] });
    const golden = await recordJournal(host, await host.start(counting(1), 0));
    expect(golden.entries.flatMap(({ events }) => events).at(-1)?.type).not.toBe("RunCompleted");
    await replayJournal(counting(1), golden);
    await expect(replayJournal(counting(2), golden)).rejects.toMatchObject({
      code: "NonDeterminism",
      message: expect.stringMatching(/"RunContinued".*"RunContinued"/),
    });
    const ending = workflow("counting", (run, count: number) => run.step("count", () => count));
    await expect(replayJournal(ending, golden)).rejects.toMatchObject({ code: "NonDeterminism" });
  });
});
