/** Whoever waits for a run's end follows its journal, and holds no more of it than the answer needs. */
import { expect, test } from "vitest";
import { untilFinished } from "../../shared/api/routes/wait.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { loadOutline, loadRun } from "../../shared/engine/load.ts";
import { aWorld } from "./world.ts";

let isBroken = true;

const fragile = workflow("fragile", async (run) => {
  const first = await run.step("first", () => "x".repeat(1_000));
  await run.waitForSignal("go");
  await run.step(
    "second",
    () => {
      if (isBroken) throw new Error("broken");
    },
    { retry: { maxAttempts: 1 } },
  );
  await run.waitForSignal("again");
  return first.length;
});

test("a run that failed and was redriven between two looks is seen as it is", async () => {
  const { runs, engine } = aWorld([fragile]);
  const runId = await runs.start("fragile");
  const early = (await loadRun(engine, runId, { consistent: true }))!;
  isBroken = true;
  await runs.signal(runId, "go");
  isBroken = false;
  await runs.redrive(runId);
  const seen = await untilFinished(engine, early, 0);
  const journal = await loadRun(engine, runId, { consistent: true });
  expect(seen.state).toEqual(journal!.state);
  expect(seen.state.finished).toBeUndefined();
  await runs.signal(runId, "again");
  const end = await untilFinished(engine, seen, 0);
  expect(end.state.finished).toMatchObject({ status: "completed", output: { v: 1_000 } });
});

test("what only a replay needs is not held while waiting", async () => {
  const { runs, engine } = aWorld([fragile]);
  isBroken = false;
  const runId = await runs.start("fragile");
  const early = (await loadRun(engine, runId, { consistent: true }))!;
  await runs.signal(runId, "go");
  const { state } = await untilFinished(engine, early, 0);
  expect(state.sequence).toBeGreaterThan(2);
  expect(state.history).toEqual([]);
  expect([...state.operations.values()].some(({ output }) => output !== undefined)).toBe(false);
});

test("a run's outline is the run, but for what only a replay needs: also of one that was redriven", async () => {
  const { runs, engine } = aWorld([fragile]);
  const reader = { ...engine, pages: { head: 2, next: 2 } };
  const same = async (runId: string) => {
    const outline = (await loadOutline(reader, runId))!.state;
    const whole = (await loadRun(engine, runId, { consistent: true }))!.state;
    const bare = (operations: typeof whole.operations) =>
      [...operations.values()].map((operation) => ({ ...operation, output: undefined }));
    expect(bare(outline.operations)).toEqual(bare(whole.operations));
    const { operations: _left, history: _history, signals: _signals, ...left } = outline;
    const { operations: _right, history: _past, signals: _all, ...right } = whole;
    expect(left).toEqual(right);
    return outline;
  };
  const runId = await runs.start("fragile");
  isBroken = true;
  await runs.signal(runId, "go");
  const failed = await same(runId);
  expect(failed.history).toEqual([]);
  isBroken = false;
  await runs.redrive(runId);
  await same(runId);
  await runs.signal(runId, "again");
  expect((await same(runId)).finished?.status).toBe("completed");
});
