import { describe, expect, test } from "vitest";
import * as workflows from "./workflows.ts";
import { aWorld, problem, type World } from "./world.ts";

async function listening(): Promise<World> {
  const world = aWorld(workflows.all);
  await world.ask("POST", "/runs", { body: { workflow: "listen/for go", runId: "l" } });
  await world.runs.skip("1s");
  return world;
}

async function finished(): Promise<World> {
  const world = await listening();
  await world.ask("POST", "/runs/l/signals/go%2Fnow", { body: 1 });
  await world.runs.skip("1s");
  return world;
}

describe("signals", () => {
  test.each([[{ a: 1 }], [null], ["text"], [0], [[1, 2]], [false]])(
    "the payload %j is delivered",
    async (payload) => {
      const { ask, runs } = await listening();
      const answer = await ask("POST", "/runs/l/signals/go%2Fnow", { body: payload });
      expect(answer).toEqual({
        status: 202,
        headers: expect.anything(),
        body: { signalId: expect.any(String) },
      });
      await runs.skip("1s");
      expect((await ask("GET", "/runs/l")).body.output.heard).toEqual(payload);
      expect((await ask("GET", "/runs/l/signals")).body.items).toEqual([
        {
          signalId: answer.body.signalId,
          name: "go/now",
          payload,
          at: expect.any(String),
          sequence: expect.any(Number),
          buffered: false,
        },
      ]);
    },
  );

  test("no body is no payload", async () => {
    const { ask, runs } = await listening();
    expect((await ask("POST", "/runs/l/signals/other")).status).toBe(202);
    await runs.skip("1s");
    const [signal] = (await ask("GET", "/runs/l/signals")).body.items;
    expect(signal).toMatchObject({ name: "other", buffered: true });
    expect(signal).not.toHaveProperty("payload");
  });

  test("they are listed after a sequence, page by page", async () => {
    const { ask, runs } = await listening();
    for (const payload of [1, 2, 3]) {
      await ask("POST", "/runs/l/signals/s", { body: payload });
      await runs.skip("1s");
    }
    const all = (await ask("GET", "/runs/l/signals")).body.items;
    expect(all.map((signal: { payload: number }) => signal.payload)).toEqual([1, 2, 3]);
    const first = (await ask("GET", "/runs/l/signals?limit=1")).body;
    expect(first.items).toEqual([all[0]]);
    expect((await ask("GET", `/runs/l/signals?limit=5&cursor=${first.cursor}`)).body).toEqual({
      items: all.slice(1),
    });
    expect((await ask("GET", `/runs/l/signals?after=${all[1].sequence}`)).body).toEqual({ items: [all[2]] });
  });

  test("strict: accepted while it is awaited, else NotWaiting says what is", async () => {
    const { ask } = await listening();
    expect(await ask("POST", "/runs/l/signals/other?mode=strict")).toMatchObject(
      problem(409, "NotWaiting", { waitingFor: [{ kind: "signal", name: "go/now" }] }),
    );
    expect((await ask("POST", "/runs/l/signals/go%2Fnow?mode=strict", { body: 1 })).status).toBe(202);
    expect((await ask("GET", "/runs/l/signals")).body.items).toHaveLength(1);
    expect(await ask("POST", "/runs/l/signals/x?mode=lax")).toMatchObject(problem(422, "InvalidInput"));
  });

  test("to a finished run: RunFinished; to none: RunNotFound", async () => {
    const { ask } = await finished();
    expect(await ask("POST", "/runs/l/signals/go%2Fnow")).toMatchObject(problem(409, "RunFinished"));
    expect(await ask("POST", "/runs/none/signals/x")).toMatchObject(problem(404, "RunNotFound"));
    expect(await ask("GET", "/runs/none/signals")).toMatchObject(problem(404, "RunNotFound"));
  });

  test("with a key: once, also after the end; another payload is a conflict", async () => {
    const { ask, runs } = await listening();
    const headers = { "idempotency-key": "k" };
    const sent = ask("POST", "/runs/l/signals/s", { body: { a: 1, b: 2 }, headers });
    await runs.skip("3s");
    const first = await sent;
    expect(first.status).toBe(202);
    const again = await ask("POST", "/runs/l/signals/s", { body: { b: 2, a: 1 }, headers });
    expect(again).toMatchObject({ status: 200, body: first.body });
    expect(await ask("POST", "/runs/l/signals/s", { body: { a: 2 }, headers })).toMatchObject(
      problem(409, "IdempotencyConflict"),
    );
    expect((await ask("GET", "/runs/l/signals")).body.items).toHaveLength(1);
    await ask("POST", "/runs/l/signals/go%2Fnow", { body: 1 });
    await runs.skip("1s");
    expect((await ask("GET", "/runs/l")).body.status).toBe("completed");
    expect((await ask("POST", "/runs/l/signals/s", { body: { a: 1, b: 2 }, headers })).status).toBe(200);
  });

  test("If-Match makes them conditional", async () => {
    const { ask } = await listening();
    expect(await ask("POST", "/runs/l/signals/s", { headers: { "if-match": '"0"' } })).toMatchObject(
      problem(412, "StaleRevision", { expected: 0 }),
    );
    const { headers } = await ask("GET", "/runs/l");
    expect(
      (await ask("POST", "/runs/l/signals/s", { headers: { "if-match": String(headers.etag) } })).status,
    ).toBe(202);
  });
});

describe("cancel", () => {
  test("asks for it once, and answers the run", async () => {
    const { ask, runs } = await listening();
    expect((await ask("GET", "/runs/l/cancelled")).body).toEqual({ cancelled: false });
    const asked = await ask("POST", "/runs/l/cancel", { body: { reason: "enough", by: "me" } });
    expect(asked).toMatchObject({
      status: 202,
      headers: { etag: expect.stringMatching(/^"\d+"$/) },
      body: { cancel: { reason: "enough", by: "me", at: expect.any(String) } },
    });
    expect((await ask("GET", "/runs/l/cancelled")).body).toEqual({ cancelled: true, reason: "enough" });
    expect(await ask("POST", "/runs/l/cancel", { body: { reason: "again" } })).toMatchObject({
      status: 202,
      body: { cancel: { reason: "enough" } },
    });
    await runs.skip("1s");
    expect((await ask("GET", "/runs/l")).body.status).toBe("cancelled");
  });

  test("needs no body", async () => {
    const { ask } = await listening();
    expect((await ask("POST", "/runs/l/cancel")).status).toBe(202);
  });

  test("is refused for a finished run, a stale revision, an unknown run, an unknown field", async () => {
    const { ask } = await finished();
    expect(await ask("POST", "/runs/l/cancel")).toMatchObject(problem(409, "RunFinished"));
    expect(await ask("POST", "/runs/none/cancel")).toMatchObject(problem(404, "RunNotFound"));
    expect(await ask("POST", "/runs/l/cancel", { body: { why: 1 } })).toMatchObject(
      problem(422, "InvalidInput"),
    );
    expect(await ask("GET", "/runs/none/cancelled")).toMatchObject(problem(404, "RunNotFound"));
    const other = await listening();
    expect(await other.ask("POST", "/runs/l/cancel", { headers: { "if-match": '"0"' } })).toMatchObject(
      problem(412, "StaleRevision", { expected: 0, found: expect.any(Number) }),
    );
  });

  test("with a key: a repeat answers 200, also after the end", async () => {
    const { ask, runs } = await listening();
    const asked = { body: { reason: "enough" }, headers: { "idempotency-key": "k" } };
    expect((await ask("POST", "/runs/l/cancel", asked)).status).toBe(202);
    expect((await ask("POST", "/runs/l/cancel", asked)).status).toBe(200);
    await runs.skip("1s");
    expect(await ask("POST", "/runs/l/cancel", asked)).toMatchObject({
      status: 200,
      body: { status: "cancelled" },
    });
  });
});

describe("PATCH state", () => {
  test("merges shallowly; null sets null; step comes with it", async () => {
    const { ask, runs } = await listening();
    const patched = await ask("PATCH", "/runs/l/state?step=two", { body: { phase: null, more: { a: 1 } } });
    expect(patched).toMatchObject({
      status: 200,
      headers: { etag: expect.any(String) },
      body: { step: "two" },
    });
    expect(patched.body.state).toEqual({ phase: null, more: { a: 1 } });
    await ask("PATCH", "/runs/l/state", { body: { more: { b: 2 }, ["__proto__"]: 1 } });
    await ask("POST", "/runs/l/signals/go%2Fnow", { body: 1 });
    await runs.skip("1s");
    expect((await ask("GET", "/runs/l")).body.output.state).toMatchObject({ phase: null, more: { b: 2 } });
  });

  test("is refused for what is no object, a stale revision, a finished run", async () => {
    const { ask } = await listening();
    for (const body of [[1], null, 1, "text"])
      expect(await ask("PATCH", "/runs/l/state", { body })).toMatchObject(problem(422, "InvalidInput"));
    expect(await ask("PATCH", "/runs/l/state")).toMatchObject(problem(400, "MalformedRequest"));
    expect(await ask("PATCH", "/runs/l/state?step=", { body: {} })).toMatchObject(
      problem(422, "InvalidInput"),
    );
    expect(await ask("PATCH", "/runs/l/state", { body: {}, headers: { "if-match": '"99"' } })).toMatchObject(
      problem(412, "StaleRevision", { expected: 99 }),
    );
    expect(await ask("PATCH", "/runs/none/state", { body: {} })).toMatchObject(problem(404, "RunNotFound"));
    expect(await (await finished()).ask("PATCH", "/runs/l/state", { body: {} })).toMatchObject(
      problem(409, "RunFinished"),
    );
  });
});
