/** Whoever waits for a run's end follows its journal, and holds no more of it than the answer needs. */
import { expect, test } from "vitest";
import { untilFinished } from "../../shared/api/routes/wait.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { loadRun } from "../../shared/engine/load.ts";
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
