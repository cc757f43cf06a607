/** Managed and mirrored runs over HTTP, in memory; and what happens to them by itself. */
import { describe, expect, test } from "vitest";
import { drivenSuite } from "./driven.suite.ts";
import { workersSuite } from "./workers.suite.ts";
import { echo } from "./workflows.ts";
import { aWorld, problem, type World } from "./world.ts";

const open = () => aWorld([echo]);
drivenSuite("driven runs, in memory", open);
workersSuite("outside workers, in memory", open);

async function managed(more: object = {}): Promise<World> {
  const world = open();
  await world.ask("POST", "/runs", { body: { workflow: "w", driver: "managed", runId: "r", ...more } });
  return world;
}

const typesOf = async ({ ask }: World): Promise<string[]> =>
  (await ask("GET", "/runs/r/journal")).body.items.map(({ type }: { type: string }) => type);

describe("what a driven run does by itself", () => {
  test.each(["10s", "20 minutes", "3 days"])(
    "a gate that nobody decides within %s times out",
    async (timeout) => {
      const world = await managed();
      const { ask, runs } = world;
      const opened = await ask("POST", "/runs/r/gates", { body: { name: "ship", timeout } });
      const { wakeAt } = opened.body;
      await runs.skip((Date.parse(wakeAt) - runs.now().getTime() - 1) / 1_000);
      expect((await ask("GET", "/runs/r/gates/ship")).body).toEqual({ state: "pending" });
      await runs.skip("2s");
      expect((await ask("GET", "/runs/r/gates/ship")).body).toEqual({
        state: "timedOut",
        at: expect.any(String),
      });
      expect(await ask("POST", "/runs/r/gates/ship/approve")).toMatchObject(problem(409, "NotWaiting"));
      expect((await ask("GET", "/runs/r")).body).toMatchObject({ status: "pending", waitingFor: [] });
      expect(await typesOf(world)).toEqual(["RunCreated", "GateOpened", "GateTimedOut"]);
      expect(world.errors).toEqual([]);
    },
  );

  test("past its timeout it is timed out, its open gates and steps with it", async () => {
    const world = await managed({ timeout: "2h" });
    const { ask, runs } = world;
    const { generation } = (await ask("POST", "/runs/r/lease", { body: { token: "one", ttl: "3h" } })).body;
    const headers = { "stepfold-generation": String(generation) };
    await ask("POST", "/runs/r/steps", { body: { name: "make" }, headers });
    await ask("POST", "/runs/r/gates", { body: { name: "late", timeout: "3h" } });
    await ask("POST", "/runs/r/gates", { body: { name: "early", timeout: "1h" } });
    await runs.skip("119m");
    expect((await ask("GET", "/runs/r")).body.status).toBe("running");
    await runs.skip("1m");
    expect((await ask("GET", "/runs/r")).body).toMatchObject({
      status: "timedOut",
      finishedAt: "2026-01-01T02:00:00.000Z",
      error: { code: "RunTimedOut" },
    });
    expect((await ask("GET", "/runs?status=timedOut")).body.items).toMatchObject([{ runId: "r" }]);
    expect(
      (await ask("GET", "/runs/r/operations")).body.items.map(({ status }: { status: string }) => status),
    ).toEqual(["cancelled", "cancelled", "failed"]);
    await runs.skip("10 days");
    expect(await typesOf(world)).toHaveLength(7);
  });

  test("a timeout does not end what was asked to end; only its owner does", async () => {
    const { ask, runs } = await managed({ timeout: "1h" });
    await ask("POST", "/runs/r/cancel");
    await runs.skip("2h");
    expect((await ask("GET", "/runs/r")).body.status).toBe("pending");
  });

  test("while it is paused its times wait; resumed, what is over is over", async () => {
    const { ask, runs } = await managed();
    await ask("POST", "/runs/r/gates", { body: { name: "ship", timeout: "1h" } });
    await ask("POST", "/runs/r/pause");
    await runs.skip("1 day");
    expect((await ask("GET", "/runs/r/gates/ship")).body.state).toBe("pending");
    await ask("POST", "/runs/r/resume");
    await runs.skip("5s");
    expect((await ask("GET", "/runs/r/gates/ship")).body.state).toBe("timedOut");
  });

  test("a wake, a signal, a month: nothing stalls or moves it, and it does not expire", async () => {
    const world = await managed();
    const { ask, runs } = world;
    await ask("POST", "/runs/r/signals/paid", { body: { cents: 1 } });
    await runs.wake("r");
    for (let month = 0; month < 6; month++) await runs.skip("30 days");
    const { body } = await ask("GET", "/runs/r");
    expect(body.status).toBe("pending");
    expect(body).not.toHaveProperty("stalled");
    expect((await ask("GET", "/runs/r/signals")).body.items).toMatchObject([
      { name: "paid", payload: { cents: 1 }, buffered: true },
    ]);
    expect(await typesOf(world)).toEqual(["RunCreated", "SignalReceived"]);
    await ask("POST", "/runs/r/finish");
    await runs.skip("25 days");
    expect((await ask("GET", "/runs/r")).body.status).toBe("completed");
    await runs.skip("40 days");
    expect((await ask("GET", "/runs/r")).status).toBe(404);
    expect(world.errors).toEqual([]);
  });

  test("a workflow of the same name is no part of it", async () => {
    const world = await managed({ workflow: "echo", input: { a: 1 } });
    await world.runs.skip("1 day");
    expect((await world.ask("GET", "/runs/r")).body.status).toBe("pending");
  });

  test("whoever waits for it is told of its end", async () => {
    const { ask } = await managed();
    const waiting = ask("GET", "/runs/r", { headers: { prefer: "wait=20" } });
    await ask("POST", "/runs/r/finish", { body: { output: 1 } });
    expect((await waiting).body).toMatchObject({ status: "completed", output: 1 });
  });
});
