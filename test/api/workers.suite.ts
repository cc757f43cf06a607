/**
 * Outside workers over HTTP: leases, steps and items, with each refusal, on any journal store. Time is virtual.
 */
import { describe, expect, test } from "vitest";
import { type Begun, begun, key, match, type Open, under } from "./driven.ts";
import { problem } from "./world.ts";

/** `open` gives a world of its own, which has the workflow `echo`. */
export function workersSuite(name: string, open: Open): void {
  describe(name, () => {
    leases(open);
    steps(open);
    items(open);
  });
}

/** A managed run with a worker that holds its lease. */
async function leased(open: Open, ttl: unknown = "1 minute"): Promise<Begun & { generation: number }> {
  const world = await begun(open, "managed");
  const lease = await world.run("POST", "/lease", { body: { token: "one", ttl } });
  expect(lease.status).toBe(200);
  return { ...world, generation: lease.body.generation };
}

function leases(open: Open): void {
  const take = (world: Begun, token: string, ttl: unknown = "10s", headers = {}) =>
    world.run("POST", "/lease", { body: { token, ttl }, headers });

  test("a worker holds the lease until its time is over; the same one renews it in the same generation", async () => {
    const world = await begun(open, "managed");
    const first = await take(world, "one", 10);
    expect(first).toMatchObject({ status: 200, body: { generation: 1, until: "2026-01-01T00:00:10.000Z" } });
    expect(first.body).not.toHaveProperty("cancel");
    expect((await world.run("GET", "")).body).toMatchObject({
      status: "running",
      residency: "resident",
      generation: 1,
      startedAt: expect.any(String),
    });
    await world.runs.skip("9s");
    expect(await take(world, "two")).toMatchObject(
      problem(409, "LeaseHeld", { until: "2026-01-01T00:00:10.000Z" }),
    );
    expect((await take(world, "one")).body).toEqual({ generation: 1, until: "2026-01-01T00:00:19.000Z" });
    await world.runs.skip("10s");
    expect((await world.run("GET", "")).body.residency).toBe("suspended");
    const after = await take(world, "one");
    expect(after.body.generation).toBeGreaterThan(1);
    await world.runs.skip("10s");
    expect((await take(world, "two")).body.generation).toBeGreaterThan(after.body.generation);
  });

  test("the worker learns that the run was asked to end", async () => {
    const world = await begun(open, "managed");
    await take(world, "one");
    await world.run("POST", "/cancel", { body: { reason: "enough" } });
    expect((await take(world, "one")).body.cancel).toMatchObject({ reason: "enough" });
  });

  test("given back, it is there for another; whoever does not hold it gives back nothing", async () => {
    const world = await begun(open, "managed");
    await take(world, "one");
    expect(await world.run("DELETE", "/lease?token=two")).toEqual({
      status: 204,
      headers: {},
      body: undefined,
    });
    expect(await take(world, "two")).toMatchObject(problem(409, "LeaseHeld"));
    expect((await world.run("DELETE", "/lease?token=one")).status).toBe(204);
    expect((await world.run("DELETE", "/lease?token=one")).status).toBe(204);
    expect((await take(world, "two")).status).toBe(200);
    expect(await world.run("DELETE", "/lease")).toMatchObject(problem(422, "InvalidInput"));
    expect(await world.ask("DELETE", "/runs/none/lease?token=one")).toMatchObject(
      problem(404, "RunNotFound"),
    );
  });

  test("a request with a key is granted once, and answered the same", async () => {
    const world = await begun(open, "managed");
    const first = await take(world, "one", "10s", key("k"));
    await world.runs.skip("1s");
    expect((await take(world, "one", "10s", key("k"))).body).toEqual(first.body);
    expect(await take(world, "two", "10s", key("k"))).toMatchObject(problem(409, "IdempotencyConflict"));
    expect((await world.run("GET", "")).body.revision).toBe(1);
  });

  test("refused: wrong times, stale revisions, runs of other drivers, runs that are over", async () => {
    const world = await begun(open, "managed");
    for (const ttl of [0, "0s", "366 days"])
      expect(await take(world, "one", ttl)).toMatchObject(problem(422, "InvalidInput"));
    for (const ttl of ["", "soon", -1])
      expect(await take(world, "one", ttl)).toMatchObject(problem(422, "InvalidDuration"));
    for (const body of [{ ttl: 1 }, { token: "one" }, { token: "", ttl: 1 }, { token: "one", ttl: 1, x: 1 }])
      expect(await world.run("POST", "/lease", { body })).toMatchObject(problem(422, "InvalidInput"));
    expect(await take(world, "one", 1, match(4))).toMatchObject(problem(412, "StaleRevision"));
    expect(await world.ask("POST", "/runs/none/lease", { body: { token: "one", ttl: 1 } })).toMatchObject(
      problem(404, "RunNotFound"),
    );
    for (const driver of ["mirrored", undefined]) {
      const other = await begun(open, driver as string, driver === undefined ? { workflow: "echo" } : {});
      expect(await take(other, "one")).toMatchObject(problem(409, "WrongDriver", { expected: ["managed"] }));
    }
    await world.run("POST", "/finish");
    expect(await take(world, "one")).toMatchObject(problem(409, "RunFinished"));
    expect((await world.run("DELETE", "/lease?token=one")).status).toBe(204);
  });

  test("the journal tells who holds it by a hash, not by the token", async () => {
    const world = await begun(open, "managed");
    await take(world, "a secret of mine");
    expect(JSON.stringify(await world.eventsOf())).not.toContain("a secret of mine");
  });
}

function steps(open: Open): void {
  test("a worker's step keeps and gives back all that is said of it", async () => {
    const world = await leased(open);
    const headers = under(world.generation);
    const facts = { role: "maker", position: 2, iteration: 3, canCommit: true };
    const added = await world.run("POST", "/steps", {
      body: { name: "make", ...facts, retryCount: 1 },
      headers,
    });
    expect(added).toMatchObject({
      status: 201,
      body: {
        ...facts,
        name: "make",
        kind: "step",
        status: "running",
        retryCount: 1,
        startedAt: expect.any(String),
      },
    });
    const { stepId } = added.body;
    expect(stepId).toBe(added.body.id);
    const told = {
      structuredOutput: { answer: 42 },
      markers: ["begun", { at: 1 }],
      context: { model: "m" },
      childRunId: "child-1",
    };
    await world.run("PATCH", `/steps/${stepId}`, { body: { status: "running", ...told }, headers });
    await world.runs.skip("2s");
    const done = await world.run("PATCH", `/steps/${stepId}`, {
      body: { status: "completed", output: "ok" },
      headers,
    });
    expect(done).toMatchObject({
      status: 200,
      body: { ...facts, ...told, stepId, status: "completed", output: "ok" },
    });
    const { startedAt, finishedAt, durationMs } = done.body;
    expect(durationMs).toBe(Date.parse(finishedAt) - Date.parse(startedAt));
    expect(durationMs).toBeGreaterThanOrEqual(2_000);
    const { stepId: _stepId, ...shown } = done.body;
    expect((await world.run("GET", "/operations")).body.items).toEqual([shown]);
  });

  test("without a retry count it is pending, and begins later", async () => {
    const world = await leased(open);
    const headers = under(world.generation);
    const { body } = await world.run("POST", "/steps", { body: { name: "make" }, headers });
    expect(body).toMatchObject({ status: "pending", retryCount: 0 });
    expect(body).not.toHaveProperty("startedAt");
    await world.runs.skip("1s");
    const running = await world.run("PATCH", `/steps/${body.stepId}`, {
      body: { status: "running" },
      headers,
    });
    expect(running.body).toMatchObject({ status: "running", startedAt: "2026-01-01T00:00:01.000Z" });
  });

  test("a failed step's output is its error unless it says another; a retry leaves both behind", async () => {
    const world = await leased(open);
    const headers = under(world.generation);
    const { stepId } = (await world.run("POST", "/steps", { body: { name: "make", retryCount: 0 }, headers }))
      .body;
    const patch = (body: object) => world.run("PATCH", `/steps/${stepId}`, { body, headers });
    const error = { code: "Jam", name: "Jam", message: "paper jam" };
    const failed = await patch({ status: "failed", error });
    expect(failed.body).toMatchObject({ status: "failed", error, output: error });
    expect(failed.body.output).toEqual(failed.body.error);
    expect((await patch({ status: "failed", error: "again", output: 7 })).body).toMatchObject({
      error: { message: "again" },
      output: 7,
    });
    const retried = (await patch({ status: "running", retryCount: 1 })).body;
    expect(retried).toMatchObject({ status: "running", retryCount: 1 });
    for (const left of ["error", "output", "finishedAt"]) expect(retried).not.toHaveProperty(left);
    expect((await world.run("GET", "")).body.retryCount).toBe(1);
  });

  test("with a key a step is reported once, also after its lease is over", async () => {
    const world = await leased(open, "5s");
    const asked = { body: { name: "make" }, headers: { ...under(world.generation), ...key("k") } };
    const first = await world.run("POST", "/steps", asked);
    expect(first.status).toBe(201);
    await world.runs.skip("6s");
    expect(await world.run("POST", "/steps", asked)).toMatchObject({
      status: 200,
      body: { stepId: first.body.stepId },
    });
    expect(await world.run("POST", "/steps", { ...asked, body: { name: "other" } })).toMatchObject(
      problem(409, "IdempotencyConflict"),
    );
    expect((await world.run("GET", "/operations")).body.items).toHaveLength(1);
  });

  test("every write is under the present generation, or nothing is written", async () => {
    const world = await leased(open, "5s");
    const { generation } = world;
    const headers = under(generation);
    const { stepId } = (await world.run("POST", "/steps", { body: { name: "make" }, headers })).body;
    const { items } = (
      await world.run("POST", `/steps/${stepId}/items`, { body: [{ type: "line", id: "1" }], headers })
    ).body;
    const writes: [string, string, unknown][] = [
      ["POST", "/steps", { name: "late" }],
      ["PATCH", `/steps/${stepId}`, { status: "completed" }],
      ["POST", `/steps/${stepId}/items`, [{ type: "line", id: "2" }]],
      ["PATCH", `/steps/${stepId}/items`, [{ itemId: items[0].itemId, status: "completed" }]],
    ];
    const refused = async (expected: object, given: Record<string, string>) => {
      const { revision } = (await world.run("GET", "")).body;
      for (const [method, path, body] of writes)
        expect(await world.run(method, path, { body, headers: given })).toMatchObject(expected);
      expect((await world.run("GET", "")).body.revision).toBe(revision);
    };
    await refused(problem(428, "GenerationRequired"), {});
    await refused(problem(400, "MalformedRequest"), { "stepfold-generation": "first" });
    await refused(problem(409, "LeaseLost", { generation: 9, present: generation }), under(9));
    await refused(problem(412, "StaleRevision"), { ...headers, ...match(0) });
    // Over, and nobody's yet.
    await world.runs.skip("6s");
    await refused(problem(409, "LeaseLost", { generation, present: null }), headers);
    // Taken by another.
    const other = (await world.run("POST", "/lease", { body: { token: "two", ttl: "5s" } })).body.generation;
    await refused(problem(409, "LeaseLost", { generation, present: other }), headers);
    for (const [method, path, body] of writes)
      expect((await world.run(method, path, { body, headers: under(other) })).status).toBeLessThan(300);
    // Given back.
    await world.run("DELETE", "/lease?token=two");
    await refused(problem(409, "LeaseLost", { generation: other, present: null }), under(other));
    await world.run("POST", "/finish");
    await refused(problem(409, "RunFinished"), under(other));
  });

  test("refused: steps that are not there, bodies that are none, runs of other drivers", async () => {
    const world = await leased(open);
    const headers = under(world.generation);
    const gate = (await world.run("POST", "/gates", { body: { name: "g" } })).body.id;
    for (const id of ["none", gate]) {
      expect(
        await world.run("PATCH", `/steps/${id}`, { body: { status: "running" }, headers }),
      ).toMatchObject(problem(404, "OperationNotFound", { stepId: id }));
      const asked = { body: [{ type: "t", id: "1" }], headers };
      expect(await world.run("POST", `/steps/${id}/items`, asked)).toMatchObject(
        problem(404, "OperationNotFound"),
      );
      expect(await world.run("GET", `/steps/${id}/items`)).toMatchObject(problem(404, "OperationNotFound"));
    }
    for (const body of [
      {},
      { name: "" },
      { name: "n", retryCount: -1 },
      { name: "n", canCommit: "yes" },
      { name: "n", x: 1 },
    ])
      expect(await world.run("POST", "/steps", { body, headers })).toMatchObject(
        problem(422, "InvalidInput"),
      );
    const { stepId } = (await world.run("POST", "/steps", { body: { name: "make" }, headers })).body;
    for (const body of [{}, { status: "done" }, { status: "running", childRunId: "a b" }])
      expect(await world.run("PATCH", `/steps/${stepId}`, { body, headers })).toMatchObject(
        problem(422, "InvalidInput"),
      );
    expect(await world.ask("POST", "/runs/none/steps", { body: { name: "n" }, headers })).toMatchObject(
      problem(404, "RunNotFound"),
    );
    const mirror = await begun(open, "mirrored");
    expect(await mirror.run("POST", "/steps", { body: { name: "n" }, headers })).toMatchObject(
      problem(409, "WrongDriver"),
    );
  });

  test("what is open at the run's end is cancelled", async () => {
    const world = await leased(open);
    const headers = under(world.generation);
    await world.run("POST", "/steps", { body: { name: "make", retryCount: 0 }, headers });
    await world.run("POST", "/finish");
    expect((await world.run("GET", "/operations")).body.items).toMatchObject([{ status: "cancelled" }]);
  });
}

function items(open: Open): void {
  async function withItems() {
    const world = await leased(open);
    const headers = under(world.generation);
    const { stepId } = (await world.run("POST", "/steps", { body: { name: "fan", retryCount: 0 }, headers }))
      .body;
    const path = `/steps/${stepId}/items`;
    const body = [
      { type: "line", id: "a", ref: { page: 1 }, context: "c" },
      { type: "line", id: "b" },
      { type: "sum", id: "a", ref: "x" },
    ];
    const added = await world.run("POST", path, { body, headers });
    return {
      ...world,
      headers,
      path,
      body,
      added,
      ids: added.body.items.map(({ itemId }: { itemId: string }) => itemId),
    };
  }

  test("a step's items are added at once, changed at once, and listed by status", async () => {
    const { run, added, body, path, headers, ids } = await withItems();
    expect(added.status).toBe(201);
    expect(added.body.items).toMatchObject(body.map((item) => ({ ...item, status: "pending" })));
    expect(new Set(ids).size).toBe(3);
    const changes = [
      { itemId: ids[1], status: "failed", error: "torn" },
      { itemId: ids[0], status: "completed", output: { n: 1 }, childRunId: "child-1" },
    ];
    const changed = await run("PATCH", path, { body: changes, headers });
    expect(changed).toMatchObject({
      status: 200,
      body: {
        items: [
          { itemId: ids[0], status: "completed", output: { n: 1 }, childRunId: "child-1", ref: { page: 1 } },
          { itemId: ids[1], status: "failed", error: { message: "torn" } },
        ],
      },
    });
    const listed = async (query: string) =>
      (await run("GET", `${path}${query}`)).body.items.map(({ itemId }: { itemId: string }) => itemId);
    expect(await listed("")).toEqual(ids);
    expect(await listed("?status=pending")).toEqual([ids[2]]);
    expect(await listed("?status=failed,completed")).toEqual([ids[0], ids[1]]);
    expect(await run("GET", `${path}?status=lost`)).toMatchObject(problem(422, "InvalidInput"));
    const page = (await run("GET", `${path}?limit=2`)).body;
    expect(page.items).toHaveLength(2);
    expect((await run("GET", `${path}?limit=2&cursor=${page.cursor}`)).body).toEqual({
      items: [expect.objectContaining({ itemId: ids[2] })],
    });
  });

  test("a batch is refused whole", async () => {
    const { run, path, headers, ids } = await withItems();
    const { revision } = (await run("GET", "")).body;
    expect(
      await run("PATCH", path, {
        body: [
          { itemId: ids[0], status: "completed" },
          { itemId: "none", status: "completed" },
        ],
        headers,
      }),
    ).toMatchObject(problem(404, "OperationNotFound", { itemId: "none" }));
    for (const body of [
      [
        { itemId: ids[0], status: "completed" },
        { itemId: ids[1], status: "cancelled" },
      ],
      [],
      {},
      [{}],
    ])
      expect(await run("PATCH", path, { body, headers })).toMatchObject(problem(422, "InvalidInput"));
    for (const body of [[], {}, [{ type: "t" }], [{ type: "t", id: "1" }, { id: "2" }]])
      expect(await run("POST", path, { body, headers })).toMatchObject(problem(422, "InvalidInput"));
    const big = Array.from({ length: 40 }, (_, index) => ({
      type: "t",
      id: `${index}`,
      context: "x".repeat(9_000),
    }));
    expect(await run("POST", path, { body: big, headers })).toMatchObject(problem(413, "PayloadTooLarge"));
    expect((await run("GET", "")).body.revision).toBe(revision);
    expect(
      (await run("GET", path)).body.items.every((item: { status: string }) => item.status === "pending"),
    ).toBe(true);
  });

  test("with a key they are added once", async () => {
    const { run, path, headers } = await withItems();
    const asked = { body: [{ type: "late", id: "z" }], headers: { ...headers, ...key("k") } };
    const first = await run("POST", path, asked);
    expect(first.status).toBe(201);
    expect(await run("POST", path, asked)).toMatchObject({ status: 200, body: first.body });
    expect((await run("GET", path)).body.items).toHaveLength(4);
  });

  test("the journal shows them with their values", async () => {
    const { eventsOf } = await withItems();
    expect((await eventsOf()).find(({ type }) => type === "ItemsAdded")).toMatchObject({
      items: [{ id: "a", ref: { page: 1 }, context: "c" }, { id: "b" }, { type: "sum", ref: "x" }],
    });
  });
}
