/** Gates and callbacks over HTTP: each answer, each refusal. */
import { beforeEach, describe, expect, test } from "vitest";
import * as workflows from "./workflows.ts";
import { aWorld, problem, type World } from "./world.ts";

const all = [workflows.ask, workflows.twice, workflows.call, workflows.nap];

async function started(workflow: string): Promise<World> {
  const world = aWorld(all);
  await world.ask("POST", "/runs", { body: { workflow, runId: "r" } });
  await world.runs.skip("1s");
  return world;
}

const SHIP = "/runs/r/gates/ship%20it";
const TWO = "/runs/r/gates/a%2Fb";

describe("a gate", () => {
  test("is pending with its question, then approved, with all that was said", async () => {
    const { ask, runs } = await started("ask");
    expect(await ask("GET", SHIP)).toMatchObject({ status: 200, body: { state: "pending" } });
    const [open] = (await ask("GET", "/runs/r/operations")).body.items;
    expect(open).toMatchObject({ kind: "gate", status: "waiting", prompt: "Ship?" });
    const body = { feedback: { well: "done" }, selections: ["a"], by: "ann" };
    const decided = await ask("POST", `${SHIP}/approve`, { body });
    expect(decided).toMatchObject({
      status: 200,
      body: { id: open.id, kind: "gate", decision: { approved: true, ...body, at: expect.any(String) } },
    });
    await runs.skip("1s");
    expect((await ask("GET", SHIP)).body).toEqual({
      state: "approved",
      ...body,
      at: decided.body.decision.at,
    });
    expect((await ask("GET", "/runs/r")).body.output).toEqual({ approved: true, ...body });
  });

  test("the first decision is kept, the other one is AlreadyDecided, also after the run", async () => {
    const { ask, runs } = await started("ask");
    await ask("POST", `${SHIP}/reject`, { body: { feedback: "first" } });
    for (const _moment of ["before", "after"]) {
      expect(await ask("POST", `${SHIP}/reject`, { body: { feedback: "second" } })).toMatchObject({
        status: 200,
        body: { decision: { approved: false, feedback: "first" } },
      });
      expect(await ask("POST", `${SHIP}/approve`)).toMatchObject(
        problem(409, "AlreadyDecided", { runId: "r", approved: false }),
      );
      await runs.skip("1s");
    }
    expect((await ask("GET", "/runs/r")).body).toMatchObject({ status: "completed" });
    expect((await ask("GET", SHIP)).body).toMatchObject({ state: "rejected", feedback: "first" });
  });

  test("that timed out says so, and takes no decision", async () => {
    const { ask, runs } = await started("ask");
    await runs.skip("3 days");
    expect((await ask("GET", SHIP)).body).toEqual({ state: "timedOut", at: "2026-01-03T00:00:00.000Z" });
    expect(await ask("POST", `${SHIP}/approve`)).toMatchObject(
      problem(409, "NotWaiting", { waitingFor: [] }),
    );
  });

  test("a decision after its time is refused, also where the run is paused and has not seen the time", async () => {
    const { ask, runs } = await started("ask");
    await ask("POST", "/runs/r/pause");
    await runs.skip("3 days");
    expect((await ask("GET", "/runs/r")).body.status).toBe("paused");
    expect(await ask("POST", `${SHIP}/approve`)).toMatchObject(problem(409, "NotWaiting"));
  });

  test("of a cancelled run is cancelled", async () => {
    const { ask, runs } = await started("ask");
    await ask("POST", "/runs/r/cancel");
    await runs.skip("1s");
    expect((await ask("GET", SHIP)).body).toMatchObject({ state: "cancelled" });
    expect(await ask("POST", `${SHIP}/approve`)).toMatchObject(problem(409, "NotWaiting"));
  });

  test("by name it is the one that waits now; by id any, with slashes also where they come decoded", async () => {
    const { ask, runs } = await started("twice");
    expect((await ask("POST", `${TWO}/approve`)).body.id).toBe("1");
    await runs.skip("1s");
    expect((await ask("GET", TWO)).body).toEqual({ state: "pending" });
    expect((await ask("GET", "/runs/r/gates/1")).body).toMatchObject({ state: "approved" });
    const [{ operation }] = (await ask("GET", "/runs/r")).body.waitingFor;
    expect(operation).toContain("/");
    expect((await ask("GET", `/runs/r/gates/${operation}`, { isDecoded: true })).body.state).toBe("pending");
    const rejected = await ask("POST", `/runs/r/gates/${operation}/reject`, { isDecoded: true });
    expect(rejected).toMatchObject({ status: 200, body: { id: operation, decision: { approved: false } } });
    await runs.skip("1s");
    expect((await ask("GET", "/runs/r")).body.output).toEqual([{ approved: true }, { approved: false }]);
  });

  test("with a key: once, though the next gate has the same name; another body is a conflict", async () => {
    const { ask, runs } = await started("twice");
    const asked = { body: { by: "ann" }, headers: { "idempotency-key": "k" } };
    const first = await ask("POST", `${TWO}/approve`, asked);
    await runs.skip("1s");
    expect(await ask("POST", `${TWO}/approve`, asked)).toMatchObject({
      status: 200,
      body: { id: first.body.id, status: "completed" },
    });
    expect((await ask("GET", TWO)).body).toEqual({ state: "pending" });
    expect(await ask("POST", `${TWO}/approve`, { ...asked, body: { by: "bob" } })).toMatchObject(
      problem(409, "IdempotencyConflict"),
    );
    expect((await ask("POST", `${TWO}/reject`, asked)).body.decision).toMatchObject({ approved: false });
  });

  test("If-Match makes a decision conditional", async () => {
    const { ask } = await started("ask");
    expect(await ask("POST", `${SHIP}/approve`, { headers: { "if-match": '"0"' } })).toMatchObject(
      problem(412, "StaleRevision", { expected: 0 }),
    );
    const { headers } = await ask("GET", "/runs/r");
    const asked = { headers: { "if-match": String(headers.etag) } };
    expect((await ask("POST", `${SHIP}/approve`, asked)).status).toBe(200);
  });

  test("that is not there: NotWaiting to decide, OperationNotFound to read; no run: RunNotFound", async () => {
    const { ask } = await started("nap");
    expect(await ask("POST", "/runs/r/gates/x/approve")).toMatchObject(problem(409, "NotWaiting"));
    expect(await ask("GET", "/runs/r/gates/night")).toMatchObject(problem(404, "OperationNotFound"));
    for (const verb of ["approve", "reject"])
      expect(await ask("POST", `/runs/none/gates/x/${verb}`)).toMatchObject(problem(404, "RunNotFound"));
    expect(await ask("GET", "/runs/none/gates/x")).toMatchObject(problem(404, "RunNotFound"));
  });

  test.each([{ approved: true }, { by: 1 }, { feedback: "x".repeat(20_000) }, []])(
    "the body %j is InvalidInput",
    async (body) => {
      const { ask } = await started("ask");
      expect(await ask("POST", `${SHIP}/approve`, { body })).toMatchObject(problem(422, "InvalidInput"));
      expect((await ask("GET", SHIP)).body).toEqual({ state: "pending" });
    },
  );
});

describe("a callback", () => {
  beforeEach(() => {
    workflows.tokens.length = 0;
  });

  async function called(): Promise<World & { path: string }> {
    const world = await started("call");
    return { ...world, path: `/callbacks/${workflows.tokens[0]}` };
  }

  test("is awaited until its silence is too long; a heartbeat breaks it", async () => {
    const { ask, runs, path } = await called();
    expect((await ask("GET", "/runs/r")).body.waitingFor).toEqual([
      { operation: "1", kind: "callback", name: "print", until: "2026-01-01T01:00:00.000Z" },
    ]);
    await runs.skip("30m");
    expect(await ask("POST", `${path}/heartbeat`)).toMatchObject({
      status: 200,
      body: { kind: "callback", status: "waiting", wakeAt: "2026-01-01T01:30:01.000Z" },
    });
    await runs.skip("50m");
    expect((await ask("GET", "/runs/r")).body.status).toBe("waiting");
    await runs.skip("1h");
    expect((await ask("GET", "/runs/r")).body).toMatchObject({
      status: "failed",
      error: { code: "CallbackTimeout" },
    });
    for (const verb of ["succeed", "heartbeat"])
      expect(await ask("POST", `${path}/${verb}`)).toMatchObject(problem(410, "TokenExpired"));
  });

  test("a heartbeat with a key breaks the silence once", async () => {
    const { ask, runs, path } = await called();
    const beat = (key: string) => ask("POST", `${path}/heartbeat`, { headers: { "idempotency-key": key } });
    await runs.skip("30m");
    const first = await beat("k-1");
    expect(first).toMatchObject({ status: 200, body: { wakeAt: "2026-01-01T01:30:01.000Z" } });
    await runs.skip("10m");
    const { revision } = (await ask("GET", "/runs/r")).body;
    expect(await beat("k-1")).toEqual(first);
    expect((await ask("GET", "/runs/r")).body.revision, "nothing is written").toBe(revision);
    expect((await beat("k-2")).body.wakeAt).not.toBe(first.body.wakeAt);
    await ask("POST", `${path}/succeed`);
    await runs.skip("1s");
    expect((await beat("k-1")).status, "the repeat is answered, also when it is over").toBe(200);
    expect(await beat("k-3")).toMatchObject(problem(410, "TokenExpired"));
  });

  test.each([{ output: { pages: 3 } }, { output: null }, {}, undefined])(
    "succeeds with %j, once; another outcome is AlreadyDecided",
    async (body) => {
      const { ask, runs, path } = await called();
      for (const _moment of ["before", "after"]) {
        const answer = await ask("POST", `${path}/succeed`, body === undefined ? {} : { body });
        expect(answer).toMatchObject({ status: 200, body: { kind: "callback" } });
        for (const [verb, other] of [
          ["succeed", { output: "other" }],
          ["fail", { error: { message: "jam" } }],
        ] as const)
          expect(await ask("POST", `${path}/${verb}`, { body: other })).toMatchObject(
            problem(409, "AlreadyDecided", { runId: "r" }),
          );
        await runs.skip("1s");
      }
      expect((await ask("GET", "/runs/r")).body.output).toEqual(body?.output);
      expect(await ask("POST", `${path}/heartbeat`)).toMatchObject(problem(410, "TokenExpired"));
      const { items } = (await ask("GET", "/runs/r/journal?limit=200")).body;
      const used = items.find((event: { type: string }) => event.type === "CallbackUsed");
      expect(used.output).toEqual(body?.output);
    },
  );

  test("a large output is kept beside the journal, and shown", async () => {
    const { ask, runs, path } = await called();
    const output = "x".repeat(100_000);
    expect((await ask("POST", `${path}/succeed`, { body: { output } })).status).toBe(200);
    expect((await ask("POST", `${path}/succeed`, { body: { output } })).status).toBe(200);
    await runs.skip("1s");
    expect((await ask("GET", "/runs/r")).body.output).toBe(output);
  });

  test("fails with the error that is sent", async () => {
    const { ask, runs, path } = await called();
    const error = { code: "Jam", message: "no paper", data: { tray: 2 } };
    for (const _again of [1, 2])
      expect((await ask("POST", `${path}/fail`, { body: { error } })).status).toBe(200);
    await runs.skip("1s");
    expect((await ask("GET", "/runs/r")).body).toMatchObject({
      status: "failed",
      error: { code: "CallbackFailed", name: "Jam", message: "no paper", data: { tray: 2 } },
    });
  });

  test("takes a text for an error, and knows it again however it is written", async () => {
    const { ask, runs, path } = await called();
    for (const error of ["no paper", { message: "no paper" }])
      expect((await ask("POST", `${path}/fail`, { body: { error } })).status).toBe(200);
    await runs.skip("1s");
    expect((await ask("GET", "/runs/r")).body.error).toMatchObject({
      code: "CallbackFailed",
      message: "no paper",
    });
  });

  test.each([
    {},
    { error: {} },
    { error: { message: 1 } },
    { error: { message: "x", more: 1 } },
    { output: 1 },
  ])("failing with %j is InvalidInput", async (body) => {
    const { ask, path } = await called();
    expect(await ask("POST", `${path}/fail`, { body })).toMatchObject(problem(422, "InvalidInput"));
  });

  test("with a key: another body is a conflict", async () => {
    const { ask, path } = await called();
    const headers = { "idempotency-key": "k" };
    for (const _again of [1, 2])
      expect((await ask("POST", `${path}/succeed`, { body: { output: 1 }, headers })).status).toBe(200);
    expect(await ask("POST", `${path}/succeed`, { body: { output: 2 }, headers })).toMatchObject(
      problem(409, "IdempotencyConflict"),
    );
  });

  test("If-Match makes it conditional", async () => {
    const { ask, path } = await called();
    const headers = { "if-match": '"0"' };
    for (const [verb, asked] of [
      ["succeed", { headers }],
      ["fail", { headers, body: { error: { message: "jam" } } }],
      ["heartbeat", { headers }],
    ] as const)
      expect(await ask("POST", `${path}/${verb}`, asked)).toMatchObject(problem(412, "StaleRevision"));
  });

  test("a forged token is InvalidToken, whatever it is like", async () => {
    const { ask } = await called();
    const [target, proof] = workflows.tokens[0]!.split(".");
    const other = Buffer.from(JSON.stringify(["none", "1"])).toString("base64url");
    for (const token of [
      "x",
      "a.b",
      `${target}.x`,
      `${target}`,
      `${other}.${proof}`,
      `${target}.${proof}x`,
    ]) {
      for (const verb of ["succeed", "heartbeat"])
        expect(await ask("POST", `/callbacks/${token}/${verb}`)).toMatchObject(problem(403, "InvalidToken"));
      expect(
        await ask("POST", `/callbacks/${token}/fail`, { body: { error: { message: "x" } } }),
      ).toMatchObject(problem(403, "InvalidToken"));
    }
  });
});
