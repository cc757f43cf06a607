/**
 * Managed and mirrored runs over HTTP: what their owner and their mirror may say, with each refusal, on any journal
 * store. Time is virtual.
 */
import { describe, expect, test } from "vitest";
import { type Begun, begun, freshId, key, match, type Open } from "./driven.ts";
import { problem } from "./world.ts";

/** `open` gives a world of its own, which has the workflow `echo`. Every run has an id of its own. */
export function drivenSuite(name: string, open: Open): void {
  describe(name, () => {
    managed(open);
    cancelling(open);
    gates(open);
    mirrored(open);
  });
}

function managed(open: Open): void {
  test("a managed run begins pending, under any workflow name, with all that it was given", async () => {
    const given = {
      owner: "ann",
      tags: { team: "red" },
      goal: "sell it",
      origin: "chat",
      trigger: "cron",
      dryRun: true,
      externalParentId: "their-1",
      definition: { steps: ["a", "b"] },
      state: { price: 1 },
      step: "a",
      version: 7,
      input: [1],
    };
    const { run, runId } = await begun(open, "managed", { ...given, parentRunId: "p1" });
    const { status, body, headers } = await run("GET", "");
    expect({ status, etag: headers.etag }).toEqual({ status: 200, etag: '"0"' });
    expect(body).toMatchObject({
      ...given,
      runId,
      parentRunId: "p1",
      workflow: "any name/at all",
      driver: "managed",
      status: "pending",
      residency: "suspended",
      generation: 0,
    });
    expect(body).not.toHaveProperty("startedAt");
  });

  test("it waits with a wait object, goes on with a patch and a step, and finishes with both in one change", async () => {
    const { run, runs, eventsOf } = await begun(open, "managed", { state: { a: 1, b: 1 } });
    const waiting = await run("POST", "/wait", { body: { wait: { for: "paper" }, step: "print" } });
    expect(waiting).toMatchObject({
      status: 200,
      headers: { etag: '"1"' },
      body: { status: "waiting", wait: { for: "paper" }, step: "print", revision: 1 },
    });
    await runs.skip("1s");
    const running = await run("POST", "/continue", {
      body: { patch: { b: null, c: { d: 1 } }, step: "sign" },
    });
    expect(running).toMatchObject({
      status: 200,
      headers: { etag: '"2"' },
      body: { status: "running", step: "sign", state: { a: 1, b: null, c: { d: 1 } } },
    });
    expect(running.body).not.toHaveProperty("wait");
    const again = await run("POST", "/continue", { body: { patch: { c: { e: 2 } } } });
    expect(again.body).toMatchObject({ state: { c: { e: 2 } }, step: "sign" });
    const finished = await run("POST", "/finish", { body: { patch: { a: 2 }, output: { sold: true } } });
    expect(finished).toMatchObject({
      status: 200,
      headers: { etag: '"4"' },
      body: {
        status: "completed",
        output: { sold: true },
        state: { a: 2 },
        finishedAt: "2026-01-01T00:00:01.000Z",
      },
    });
    expect((await eventsOf()).map(({ type, sequence }) => [sequence, type])).toEqual([
      [0, "RunCreated"],
      [1, "WaitBegun"],
      [2, "Continued"],
      [3, "Continued"],
      [4, "RunCompleted"],
    ]);
  });

  test("that has failed says why in its state", async () => {
    const { run } = await begun(open, "managed");
    const failed = await run("POST", "/fail", {
      body: { error: { message: "no paper", code: "NoPaper", data: { tray: 2 } }, patch: { left: 3 } },
    });
    expect(failed).toMatchObject({
      status: 200,
      body: {
        status: "failed",
        error: { code: "NoPaper", name: "NoPaper", message: "no paper", data: { tray: 2 } },
        state: { left: 3, failure: { reason: "no paper", at: "2026-01-01T00:00:00.000Z" } },
      },
    });
    const other = await begun(open, "managed");
    expect((await other.run("POST", "/fail", { body: { error: "plainly" } })).body).toMatchObject({
      error: { code: "StepFailed", name: "Error", message: "plainly" },
      state: { failure: { reason: "plainly" } },
    });
  });

  test("bodies may be left out where nothing in them is needed", async () => {
    const { run } = await begun(open, "managed");
    expect((await run("POST", "/continue")).body).toMatchObject({ status: "running", state: {} });
    const finished = await run("POST", "/finish");
    expect(finished.body.status).toBe("completed");
    expect(finished.body).not.toHaveProperty("output");
  });

  test.each([
    ["wait", { wait: { for: 1 } }],
    ["continue", { patch: { a: 1 } }],
    ["finish", { output: 1 }],
    ["fail", { error: "x" }],
  ])(
    "%s: once with a key, and refused by a stale revision, a wrong body, and runs that are not for it",
    async (verb, body) => {
      const { run, eventsOf, ask } = await begun(open, "managed");
      expect(await run("POST", `/${verb}`, { body, headers: match(7) })).toMatchObject(
        problem(412, "StaleRevision", { expected: 7, found: 0 }),
      );
      expect(await run("POST", `/${verb}`, { body: { ...body, more: 1 } })).toMatchObject(
        problem(422, "InvalidInput"),
      );
      expect(await run("POST", `/${verb}`, { body, headers: { ...match(0), ...key("k") } })).toMatchObject({
        status: 200,
        headers: { etag: '"1"' },
      });
      expect(await run("POST", `/${verb}`, { body, headers: { ...match(0), ...key("k") } })).toMatchObject({
        status: 200,
        body: { revision: 1 },
      });
      expect((await eventsOf()).length).toBe(2);
      await run("POST", "/cancel", { body: { final: true } });
      expect(await run("POST", `/${verb}`, { body })).toMatchObject(problem(409, "RunFinished"));
      expect(await ask("POST", `/runs/none/${verb}`, { body })).toMatchObject(problem(404, "RunNotFound"));
      const code = open();
      const codeId = freshId();
      await code.ask("POST", "/runs", { body: { workflow: "echo", runId: codeId } });
      expect(await code.ask("POST", `/runs/${codeId}/${verb}`, { body })).toMatchObject(
        problem(409, "WrongDriver", { driver: "code", expected: ["managed", "mirrored"] }),
      );
    },
  );

  test("another body with the same key is a conflict", async () => {
    const { run } = await begun(open, "managed");
    await run("POST", "/continue", { body: { patch: { a: 1 } }, headers: key("k") });
    expect(await run("POST", "/continue", { body: { patch: { a: 2 } }, headers: key("k") })).toMatchObject(
      problem(409, "IdempotencyConflict"),
    );
    // Another path is another request.
    expect((await run("POST", "/wait", { body: { wait: {} }, headers: key("k") })).status).toBe(200);
  });

  test.each([
    ["wait", {}],
    ["wait", { wait: null }],
    ["wait", { wait: {}, step: "" }],
    ["continue", { patch: [] }],
    ["finish", { patch: 1 }],
    ["fail", {}],
    ["fail", { error: {} }],
    ["fail", { error: 1 }],
  ])("%s with %j is invalid", async (verb, body) => {
    const { run } = await begun(open, "managed");
    expect(await run("POST", `/${verb}`, { body })).toMatchObject(problem(422, "InvalidInput"));
  });

  test("an error that says nothing is refused with what it should say", async () => {
    const { run } = await begun(open, "managed");
    const issues = [{ path: "error", message: expect.stringContaining("an object with a message") }];
    expect(await run("POST", "/fail", { body: { error: { foo: 1 } } })).toMatchObject(
      problem(422, "InvalidInput", { issues }),
    );
  });

  test("a pause is shown until it is resumed, and keeps no owner from its say", async () => {
    const { run } = await begun(open, "managed");
    expect((await run("POST", "/pause", { body: { reason: "lunch" } })).body.status).toBe("paused");
    expect((await run("POST", "/continue", { body: { patch: { a: 1 } } })).body).toMatchObject({
      status: "paused",
      state: { a: 1 },
    });
    expect((await run("POST", "/resume")).body.status).toBe("running");
    await run("POST", "/pause");
    expect((await run("POST", "/finish")).body.status).toBe("completed");
  });

  test("signals are kept for its owner to read", async () => {
    const { run } = await begun(open, "managed");
    expect(await run("POST", "/signals/paid?mode=strict", { body: 1 })).toMatchObject(
      problem(409, "NotWaiting"),
    );
    expect((await run("POST", "/signals/paid", { body: { cents: 1 } })).status).toBe(202);
  });

  test("each answer has the state of its revision, whatever was shown before, with patches large and small", async () => {
    const { run } = await begun(open, "managed", { state: { n: 0 } });
    let expected: Record<string, unknown> = { n: 0 };
    for (const [n, bytes] of [1, 1, 40_000, 1, 1, 50_000, 1].entries()) {
      const patch = { n: n + 1, [`text-${n % 3}`]: "x".repeat(bytes) };
      expected = { ...expected, ...patch };
      const told =
        n % 2 === 0 ? run("PATCH", "/state", { body: patch }) : run("POST", "/continue", { body: { patch } });
      expect((await told).body).toMatchObject({ revision: n + 1, state: expected });
      expect((await run("GET", "")).body.state).toEqual(expected);
    }
    const patches = Array.from({ length: 20 }, (_, index) => ({ [`own-${index}`]: index }));
    const answers = await Promise.all(patches.map((body) => run("PATCH", "/state", { body })));
    for (const [index, { body }] of answers.entries()) {
      expect(body.state).toMatchObject({ ...expected, ...patches[index] });
      const own = Object.keys(body.state).filter((field) => field.startsWith("own-"));
      expect(own).toHaveLength(body.revision - 7);
    }
  });

  test("its state is patched as that of any run", async () => {
    const { run } = await begun(open, "managed", { state: { a: 1 } });
    expect(await run("PATCH", "/state?step=b", { body: { b: 2 } })).toMatchObject({
      status: 200,
      body: { status: "pending", step: "b", state: { a: 1, b: 2 } },
    });
  });

  test("there is nothing in it to redrive", async () => {
    const { run } = await begun(open, "managed");
    await run("POST", "/fail", { body: { error: "x" } });
    expect(await run("POST", "/redrive")).toMatchObject(problem(409, "NotRedrivable", { driver: "managed" }));
  });

  test("lists show it by owner and by status, as each changes", async () => {
    const owner = `owner-${freshId()}`;
    const { ask, run, runId } = await begun(open, "managed", { owner });
    const listed = async (query: string) =>
      (await ask("GET", `/runs?owner=${owner}&${query}`)).body.items.map(
        (item: { runId: string }) => item.runId,
      );
    expect(await listed("status=pending")).toEqual([runId]);
    await run("POST", "/wait", { body: { wait: {} } });
    expect(await listed("status=waiting")).toEqual([runId]);
    expect(await listed("status=active")).toEqual([runId]);
    await run("POST", "/continue");
    expect(await listed("status=running")).toEqual([runId]);
    await run("POST", "/pause");
    expect(await listed("status=paused")).toEqual([runId]);
    await run("POST", "/finish");
    expect(await listed("status=completed")).toEqual([runId]);
    expect(await listed("status=active")).toEqual([]);
  });

  test("a start with its id is idempotent; the same id for another driver is a conflict", async () => {
    const { ask, runId } = await begun(open, "managed");
    const body = { workflow: "any name/at all", driver: "managed", runId };
    expect((await ask("POST", "/runs", { body })).status).toBe(200);
    expect(await ask("POST", "/runs", { body: { ...body, driver: "mirrored" } })).toMatchObject(
      problem(409, "IdempotencyConflict"),
    );
    expect(await ask("POST", "/runs", { body: { ...body, driver: "none" } })).toMatchObject(
      problem(422, "InvalidInput"),
    );
  });

  test("finished, it is removed as any run is", async () => {
    const { run } = await begun(open, "managed");
    expect(await run("DELETE", "")).toMatchObject(problem(409, "RunNotFinished"));
    await run("POST", "/finish", { body: { output: 1 } });
    expect((await run("DELETE", "")).status).toBe(204);
    expect(await run("GET", "")).toMatchObject(problem(404, "RunNotFound"));
  });

  test("large values are kept apart, and come back", async () => {
    const { run } = await begun(open, "managed");
    const text = "x".repeat(40_000);
    await run("POST", "/wait", { body: { wait: { text } } });
    expect((await run("GET", "")).body.wait).toEqual({ text });
    const finished = await run("POST", "/finish", { body: { patch: { text }, output: text } });
    expect(finished.body).toMatchObject({ output: text, state: { text } });
  });
}

function cancelling(open: Open): void {
  test("a cancel is recorded, and then nothing but a final one moves the run", async () => {
    const { run, eventsOf } = await begun(open, "managed");
    await run("POST", "/continue");
    expect((await run("GET", "/cancelled")).body).toEqual({ cancelled: false });
    const asked = await run("POST", "/cancel", { body: { reason: "enough", by: "ann" } });
    expect(asked).toMatchObject({
      status: 202,
      body: { status: "running", cancel: { reason: "enough", by: "ann", at: expect.any(String) } },
    });
    expect(await run("POST", "/cancel", { body: { reason: "again" } })).toMatchObject({
      status: 202,
      body: { revision: asked.body.revision, cancel: { reason: "enough" } },
    });
    expect((await run("GET", "/cancelled")).body).toEqual({ cancelled: true, reason: "enough" });
    for (const [verb, body] of [
      ["wait", { wait: {} }],
      ["continue", { patch: { a: 1 } }],
      ["finish", {}],
      ["fail", { error: "x" }],
    ] as const)
      expect(await run("POST", `/${verb}`, { body })).toMatchObject(
        problem(409, "CancelRequested", { reason: "enough" }),
      );
    expect(await run("PATCH", "/state", { body: { a: 1 } })).toMatchObject(problem(409, "CancelRequested"));
    const ended = await run("POST", "/cancel", { body: { final: true, by: "bob" } });
    expect(ended).toMatchObject({
      status: 200,
      body: { status: "cancelled", cancel: { reason: "enough", by: "ann" } },
    });
    expect(await run("POST", "/cancel", { body: { final: true } })).toMatchObject({
      status: 200,
      body: { revision: ended.body.revision },
    });
    expect(await run("POST", "/finish")).toMatchObject(
      problem(409, "RunFinished", { runStatus: "cancelled" }),
    );
    expect((await eventsOf()).map(({ type }) => type)).toEqual([
      "RunCreated",
      "Continued",
      "CancelRequested",
      "RunCancelled",
    ]);
  });

  test("a final cancel needs no request before it, happens once with a key, and tells its reason", async () => {
    const { run } = await begun(open, "managed");
    const asked = { body: { final: true, reason: "over" }, headers: key("k") };
    expect(await run("POST", "/cancel", { body: { final: true }, headers: match(3) })).toMatchObject(
      problem(412, "StaleRevision"),
    );
    for (let time = 0; time < 2; time++)
      expect(await run("POST", "/cancel", asked)).toMatchObject({
        status: 200,
        body: { status: "cancelled", revision: 1, cancel: { reason: "over" } },
      });
    expect((await run("GET", "/cancelled")).body).toEqual({ cancelled: true, reason: "over" });
  });

  test("a final cancel is for outside drivers, and for unfinished runs", async () => {
    const world = open();
    const codeId = freshId();
    await world.ask("POST", "/runs", { body: { workflow: "echo", runId: codeId } });
    expect(await world.ask("POST", `/runs/${codeId}/cancel`, { body: { final: true } })).toMatchObject(
      problem(409, "WrongDriver", { driver: "code" }),
    );
    const { run } = await begun(open, "managed");
    await run("POST", "/finish");
    expect(await run("POST", "/cancel", { body: { final: true } })).toMatchObject(
      problem(409, "RunFinished"),
    );
  });
}

function gates(open: Open): void {
  test.each(["managed", "mirrored"])("a %s run asks at gates, decided as any other's", async (driver) => {
    const { run } = await begun(open, driver);
    const opened = await run("POST", "/gates", {
      body: { name: "ship/it", prompt: "Ship?", timeout: "2 days" },
    });
    expect(opened).toMatchObject({
      status: 201,
      body: {
        kind: "gate",
        name: "ship/it",
        status: "waiting",
        prompt: "Ship?",
        wakeAt: "2026-01-03T00:00:00.000Z",
      },
    });
    const gate = "/gates/ship%2Fit";
    expect((await run("GET", gate)).body).toEqual({ state: "pending" });
    expect((await run("GET", "")).body.waitingFor).toMatchObject([{ kind: "gate", name: "ship/it" }]);
    const decided = { feedback: "fine", selections: ["a"], by: "ann" };
    expect(await run("POST", `${gate}/approve`, { body: decided })).toMatchObject({
      status: 200,
      body: { status: "completed", decision: { approved: true, ...decided } },
    });
    expect((await run("GET", gate)).body).toMatchObject({ state: "approved", ...decided });
    expect((await run("POST", `${gate}/approve`)).body.decision).toMatchObject(decided);
    expect(await run("POST", `${gate}/reject`)).toMatchObject(problem(409, "AlreadyDecided"));
    expect((await run("GET", "")).body.waitingFor).toEqual([]);
    await run("POST", "/finish");
    expect(await run("POST", `${gate}/reject`)).toMatchObject(problem(409, "AlreadyDecided"));
  });

  test("a gate's name is its own, though another gate has it as its id", async () => {
    const { run } = await begun(open, "managed");
    const second = (await run("POST", "/gates", { body: { name: "g2" } })).body.id;
    const first = (await run("POST", "/gates", { body: { name: "g1" } })).body.id;
    expect([second, first]).toEqual(["g1", "g2"]);
    expect((await run("POST", "/gates/g1/approve")).body).toMatchObject({ id: first, name: "g1" });
    expect((await run("GET", "/gates/g1")).body).toMatchObject({ state: "approved" });
    expect((await run("GET", "/gates/g2")).body).toEqual({ state: "pending" });
    expect((await run("POST", "/gates/g1/approve")).body).toMatchObject({ id: first });
    expect((await run("POST", "/gates/g2/reject")).body).toMatchObject({ id: second, name: "g2" });
  });

  test("a gate is opened once with a key, and refused where it cannot be", async () => {
    const { run, ask } = await begun(open, "managed");
    const asked = { body: { name: "ship" }, headers: key("k") };
    const first = await run("POST", "/gates", asked);
    expect(first.status).toBe(201);
    expect(await run("POST", "/gates", asked)).toMatchObject({ status: 200, body: { id: first.body.id } });
    expect(await run("POST", "/gates", { ...asked, body: { name: "sail" } })).toMatchObject(
      problem(409, "IdempotencyConflict"),
    );
    expect(await run("POST", "/gates", { body: { name: "ship" }, headers: match(0) })).toMatchObject(
      problem(412, "StaleRevision"),
    );
    for (const body of [{}, { name: "" }, { name: "ship", wait: 1 }])
      expect(await run("POST", "/gates", { body })).toMatchObject(problem(422, "InvalidInput"));
    expect(await run("POST", "/gates", { body: { name: "ship", timeout: "soon" } })).toMatchObject(
      problem(422, "InvalidDuration"),
    );
    expect(await run("GET", "/gates/none")).toMatchObject(problem(404, "OperationNotFound"));
    expect(await ask("POST", "/runs/none/gates", { body: { name: "ship" } })).toMatchObject(
      problem(404, "RunNotFound"),
    );
    await run("POST", "/finish");
    expect(await run("POST", "/gates", { body: { name: "ship" } })).toMatchObject(
      problem(409, "RunFinished"),
    );
    expect((await run("GET", "/gates/ship")).body).toMatchObject({ state: "cancelled" });
    const codeId = freshId();
    await ask("POST", "/runs", { body: { workflow: "echo", runId: codeId } });
    expect(await ask("POST", `/runs/${codeId}/gates`, { body: { name: "ship" } })).toMatchObject(
      problem(409, "WrongDriver"),
    );
  });
}

function mirrored(open: Open): void {
  const operationsOf = async ({ run }: Begun) => (await run("GET", "/operations")).body.items;

  test("a mirrored run begins running, in lists too, and takes its owner's calls", async () => {
    const owner = `owner-${freshId()}`;
    const { ask, run, runId } = await begun(open, "mirrored", { owner });
    expect((await run("GET", "")).body).toMatchObject({
      status: "running",
      driver: "mirrored",
      startedAt: "2026-01-01T00:00:00.000Z",
    });
    expect((await ask("GET", `/runs?owner=${owner}&status=running`)).body.items).toMatchObject([
      { runId, startedAt: "2026-01-01T00:00:00.000Z" },
    ]);
    expect((await run("POST", "/wait", { body: { wait: { a: 1 } } })).body.status).toBe("waiting");
    expect((await run("POST", "/continue")).body.status).toBe("running");
    expect((await run("POST", "/cancel")).status).toBe(202);
    expect((await run("POST", "/cancel", { body: { final: true } })).body.status).toBe("cancelled");
  });

  test("observations are upserts by the other system's id; what is not sent is kept", async () => {
    const world = await begun(open, "mirrored");
    const put = (body: object) => world.run("PUT", "/observations/their%2F1", { body });
    expect(
      await put({ name: "charge", status: "running", sessionKey: "s-1", at: "2025-12-31T23:00:00Z" }),
    ).toMatchObject({
      status: 200,
      body: { id: "their/1", kind: "observation", name: "charge", status: "running", sessionKey: "s-1" },
    });
    expect(
      (await put({ name: "charge", status: "completed", output: { ok: 1 }, at: "2025-12-31T23:30:00Z" }))
        .body,
    ).toMatchObject({
      status: "completed",
      sessionKey: "s-1",
      output: { ok: 1 },
      startedAt: "2025-12-31T23:00:00.000Z",
      finishedAt: "2025-12-31T23:30:00.000Z",
      durationMs: 1_800_000,
    });
    expect(await operationsOf(world)).toHaveLength(1);
  });

  test("one that is older or unfinishes is journaled, and changes nothing", async () => {
    const world = await begun(open, "mirrored");
    const put = (status: string, at: string, more: object = {}) =>
      world.run("PUT", "/observations/o", {
        body: { name: "n", status, at: `2025-12-31T${at}:00Z`, ...more },
      });
    const done = await put("completed", "12:00", { output: 1 });
    for (const late of [
      await put("running", "11:00", { sessionKey: "old" }),
      await put("running", "13:00"),
      await put("failed", "11:30", { error: "old" }),
    ])
      expect(late).toEqual({ ...done, headers: late.headers });
    const reports = (await world.eventsOf()).filter(({ type }) => type === "ObservationReported");
    expect(reports.map(({ status, observedAt }) => [status, observedAt])).toEqual([
      ["completed", "2025-12-31T12:00:00.000Z"],
      ["running", "2025-12-31T11:00:00.000Z"],
      ["running", "2025-12-31T13:00:00.000Z"],
      ["failed", "2025-12-31T11:30:00.000Z"],
    ]);
  });

  test("the same reports in any order, any number of times, come to the same", async () => {
    const reports = [
      { name: "n", status: "running", sessionKey: "k", at: "2025-12-31T10:00:00Z" },
      { name: "n", status: "failed", error: "x", at: "2025-12-31T11:00:00Z" },
      { name: "n", status: "completed", output: 2, at: "2025-12-31T12:00:00Z" },
    ];
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
      [0, 0, 1, 2, 1, 0, 2],
    ]) {
      const world = await begun(open, "mirrored");
      for (const place of order) await world.run("PUT", "/observations/o", { body: reports[place] });
      const [step] = await operationsOf(world);
      expect(step).toMatchObject({ status: "completed", output: 2 });
      expect(step).not.toHaveProperty("error");
    }
  });

  test("one of a time that is known already is not recorded again", async () => {
    const world = await begun(open, "mirrored");
    const body = { name: "n", status: "running", output: { a: 1 }, at: "2025-12-31T10:00:00Z" };
    await world.run("PUT", "/observations/o", { body });
    await world.run("PUT", "/observations/o", { body });
    expect((await world.run("GET", "")).body.revision).toBe(1);
  });

  test("reports may come after the end of their run", async () => {
    const world = await begun(open, "mirrored");
    await world.run("PUT", "/observations/o", { body: { name: "n", status: "running" } });
    await world.run("POST", "/finish", { body: { output: "done" } });
    expect(
      (await world.run("PUT", "/observations/o", { body: { name: "n", status: "completed" } })).status,
    ).toBe(200);
    expect(
      (await world.run("PUT", "/observations/p", { body: { name: "m", status: "skipped" } })).status,
    ).toBe(200);
    expect((await operationsOf(world)).map(({ status }: { status: string }) => status)).toEqual([
      "completed",
      "skipped",
    ]);
    expect((await world.run("GET", "")).body).toMatchObject({ status: "completed", output: "done" });
  });

  test("refused: another driver's run, a stale revision, a gate's id, what is no observation", async () => {
    const { run, ask } = await begun(open, "mirrored");
    const body = { name: "n", status: "running" };
    const gate = (await run("POST", "/gates", { body: { name: "g" } })).body.id;
    expect(await run("PUT", `/observations/${gate}`, { body })).toMatchObject(problem(422, "InvalidInput"));
    expect(await run("PUT", "/observations/o", { body, headers: match(0) })).toMatchObject(
      problem(412, "StaleRevision"),
    );
    for (const wrong of [
      {},
      { name: "n" },
      { ...body, status: "done" },
      { ...body, at: "noon" },
      { ...body, more: 1 },
    ])
      expect(await run("PUT", "/observations/o", { body: wrong })).toMatchObject(
        problem(422, "InvalidInput"),
      );
    expect(await ask("PUT", "/runs/none/observations/o", { body })).toMatchObject(
      problem(404, "RunNotFound"),
    );
    const other = await begun(open, "managed");
    expect(await other.run("PUT", "/observations/o", { body })).toMatchObject(
      problem(409, "WrongDriver", { driver: "managed", expected: ["mirrored"] }),
    );
    // A gate that is opened later gives way to the name that the other system had first.
    await run("PUT", "/observations/g3", { body });
    expect((await run("POST", "/gates", { body: { name: "g" } })).status).toBe(201);
  });
}
