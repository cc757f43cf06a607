/** `POST /runs/bulk`: one thing done to every run that a filter holds. */
import { describe, expect, test } from "vitest";
import { workflow } from "../../shared/core/workflow.ts";
import { aWorld, problem, type World } from "./world.ts";

const waits = workflow("waits", (run) => run.waitForSignal("go"));
let isBroken = true;
const breaks = workflow("breaks", { maxRetries: 0 }, (run) =>
  run.step("try", () => {
    if (isBroken) throw new Error("no");
    return "mended";
  }),
);

const started = async (world: World, count: number, change: object = {}): Promise<string[]> => {
  const runIds = Array.from({ length: count }, (_, index) => `run-${index}`);
  for (const runId of runIds) await world.runs.start(waits, undefined, { runId, ...change });
  return runIds;
};

async function bulk(world: World, body: object, headers: Record<string, string> = {}) {
  const answer = await world.ask("POST", "/runs/bulk", { body, headers });
  expect(answer, JSON.stringify(answer.body)).toMatchObject({ status: 202 });
  await world.runs.skip(0);
  return { runId: answer.body.runId as string, answer };
}

/** The report of the last part. */
async function reportOf(world: World, runId: string) {
  for (let id = runId; ; ) {
    const { body } = await world.ask("GET", `/runs/${id}`);
    if (body.continuedTo === undefined) {
      expect(body.status, JSON.stringify(body.error)).toBe("completed");
      return body.output;
    }
    id = body.continuedTo;
  }
}
const statusesOf = async (world: World, runIds: string[]) =>
  Promise.all(runIds.map(async (runId) => (await world.ask("GET", `/runs/${runId}`)).body.status));

describe("a bulk operation", () => {
  test("is a run, which reports on each run", async () => {
    const world = aWorld([waits, breaks]);
    const runIds = await started(world, 3);
    const { runId, answer } = await bulk(world, {
      action: "cancel",
      filter: { status: "active" },
      reason: "sale is over",
    });
    expect(answer.headers.location).toBe(`/runs/${runId}`);
    expect(answer.body).toMatchObject({ workflow: "stepfold.bulk", driver: "code" });
    expect(await statusesOf(world, runIds)).toEqual(["cancelled", "cancelled", "cancelled"]);
    const report = await reportOf(world, runId);
    expect(report).toMatchObject({ action: "cancel", matched: 3, done: 3, refused: 0, failed: 0, parts: [] });
    expect(report.items.map(({ runId: id }: { runId: string }) => id).sort()).toEqual(runIds);
    expect((await world.ask("GET", "/runs/run-0")).body.cancel.reason).toBe("sale is over");
  });

  test("holds to the filter", async () => {
    const world = aWorld([waits, breaks]);
    await started(world, 2, { tags: { kind: "a" } });
    await world.runs.start(waits, undefined, { runId: "other", tags: { kind: "b" } });
    const { runId } = await bulk(world, { action: "pause", filter: { tag: "kind:a", workflow: "waits" } });
    expect(await reportOf(world, runId)).toMatchObject({ matched: 2, done: 2 });
    expect(await statusesOf(world, ["run-0", "run-1", "other"])).toEqual(["paused", "paused", "waiting"]);
    const again = await bulk(world, { action: "resume", filter: { status: "paused" } });
    expect(await reportOf(world, again.runId)).toMatchObject({ done: 2 });
    expect(await statusesOf(world, ["run-0", "run-1"])).toEqual(["waiting", "waiting"]);
  });

  test("takes a filter as JSON says it, as well as it is written in a query", async () => {
    const world = aWorld([waits, breaks]);
    await started(world, 2);
    const filters = [
      { status: ["waiting", "paused"], stalled: false },
      { status: "waiting,paused", stalled: "false" },
      { status: ["active"], stalled: true },
    ];
    const matched = [];
    for (const filter of filters) {
      const { runId } = await bulk(world, { action: "pause", filter });
      matched.push((await reportOf(world, runId)).matched);
    }
    expect(matched).toEqual([2, 2, 0]);
    const body = { action: "pause", filter: { status: ["waiting", "asleep"] } };
    expect(await world.ask("POST", "/runs/bulk", { body })).toMatchObject(problem(422, "InvalidInput"));
  });

  test("signals, and redrives", async () => {
    const world = aWorld([waits, breaks]);
    const runIds = await started(world, 2);
    await bulk(world, { action: "signal", filter: {}, signal: { name: "go", payload: { at: 1 } } });
    expect(await statusesOf(world, runIds)).toEqual(["completed", "completed"]);
    isBroken = true;
    await world.runs.start(breaks, undefined, { runId: "broken" });
    isBroken = false;
    const { runId } = await bulk(world, { action: "redrive", filter: {} });
    expect(await reportOf(world, runId)).toMatchObject({ matched: 3, done: 1, refused: 2 });
    expect((await world.ask("GET", "/runs/broken")).body).toMatchObject({ output: "mended" });
  });

  test("says why a run refused", async () => {
    const world = aWorld([waits, breaks]);
    const [runId] = await started(world, 1);
    await world.runs.cancel(runId!);
    const { runId: bulkId } = await bulk(world, { action: "pause", filter: {} });
    expect(await reportOf(world, bulkId)).toMatchObject({
      refused: 1,
      items: [{ runId, outcome: "refused", error: { code: "RunFinished", message: /finished/ } }].map(
        (item) => ({
          ...item,
          error: { code: "RunFinished", message: expect.stringContaining("finished") },
        }),
      ),
    });
  });

  test("leaves out itself, its like, and what was started after it", async () => {
    const world = aWorld([waits, breaks]);
    await started(world, 1);
    const { runId } = await bulk(world, {
      action: "cancel",
      filter: { createdBefore: "2999-01-01T00:00:00Z" },
    });
    expect(await reportOf(world, runId)).toMatchObject({ matched: 1 });
    const next = await bulk(world, { action: "cancel", filter: {} });
    expect(await reportOf(world, next.runId)).toMatchObject({ matched: 1, done: 1 });
  });

  test("with a key happens once", async () => {
    const world = aWorld([waits, breaks]);
    const body = { action: "cancel", filter: { status: "active" } };
    const headers = { "idempotency-key": "k" };
    const { runId } = await bulk(world, body, headers);
    await started(world, 1);
    expect(await world.ask("POST", "/runs/bulk", { body, headers })).toMatchObject({
      status: 200,
      body: { runId },
    });
    expect(await statusesOf(world, ["run-0"])).toEqual(["waiting"]);
    expect(
      await world.ask("POST", "/runs/bulk", { body: { ...body, reason: "other" }, headers }),
    ).toMatchObject(problem(409, "IdempotencyConflict"));
  });

  test("over thousands of runs goes on part by part, and reports on all", async () => {
    const world = aWorld([waits, breaks]);
    await started(world, 4_100);
    const { runId } = await bulk(world, { action: "cancel", filter: { workflow: "waits" } });
    const report = await reportOf(world, runId);
    expect(report).toMatchObject({ matched: 4_100, done: 4_100 });
    expect(report.parts[0]).toBe(runId);
    expect(report.parts).toHaveLength(2);
    const seen = new Set(report.items.map((item: { runId: string }) => item.runId));
    for (const part of report.parts) {
      const { body } = await world.ask("GET", `/runs/${part}`);
      for (const item of body.state.items) seen.add(item.runId);
      expect((await world.runs.journal(part)).length).toBeLessThan(400);
    }
    expect(seen.size).toBe(4_100);
  }, 60_000);
});

test("is refused where a list would refuse its filter", async () => {
  const world = aWorld([waits]);
  const refused: [object, string][] = [
    [{ action: "cancel", filter: { status: "asleep" } }, "filter.status"],
    [{ action: "cancel", filter: { colour: "red" } }, "filter.colour"],
    [{ action: "cancel", filter: { order: "asc" } }, "filter.order"],
    [{ action: "cancel" }, "filter"],
    [{ action: "explode", filter: {} }, "action"],
    [{ action: "signal", filter: {} }, "signal"],
    [{ action: "cancel", filter: {}, signal: { name: "go" } }, "signal"],
  ];
  for (const [body, path] of refused) {
    const answer = await world.ask("POST", "/runs/bulk", { body });
    expect(answer, JSON.stringify(body)).toMatchObject({ status: 422, body: { code: "InvalidInput" } });
    expect(answer.body.issues.map((issue: { path: string }) => issue.path)).toContain(path);
  }
});

test("the engine's own workflow is not listed, and nobody starts it by its name", async () => {
  const world = aWorld([waits]);
  expect((await world.ask("GET", "/workflows")).body.items).toHaveLength(1);
  expect(await world.ask("GET", "/workflows/stepfold.bulk")).toMatchObject({ status: 404 });
  expect(await world.ask("POST", "/runs", { body: { workflow: "stepfold.bulk", input: {} } })).toMatchObject(
    problem(404, "WorkflowNotFound"),
  );
});
