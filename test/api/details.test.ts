import { describe, expect, test } from "vitest";
import { workflow } from "../../shared/core/workflow.ts";
import { decideGate } from "../../shared/engine/control.ts";
import * as workflows from "./workflows.ts";
import { aWorld, problem, type World } from "./world.ts";

async function started(workflow: string, input?: unknown): Promise<World> {
  const world = aWorld(workflows.all);
  await world.ask("POST", "/runs", { body: { workflow, runId: "r", input } });
  await world.runs.skip("1s");
  return world;
}

describe("the journal", () => {
  test("is flat, with times as text and payloads as values", async () => {
    const { ask } = await started("add", { left: 1, right: 2 });
    const { items } = (await ask("GET", "/runs/r/journal")).body;
    expect(items[0]).toEqual({
      sequence: 0,
      at: "2026-01-01T00:00:00.000Z",
      generation: 0,
      type: "RunCreated",
      workflow: "add",
      version: 2,
      driver: "code",
      input: { left: 1, right: 2 },
      deadline: "2026-01-01T01:00:00.000Z",
    });
    expect(items).toContainEqual(
      expect.objectContaining({
        type: "LegStarted",
        sequence: 1,
        generation: 1,
        until: expect.stringMatching(/Z$/),
      }),
    );
    expect(items).toContainEqual(
      expect.objectContaining({ type: "StepCompleted", operation: "1", output: 3 }),
    );
    expect(items.at(-1)).toMatchObject({ type: "RunCompleted", output: 3 });
  });

  test("comes in pages that split no entry, whatever the limit", async () => {
    const { ask } = await started("listen/for go");
    const whole = (await ask("GET", "/runs/r/journal?limit=200")).body;
    expect(whole.cursor).toBeUndefined();
    for (const limit of [1, 2, 3, 4]) {
      const pages = [];
      let cursor = "";
      do {
        const { body } = await ask("GET", `/runs/r/journal?limit=${limit}${cursor}`);
        pages.push(body.items);
        cursor = body.cursor === undefined ? "" : `&cursor=${body.cursor}`;
      } while (cursor !== "");
      expect(pages.flat()).toEqual(whole.items);
      const ends = pages.map((page) => page.at(-1).sequence);
      expect(new Set(ends).size).toBe(ends.length);
    }
    expect((await ask("GET", "/runs/r/journal?after=0")).body.items).toEqual(whole.items.slice(1));
    expect((await ask("GET", "/runs/r/journal?after=999")).body).toEqual({ items: [] });
  });

  test.each(["?after=-1", "?after=x", "?limit=0", "?after="])("%s is 422", async (query) => {
    expect(await (await started("nap")).ask("GET", `/runs/r/journal${query}`)).toMatchObject(
      problem(422, "InvalidInput"),
    );
  });

  test("of no run is RunNotFound", async () => {
    expect(await (await started("nap")).ask("GET", "/runs/none/journal")).toMatchObject(
      problem(404, "RunNotFound"),
    );
  });
});

describe("operations", () => {
  test("a step between two attempts, then failed", async () => {
    const { ask, runs } = await started("flaky");
    expect((await ask("GET", "/runs/r/operations")).body.items).toEqual([
      {
        id: "1",
        name: "try",
        kind: "step",
        status: "sleeping",
        attempts: 1,
        retryCount: 0,
        startedAt: expect.any(String),
        nextAttemptAt: "2026-01-01T00:01:00.000Z",
        error: expect.objectContaining({ code: "StepFailed", name: "RangeError", message: "not yet" }),
      },
    ]);
    expect((await ask("GET", "/runs/r")).body).toMatchObject({
      status: "sleeping",
      wakeAt: "2026-01-01T00:01:00.000Z",
    });
    await runs.skip("2m");
    const { items } = (await ask("GET", "/runs/r/operations")).body;
    expect(items).toMatchObject([
      { status: "completed", attempts: 2, retryCount: 1, output: { attempt: 2 }, durationMs: 60_000 },
      { name: "fail", status: "failed", error: { name: "TypeError" } },
    ]);
    expect(items[0]).not.toHaveProperty("error");
    expect((await ask("GET", "/runs/r")).body).toMatchObject({
      status: "failed",
      retryCount: 1,
      error: { message: expect.stringContaining("never") },
    });
  });

  test("timers, waits and children", async () => {
    const nap = await started("nap");
    expect((await nap.ask("GET", "/runs/r/operations")).body.items).toMatchObject([
      { kind: "timer", status: "sleeping", wakeAt: "2026-01-01T08:00:00.000Z" },
    ]);
    const parent = await started("parent");
    const { items } = (await parent.ask("GET", "/runs/r/operations")).body;
    expect(items).toMatchObject([
      { kind: "child", status: "completed", output: { from: "parent" }, childRunId: expect.any(String) },
    ]);
    const child = await parent.ask("GET", `/runs/${items[0].childRunId}`);
    expect(child.body).toMatchObject({ parentRunId: "r", status: "completed" });
    expect((await parent.ask("GET", "/runs?parent=r")).body.items).toHaveLength(1);
  });

  test("a gate, and what was decided", async () => {
    const { ask, runs, engine } = aWorld([workflows.ask]);
    await ask("POST", "/runs", { body: { workflow: "ask", runId: "r" } });
    await runs.skip("1s");
    const open = (await ask("GET", "/runs/r")).body;
    expect(open).toMatchObject({
      status: "waiting",
      waitingFor: [{ kind: "gate", name: "ship it", until: "2026-01-03T00:00:00.000Z" }],
    });
    await decideGate(engine, "r", "ship it", { approved: false, feedback: "no", by: "me" });
    await runs.skip("1s");
    expect((await ask("GET", "/runs/r/operations")).body.items).toMatchObject([
      {
        kind: "gate",
        status: "completed",
        decision: { approved: false, feedback: "no", by: "me", at: "2026-01-01T00:00:01.000Z" },
      },
    ]);
  });

  test("come in pages", async () => {
    const { ask, runs } = await started("flaky");
    await runs.skip("2m");
    const first = (await ask("GET", "/runs/r/operations?limit=1")).body;
    expect(first).toMatchObject({ items: [{ name: "try" }], cursor: "1" });
    expect((await ask("GET", "/runs/r/operations?limit=1&cursor=1")).body).toMatchObject({
      items: [{ name: "fail" }],
    });
    expect((await ask("GET", "/runs/r/operations?cursor=7")).body).toEqual({ items: [] });
    expect(await ask("GET", "/runs/none/operations")).toMatchObject(problem(404, "RunNotFound"));
  });
  test("those of a map over many items are listed as if they were the run's own, page by page", async () => {
    const each = workflow("each", (run) =>
      run.map(
        "each",
        [0, 1, 2, 3, 4],
        (item, n) =>
          item.step(
            "work",
            () => {
              if (n === 3) throw new Error("no");
              return n;
            },
            { retry: { maxAttempts: 1 } },
          ),
        { batch: 2, tolerate: 1 },
      ),
    );
    const { runs, ask } = aWorld([each]);
    await runs.start(each, undefined, { runId: "r" });
    const whole = (await ask("GET", "/runs/r/operations")).body;
    const ids = ["1", "1/0-1", "1/0", "1/0/1", "1/1", "1/1/1", "1/2-3", "1/2", "1/2/1", "1/3", "1/3/1"];
    expect(whole.items.map(({ id }: { id: string }) => id)).toEqual([...ids, "1/4-4", "1/4", "1/4/1"]);
    expect(whole.items.find(({ id }: { id: string }) => id === "1/3")).toMatchObject({
      kind: "item",
      name: "each[3]",
      parent: "1",
      status: "failed",
      error: { message: "no" },
    });
    expect(whole.items.find(({ id }: { id: string }) => id === "1/4")).toMatchObject({
      status: "completed",
      output: 4,
    });
    for (const limit of [1, 3]) {
      const seen: unknown[] = [];
      for (let more = ""; ; ) {
        const { items, cursor } = (await ask("GET", `/runs/r/operations?limit=${limit}${more}`)).body;
        seen.push(...items);
        if (cursor === undefined) break;
        more = `&cursor=${cursor}`;
      }
      expect(seen).toEqual(whole.items);
    }
    expect((await ask("GET", "/runs")).body.items).toHaveLength(1);
    const nodes = (await ask("GET", "/runs?parent=r")).body.items;
    expect(nodes).toHaveLength(3);
    expect(nodes[0]).toMatchObject({
      workflow: "each",
      origin: "map",
      parentRunId: "r",
      status: "completed",
    });
    expect((await ask("GET", "/runs/r/operations?cursor=1.x")).status).toBe(422);
  });
});

describe("workflows", () => {
  test("are listed by name, with their input's schema", async () => {
    const { ask } = aWorld(workflows.all);
    const { body } = await ask("GET", "/workflows");
    expect(body.items.map((item: { name: string }) => item.name)).toEqual([
      "add",
      "echo",
      "flaky",
      "listen/for go",
      "nap",
      "parent",
    ]);
    expect(body.items[0]).toMatchObject({
      description: "Adds two numbers.",
      versions: [2],
      driver: "code",
      timeout: "1 hour",
      maxRetries: 1,
      stepTimeout: "10s",
      input: { type: "object", required: ["left", "right"] },
    });
    const page = await ask("GET", "/workflows?limit=2");
    expect(page.body.cursor).toBe("echo");
    expect((await ask("GET", "/workflows?cursor=nap")).body).toMatchObject({ items: [{ name: "parent" }] });
    expect((await ask("GET", "/workflows/add")).body).toEqual(body.items[0]);
    expect(await ask("GET", "/workflows/none")).toMatchObject(problem(404, "WorkflowNotFound"));
  });

  test("a declared flow shows its graph, its hash, and which errors it does not retry", async () => {
    const { body } = await aWorld([workflows.declared]).ask("GET", "/workflows/declared");
    expect(body).toMatchObject({
      definitionHash: expect.any(String),
      graph: expect.any(Object),
      retry: { nonRetryable: ["TypeError", "Gone"] },
    });
  });

  test("health is ok", async () => {
    expect(await aWorld([]).ask("GET", "/health")).toMatchObject({ status: 200, body: { status: "ok" } });
  });
});
