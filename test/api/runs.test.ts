import { describe, expect, test } from "vitest";
import { runIdOfKey } from "../../shared/core/ids.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { pause } from "../../shared/engine/control.ts";
import * as workflows from "./workflows.ts";
import { aWorld, problem } from "./world.ts";

const world = () => aWorld(workflows.all);
const input = { left: 1, right: 2 };

describe("POST /runs", () => {
  test("starts a run: 201, pending, with its place and revision", async () => {
    const { ask, runs } = world();
    const answer = await ask("POST", "/runs", {
      body: {
        workflow: "add",
        input,
        runId: "r~1:a",
        owner: "me",
        tags: { team: "x" },
        goal: "three",
        origin: "test",
        trigger: "hand",
        dryRun: true,
        timeout: "2 days",
        startAt: "2026-01-02T01:00:00+01:00",
        driver: "code",
        state: { shown: true },
        step: "first",
        parentRunId: "above",
        externalParentId: "ext",
        definition: { any: 1 },
      },
    });
    expect(answer).toMatchObject({ status: 201, headers: { location: "/runs/r~1%3Aa", etag: '"0"' } });
    expect(answer.body).toEqual({
      runId: "r~1:a",
      workflow: "add",
      version: 2,
      driver: "code",
      status: "pending",
      residency: "suspended",
      revision: 0,
      generation: 0,
      owner: "me",
      tags: { team: "x" },
      goal: "three",
      origin: "test",
      trigger: "hand",
      dryRun: true,
      parentRunId: "above",
      externalParentId: "ext",
      startAt: "2026-01-02T00:00:00.000Z",
      wakeAt: "2026-01-02T00:00:00.000Z",
      definition: { any: 1 },
      step: "first",
      input,
      state: { shown: true },
      waitingFor: [],
      createdAt: "2026-01-01T00:00:00.000Z",
      updatedAt: "2026-01-01T00:00:00.000Z",
      retryCount: 0,
      cost: expect.objectContaining({ usd: expect.any(Number) }),
    });
    await runs.skip("1d");
    expect((await ask("GET", "/runs/r~1:a")).body).toMatchObject({
      status: "completed",
      output: 3,
      startedAt: "2026-01-02T00:00:00.000Z",
      finishedAt: "2026-01-02T00:00:00.000Z",
    });
  });

  test("the same key or run id with the same request answers the first run: 200", async () => {
    const { ask } = world();
    const headers = { "idempotency-key": "k 1" };
    const first = await ask("POST", "/runs", { body: { workflow: "add", input }, headers });
    expect(first).toMatchObject({ status: 201, body: { runId: runIdOfKey("add", "k 1") } });
    const again = await ask("POST", "/runs", { body: { workflow: "add", input }, headers });
    expect(again).toMatchObject({ status: 200, body: { runId: first.body.runId } });
    const other = await ask("POST", "/runs", {
      body: { workflow: "add", input: { left: 2, right: 2 } },
      headers,
    });
    expect(other).toMatchObject(problem(409, "IdempotencyConflict"));

    const body = { workflow: "add", input, runId: "one" };
    expect((await ask("POST", "/runs", { body })).status).toBe(201);
    expect((await ask("POST", "/runs", { body })).status).toBe(200);
    expect((await ask("POST", "/runs", { body: { ...body, owner: "you" } })).status).toBe(409);
  });

  test("signal-with-start delivers the signal to the new run and to the one that is there", async () => {
    const { ask, runs } = world();
    const body = (payload: number) => ({
      workflow: "listen/for go",
      runId: "s",
      signal: { name: "n", payload },
    });
    expect((await ask("POST", "/runs", { body: body(1) })).status).toBe(201);
    expect((await ask("POST", "/runs", { body: body(2) })).status).toBe(200);
    await runs.skip("1s");
    const { body: signals } = await ask("GET", "/runs/s/signals");
    expect(signals.items.map((signal: { payload: number }) => signal.payload)).toEqual([1, 2]);
  });

  test("signal-with-start reaches the run that the one of that id goes on as, and a chain's end is no error", async () => {
    const cart = workflow("cart", async (run, sum: number): Promise<number> => {
      const price = await run.waitForSignal<number>("add");
      return price === 0 ? sum : run.continueAsNew(sum + price);
    });
    const { ask, runs } = aWorld([cart]);
    const body = (price: number) => ({
      workflow: "cart",
      runId: "c",
      input: 0,
      signal: { name: "add", payload: price },
    });
    const statuses = [];
    for (const price of [3, 4, 5, 0, 6]) {
      statuses.push((await ask("POST", "/runs", { body: body(price) })).status);
      await runs.skip("1s");
    }
    expect(statuses).toEqual([201, 200, 200, 200, 200]);
    expect(await runs.result("c")).toBe(12);
  });

  test("a start that is sent again with its key signals once", async () => {
    const { ask, runs } = world();
    const headers = { "idempotency-key": "k" };
    const body = { workflow: "listen/for go", signal: { name: "n", payload: 1 } };
    const { body: run } = await ask("POST", "/runs", { body, headers });
    expect((await ask("POST", "/runs", { body, headers })).status).toBe(200);
    expect(
      (await ask("POST", "/runs", { body: { ...body, signal: { name: "n", payload: 2 } }, headers })).status,
    ).toBe(200);
    await runs.skip("1s");
    expect((await ask("GET", `/runs/${run.runId}/signals`)).body.items).toHaveLength(2);
  });

  test.each([
    ["an unknown workflow", { workflow: "none" }, 404, "WorkflowNotFound"],
    ["an unknown version", { workflow: "add", version: 9, input }, 404, "WorkflowNotFound"],
    ["an unknown field", { workflow: "add", inputs: {} }, 422, "InvalidInput"],
    ["no workflow", {}, 422, "InvalidInput"],
    ["no object", [], 422, "InvalidInput"],
    ["null", null, 422, "InvalidInput"],
    ["an input that breaks the schema", { workflow: "add", input: { left: "1" } }, 422, "InvalidInput"],
    ["a run id with other characters", { workflow: "echo", runId: "a/b" }, 422, "InvalidInput"],
    ["a run id that drops out of every path", { workflow: "echo", runId: ".." }, 422, "InvalidInput"],
    ["a run id that is a path of the API's", { workflow: "echo", runId: "bulk" }, 422, "InvalidInput"],
    ["a run id that is too long", { workflow: "echo", runId: "a".repeat(129) }, 422, "InvalidInput"],
    ["a negative duration", { workflow: "echo", timeout: -1 }, 422, "InvalidDuration"],
    ["an empty duration", { workflow: "echo", timeout: "" }, 422, "InvalidDuration"],
    ["an unknown unit", { workflow: "echo", timeout: "3 fortnights" }, 422, "InvalidDuration"],
    ["no time", { workflow: "echo", startAt: "tomorrow" }, 422, "InvalidInput"],
    ["a control character", { workflow: "echo", owner: "a\u0000b" }, 422, "InvalidInput"],
    ["a lone surrogate", { workflow: "echo", owner: "\ud800" }, 422, "InvalidInput"],
    ["tags that are no texts", { workflow: "echo", tags: { a: 1 } }, 422, "InvalidInput"],
    ["tags that are no object", { workflow: "echo", tags: ["a"] }, 422, "InvalidInput"],
    [
      "no text under a name that objects have anyway",
      { workflow: "echo", tags: JSON.parse('{"__proto__": {"a": 1}}') },
      422,
      "InvalidInput",
    ],
    [
      "too many tags",
      { workflow: "echo", tags: Object.fromEntries(Array.from({ length: 51 }, (_, at) => [`t${at}`, ""])) },
      422,
      "InvalidInput",
    ],
    ["a state that is no object", { workflow: "echo", state: [1] }, 422, "InvalidInput"],
    ["a driver that there is not", { workflow: "echo", driver: "nobody" }, 422, "InvalidInput"],
  ])("%s is refused", async (_what, body, status, code) => {
    expect(await world().ask("POST", "/runs", { body })).toMatchObject(problem(status, code));
  });

  test("InvalidInput names the paths that are wrong", async () => {
    const { ask } = world();
    const own = await ask("POST", "/runs", {
      body: { workflow: "add", tags: { a: 1 }, signal: { name: "", more: 1 }, extra: 1 },
    });
    expect(own.body.issues.map((issue: { path: string }) => issue.path).sort()).toEqual([
      "extra",
      "signal.more",
      "signal.name",
      "tags.a",
    ]);
    const users = await ask("POST", "/runs", { body: { workflow: "add", input: { left: "x", right: 1 } } });
    expect(users.body.issues).toMatchObject([{ path: "left" }]);
  });
});

describe("Prefer: wait", () => {
  test("holds the answer until the run is finished", async () => {
    const { ask, runs } = world();
    const held = ask("POST", "/runs", {
      body: { workflow: "nap", runId: "n", timeout: "9h" },
      headers: { prefer: "wait=25" },
    });
    await runs.skip("1s");
    await runs.skip("25s");
    expect(await held).toMatchObject({
      status: 201,
      headers: { "preference-applied": "wait=25" },
      body: { status: "sleeping" },
    });
    const last = ask("GET", "/runs/n", { headers: { prefer: "respond-async, wait=3" } });
    await runs.skip("4s");
    expect(await last).toMatchObject({
      status: 200,
      headers: { "preference-applied": "wait=3" },
      body: { status: "sleeping" },
    });
    await runs.skip("8h");
    expect(await ask("GET", "/runs/n", { headers: { prefer: "wait=25" } })).toMatchObject({
      body: { status: "completed", output: "rested" },
    });
  });

  test("answers as soon as the run ends", async () => {
    const { ask, runs } = world();
    const held = ask("POST", "/runs", { body: { workflow: "add", input }, headers: { prefer: "wait=99" } });
    await runs.skip("1ms");
    expect(await held).toMatchObject({
      status: 201,
      headers: { "preference-applied": "wait=25" },
      body: { status: "completed", output: 3 },
    });
  });

  test.each(["wait=0", "wait=soon", "handling=lenient", "await=3"])(
    "%s is no such preference",
    async (prefer) => {
      const { headers } = await world().ask("POST", "/runs", {
        body: { workflow: "nap" },
        headers: { prefer },
      });
      expect(headers).not.toHaveProperty("preference-applied");
    },
  );
});

describe("GET /runs/{runId}", () => {
  test("shows what a run waits for, and since when it is asked to end", async () => {
    const { ask, runs } = world();
    await ask("POST", "/runs", { body: { workflow: "listen/for go", runId: "l" } });
    await runs.skip("1s");
    const { body } = await ask("GET", "/runs/l");
    expect(body).toMatchObject({
      status: "waiting",
      residency: "suspended",
      state: { phase: "listening" },
      waitingFor: [{ operation: "1", kind: "signal", name: "go/now", until: "2026-01-02T00:00:00.000Z" }],
      wakeAt: "2026-01-02T00:00:00.000Z",
    });
    expect(body.revision).toBeGreaterThan(0);
  });

  test("shows that it is paused", async () => {
    const { ask, runs, engine } = world();
    await ask("POST", "/runs", { body: { workflow: "listen/for go", runId: "p" } });
    await runs.skip("1s");
    await pause(engine, "p", { reason: "lunch", by: "me" });
    const { body } = await ask("GET", "/runs/p");
    expect(body).toMatchObject({
      status: "paused",
      pause: { reason: "lunch", by: "me", at: "2026-01-01T00:00:01.000Z" },
    });
    expect((await ask("GET", "/runs?status=paused")).status).toBe(200);
  });

  test("shows what it continued as, and from what, with the signals that went along", async () => {
    const { ask, runs } = aWorld([workflows.again]);
    await ask("POST", "/runs", { body: { workflow: "again", runId: "a", input: { left: 1 } } });
    await runs.skip("1s");
    for (const [name, payload] of [
      ["later", { kept: true }],
      ["next", 1],
    ] as const) {
      await ask("POST", `/runs/a/signals/${name}`, { body: payload });
      await runs.skip("1s");
    }
    const first = (await ask("GET", "/runs/a")).body;
    expect(first).toMatchObject({ status: "completed", continuedTo: expect.any(String) });
    const next = `/runs/${first.continuedTo}`;
    expect((await ask("GET", next)).body).toMatchObject({
      continuedFrom: "a",
      firstRunId: "a",
      input: { left: 0 },
    });
    const [created] = (await ask("GET", `${next}/journal?limit=1`)).body.items;
    expect(created.signals).toMatchObject([{ name: "later", payload: { kept: true } }]);
  });

  test("its cost is what its journal says, at list price", async () => {
    const { ask, runs } = world();
    await ask("POST", "/runs", { body: { workflow: "add", input, runId: "c" } });
    await runs.skip("1s");
    const { cost } = (await ask("GET", "/runs/c")).body;
    expect(cost.writeUnits).toBeGreaterThan(2);
    const { writeUnits, readUnits, queueRequests, schedules, usd } = cost;
    expect(usd * 1e6).toBeCloseTo(
      writeUnits * 0.625 + readUnits * 0.125 + queueRequests * 0.4 + schedules,
      6,
    );
  });

  test("an output over the inline limit is a link, one below it is inline", async () => {
    const { ask, runs } = world();
    const large = "x".repeat(5_240_000);
    await ask("POST", "/runs", { body: { workflow: "echo", runId: "fits", input: large } });
    await runs.skip("1s");
    const { body } = await ask("GET", "/runs/fits");
    expect(body.output).toBe(large);
    expect(body.input).toMatchObject({ $blob: expect.stringContaining("/"), bytes: 5_240_002 });
    const larger = "x".repeat(5_260_000);
    await ask("POST", "/runs", { body: { workflow: "echo", runId: "does-not", input: larger } });
    await runs.skip("1s");
    expect((await ask("GET", "/runs/does-not")).body.output).toMatchObject({ bytes: 5_260_002 });
    const journal = await ask("GET", "/runs/does-not/journal?limit=1");
    expect(journal.body.items).toMatchObject([{ sequence: 0, input: { bytes: 5_260_002 } }]);
  });

  test.each(["none", "%20", "a%2Fb", "a".repeat(129), "%F0%9F%98%80"])("%s is RunNotFound", async (runId) => {
    expect(await world().ask("GET", `/runs/${runId}`)).toMatchObject(problem(404, "RunNotFound"));
  });
});

describe("DELETE /runs/{runId}", () => {
  test("removes a finished run, and no other", async () => {
    const { ask, runs } = world();
    await ask("POST", "/runs", { body: { workflow: "nap", runId: "d" } });
    expect(await ask("DELETE", "/runs/d")).toMatchObject(problem(409, "RunNotFinished"));
    await runs.skip("9h");
    expect(await ask("DELETE", "/runs/d", { headers: { "if-match": '"0"' } })).toMatchObject(
      problem(412, "StaleRevision"),
    );
    const { headers } = await ask("GET", "/runs/d");
    expect(await ask("DELETE", "/runs/d", { headers: { "if-match": String(headers.etag) } })).toEqual({
      status: 204,
      headers: {},
      body: undefined,
    });
    expect(await ask("GET", "/runs/d")).toMatchObject(problem(404, "RunNotFound"));
    expect(await ask("DELETE", "/runs/d")).toMatchObject(problem(404, "RunNotFound"));
  });
});

describe("GET /runs", () => {
  async function someRuns() {
    const made = world();
    const { ask, runs } = made;
    const bodies = [
      { workflow: "echo", runId: "a", owner: "me", tags: { k: "v:w" } },
      { workflow: "nap", runId: "b", owner: "me", parentRunId: "a" },
      { workflow: "nap", runId: "c" },
    ];
    for (const body of bodies) {
      expect((await ask("POST", "/runs", { body })).status).toBe(201);
      await runs.skip("1s");
    }
    const ids = async (query: string) =>
      (await ask("GET", `/runs${query}`)).body.items.map((run: { runId: string }) => run.runId);
    return { ...made, ids };
  }

  test.each([
    ["", ["c", "b", "a"]],
    ["?order=asc", ["a", "b", "c"]],
    ["?status=completed", ["a"]],
    ["?status=active", ["c", "b"]],
    ["?status=active,completed&order=asc", ["a", "b", "c"]],
    ["?status=failed,timedOut", []],
    ["?workflow=nap", ["c", "b"]],
    ["?workflow=nap&owner=me", ["b"]],
    ["?tag=k:v:w", ["a"]],
    ["?tag=k:v", []],
    ["?parent=a", ["b"]],
    ["?stalled=true", []],
    ["?createdAfter=2026-01-01T00:00:00.500Z&createdBefore=2026-01-01T00:00:01.500Z", ["b"]],
    ["?limit=2", ["c", "b"]],
  ])("%s", async (query, expected) => {
    const { ids } = await someRuns();
    expect(await ids(query)).toEqual(expected);
  });

  test("gives summaries, page by page", async () => {
    const { ask } = await someRuns();
    const seen: string[] = [];
    let cursor = "";
    do {
      const { body } = await ask("GET", `/runs?limit=1${cursor}`);
      for (const item of body.items) {
        seen.push(item.runId);
        for (const absent of ["input", "output", "state", "cost"]) expect(item).not.toHaveProperty(absent);
        expect(item).toMatchObject({
          workflow: expect.any(String),
          status: expect.any(String),
          createdAt: expect.any(String),
        });
      }
      cursor = body.cursor === undefined ? "" : `&cursor=${encodeURIComponent(body.cursor)}`;
    } while (cursor !== "");
    expect(seen).toEqual(["c", "b", "a"]);
  });

  test.each([
    "?status=done",
    "?status=",
    "?status=active,",
    "?state=active",
    "?limit=0",
    "?limit=201",
    "?limit=1e1",
    "?limit=-1",
    "?limit=1&limit=2",
    "?order=up",
    "?cursor=nonsense",
    "?cursor=",
    "?createdAfter=yesterday",
    "?tag=k",
    "?stalled=1",
    "?parent=%00",
    "?workflow=",
  ])("%s is 422", async (query) => {
    expect(await world().ask("GET", `/runs${query}`)).toMatchObject(problem(422, "InvalidInput"));
  });
});
