/** Pausing, resuming and redriving over HTTP; and whoever waits for a run that continues as another. */
import { beforeEach, describe, expect, test } from "vitest";
import { workflow } from "../../shared/core/workflow.ts";
import * as workflows from "./workflows.ts";
import { aWorld, problem, type World } from "./world.ts";

const all = [workflows.echo, workflows.nap, workflows.fragile, workflows.again, workflows.listen];

async function started(workflow: string, input?: unknown): Promise<World> {
  const world = aWorld(all);
  await world.ask("POST", "/runs", { body: { workflow, runId: "r", input } });
  await world.runs.skip("1s");
  return world;
}

beforeEach(() => {
  workflows.broken.now = true;
});

describe("pause and resume", () => {
  test("a paused run begins nothing until it is resumed", async () => {
    const { ask, runs } = await started("nap");
    const paused = await ask("POST", "/runs/r/pause", { body: { reason: "lunch", by: "me" } });
    expect(paused).toMatchObject({
      status: 200,
      headers: { etag: `"${paused.body.revision}"` },
      body: { status: "paused", pause: { reason: "lunch", by: "me", at: "2026-01-01T00:00:01.000Z" } },
    });
    expect(await ask("POST", "/runs/r/pause", { body: { reason: "again" } })).toMatchObject({
      status: 200,
      body: { revision: paused.body.revision, pause: { reason: "lunch" } },
    });
    await runs.skip("9h");
    expect((await ask("GET", "/runs/r")).body.status).toBe("paused");
    expect((await ask("GET", "/runs?status=paused")).body.items).toMatchObject([{ runId: "r" }]);
    const resumed = await ask("POST", "/runs/r/resume");
    expect(resumed).toMatchObject({ status: 200, headers: { etag: expect.any(String) } });
    expect(resumed.body).not.toHaveProperty("pause");
    await runs.skip("1s");
    expect((await ask("GET", "/runs/r")).body).toMatchObject({ status: "completed", output: "rested" });
    expect((await ask("GET", "/runs?status=paused")).body.items).toEqual([]);
  });

  test("a running run stops at its next operation, which is pending until then", async () => {
    const begun: string[] = [];
    const two = workflow("two", async (run) => {
      await run.step("one", () => ask("POST", "/runs/r/pause").then(({ status }) => status));
      await run.step("two", () => void begun.push("two"));
    });
    const { ask, runs } = aWorld([two]);
    await ask("POST", "/runs", { body: { workflow: "two", runId: "r" } });
    await runs.skip("1h");
    expect((await ask("GET", "/runs/r")).body).toMatchObject({ status: "paused", residency: "suspended" });
    const [one, held] = (await ask("GET", "/runs/r/operations")).body.items;
    expect(one).toMatchObject({ name: "one", status: "completed", attempts: 1, output: 200 });
    expect(held).toEqual({
      id: "2",
      name: "two",
      kind: "step",
      status: "pending",
      attempts: 0,
      retryCount: 0,
    });
    expect(begun).toEqual([]);
    await ask("POST", "/runs/r/resume");
    await runs.skip("1s");
    expect((await ask("GET", "/runs/r/operations")).body.items[1]).toMatchObject({
      status: "completed",
      attempts: 1,
      startedAt: expect.any(String),
    });
  });

  test("resuming what is not paused changes nothing", async () => {
    const { ask } = await started("nap");
    const { revision } = (await ask("GET", "/runs/r")).body;
    expect(await ask("POST", "/runs/r/resume")).toMatchObject({ status: 200, body: { revision } });
  });

  test("with a key: once, whatever came between; another body is a conflict", async () => {
    const { ask, runs } = await started("nap");
    const asked = { body: { by: "me" }, headers: { "idempotency-key": "k" } };
    expect((await ask("POST", "/runs/r/pause", asked)).body.status).toBe("paused");
    expect((await ask("POST", "/runs/r/pause", asked)).status).toBe(200);
    expect((await ask("POST", "/runs/r/resume", asked)).body.status).not.toBe("paused");
    const repeated = await ask("POST", "/runs/r/pause", asked);
    expect(repeated.status).toBe(200);
    expect(repeated.body).not.toHaveProperty("pause");
    expect(await ask("POST", "/runs/r/pause", { ...asked, body: { by: "you" } })).toMatchObject(
      problem(409, "IdempotencyConflict", { runId: "r" }),
    );
    await runs.skip("9h");
    expect(await ask("POST", "/runs/r/pause", asked)).toMatchObject({
      status: 200,
      body: { status: "completed" },
    });
  });

  test.each(["pause", "resume"])(
    "%s is refused by a finished, stale or unknown run, and a wrong body",
    async (verb) => {
      const { ask } = await started("nap");
      expect(await ask("POST", `/runs/r/${verb}`, { headers: { "if-match": '"0"' } })).toMatchObject(
        problem(412, "StaleRevision", { expected: 0 }),
      );
      expect(await ask("POST", `/runs/r/${verb}`, { body: { why: 1 } })).toMatchObject(
        problem(422, "InvalidInput"),
      );
      expect(await ask("POST", `/runs/none/${verb}`)).toMatchObject(problem(404, "RunNotFound"));
      const done = await started("echo");
      expect(await done.ask("POST", `/runs/r/${verb}`)).toMatchObject(
        problem(409, "RunFinished", { runStatus: "completed" }),
      );
    },
  );
});

test("lists show what a run does that was paused and resumed in the midst of a step", async () => {
  let world: World | undefined;
  const busy = workflow("busy", async (run) => {
    await run.waitForSignal("go");
    await run.step("work", async () => {
      await world!.ask("POST", "/runs/b/pause");
      await world!.ask("POST", "/runs/b/resume");
    });
    await run.waitForSignal("on");
  });
  world = aWorld([busy]);
  const { ask, runs } = world;
  await ask("POST", "/runs", { body: { workflow: "busy", runId: "b" } });
  await runs.skip("1s");
  await ask("POST", "/runs/b/signals/go");
  await runs.skip("1s");
  expect((await ask("GET", "/runs/b")).body).toMatchObject({ status: "waiting" });
  expect((await ask("GET", "/runs")).body.items).toMatchObject([{ status: "waiting" }]);
});

describe("redrive", () => {
  test("a failed run goes on where it failed; what could not be undone is shown", async () => {
    const { ask, runs } = await started("fragile");
    expect((await ask("GET", "/runs/r")).body).toMatchObject({
      status: "failed",
      uncompensated: [{ operation: "1", name: "pay", error: { message: "no refund" } }],
    });
    expect((await ask("GET", "/runs/r/operations")).body.items).toMatchObject([
      { kind: "step" },
      { kind: "step" },
      { kind: "compensation", status: "failed" },
    ]);
    workflows.broken.now = false;
    const redriven = await ask("POST", "/runs/r/redrive");
    expect(redriven).toMatchObject({ status: 200, headers: { etag: `"${redriven.body.revision}"` } });
    expect(redriven.body).not.toHaveProperty("finishedAt");
    expect(redriven.body).not.toHaveProperty("uncompensated");
    await runs.skip("1s");
    expect((await ask("GET", "/runs/r")).body).toMatchObject({ status: "completed", output: "paid" });
    expect((await ask("GET", "/runs?status=completed")).body.items).toMatchObject([{ runId: "r" }]);
  });

  test("from an operation, or refused where there is none of that name", async () => {
    const { ask, runs } = await started("fragile");
    expect(await ask("POST", "/runs/r/redrive", { body: { from: "sail" } })).toMatchObject(
      problem(404, "OperationNotFound", { from: "sail" }),
    );
    expect((await ask("POST", "/runs/r/redrive", { body: { from: "pay" } })).status).toBe(200);
    await runs.skip("1s");
    const { items } = (await ask("GET", "/runs/r/journal?limit=200")).body;
    const pays = items.filter(
      (event: { name?: string; type: string }) =>
        ["StepStarted"].includes(event.type) && event.name === "pay",
    );
    expect(pays).toHaveLength(2);
    expect(items).toContainEqual(expect.objectContaining({ type: "RunRedriven", from: "pay" }));
  });

  test("with a key: once, also where the run has failed again", async () => {
    const { ask, runs } = await started("fragile");
    const headers = { "idempotency-key": "k" };
    expect((await ask("POST", "/runs/r/redrive", { headers })).body.status).not.toBe("failed");
    await runs.skip("1s");
    expect(await ask("POST", "/runs/r/redrive", { headers })).toMatchObject({
      status: 200,
      body: { status: "failed" },
    });
    expect(await ask("POST", "/runs/r/redrive", { headers, body: { from: "pay" } })).toMatchObject(
      problem(409, "IdempotencyConflict"),
    );
  });

  test("a cancel with a key does not come again after a redrive", async () => {
    const { ask, runs } = await started("listen/for go");
    const asked = { body: { reason: "enough" }, headers: { "idempotency-key": "k" } };
    await ask("POST", "/runs/r/cancel", asked);
    await runs.skip("1s");
    await ask("POST", "/runs/r/redrive");
    await runs.skip("1s");
    expect((await ask("POST", "/runs/r/cancel", asked)).status).toBe(200);
    await runs.skip("1s");
    expect((await ask("GET", "/runs/r")).body.status).toBe("waiting");
    expect(await ask("POST", "/runs/r/cancel", { ...asked, body: {} })).toMatchObject(
      problem(409, "IdempotencyConflict"),
    );
  });

  test("is refused by a run that goes on or is completed, stale or unknown, and a wrong body", async () => {
    const { ask } = await started("nap");
    expect(await ask("POST", "/runs/r/redrive")).toMatchObject(
      problem(409, "NotRedrivable", { runStatus: "sleeping" }),
    );
    expect(await ask("POST", "/runs/none/redrive")).toMatchObject(problem(404, "RunNotFound"));
    for (const body of [{ from: "" }, { from: 1 }, { to: "x" }])
      expect(await ask("POST", "/runs/r/redrive", { body })).toMatchObject(problem(422, "InvalidInput"));
    const done = await started("echo");
    expect(await done.ask("POST", "/runs/r/redrive")).toMatchObject(
      problem(409, "NotRedrivable", { runStatus: "completed" }),
    );
    const failed = await started("fragile");
    expect(await failed.ask("POST", "/runs/r/redrive", { headers: { "if-match": '"0"' } })).toMatchObject(
      problem(412, "StaleRevision"),
    );
  });

  test("a stalled run is tried again", async () => {
    const { ask, runs } = await started("nap");
    const other = workflow("nap", (run) => run.waitForSignal("morning"));
    runs.deploy([other]);
    await runs.skip("9h");
    expect((await ask("GET", "/runs/r")).body).toMatchObject({
      status: expect.not.stringMatching("completed"),
      stalled: { code: "NonDeterminism", recorded: expect.any(String), found: expect.any(String) },
    });
    expect(await ask("POST", "/runs/r/redrive", { headers: { "if-match": '"0"' } })).toMatchObject(
      problem(412, "StaleRevision"),
    );
    expect((await ask("POST", "/runs/r/redrive")).status).toBe(200);
    await runs.skip("1s");
    expect((await ask("GET", "/runs/r")).body).toHaveProperty("stalled");
    runs.deploy(all);
    expect((await ask("POST", "/runs/r/redrive")).status).toBe(200);
    await runs.skip("1s");
    expect((await ask("GET", "/runs/r")).body).toMatchObject({ status: "completed", output: "rested" });
  });
});

describe("a stalled run without code that could go on", () => {
  const stalled = async () => {
    const world = await started("nap");
    world.runs.deploy([workflow("nap", (run) => run.waitForSignal("morning"))]);
    await world.runs.skip("9h");
    return world;
  };

  test("goes on with the new code from an operation that is named", async () => {
    const { ask, runs } = await stalled();
    const { name } = (await ask("GET", "/runs/r/operations")).body.items[0];
    const redriven = await ask("POST", "/runs/r/redrive", { body: { from: name } });
    expect([redriven.status, redriven.body.stalled]).toEqual([200, undefined]);
    await runs.skip("1s");
    expect((await ask("GET", "/runs/r")).body).toMatchObject({ waitingFor: [{ name: "morning" }] });
    expect((await ask("GET", "/runs?stalled=true")).body.items).toEqual([]);
  });

  test("is ended by a final cancel, once, and can be removed then", async () => {
    const { ask, runs } = await stalled();
    const asked = { body: { final: true, by: "ops" }, headers: { "idempotency-key": "k" } };
    for (let time = 0; time < 2; time++)
      expect(await ask("POST", "/runs/r/cancel", asked)).toMatchObject({
        status: 200,
        body: { status: "cancelled", cancel: { by: "ops" } },
      });
    await runs.skip("1m");
    const { items } = (await ask("GET", "/runs?status=cancelled")).body;
    expect(items).toMatchObject([{ runId: "r", finishedAt: expect.any(String) }]);
    expect((await ask("GET", "/runs?stalled=true")).body.items).toEqual([]);
    expect((await ask("DELETE", "/runs/r")).status).toBe(204);
  });
});

describe("a dry run", () => {
  test("takes its stand-ins, which are skipped steps", async () => {
    workflows.broken.now = false;
    const { ask, runs } = aWorld(all);
    const body = { workflow: "fragile", runId: "d", dryRun: true };
    expect(await ask("POST", "/runs", { body })).toMatchObject({ status: 201, body: { dryRun: true } });
    await runs.skip("1s");
    expect((await ask("GET", "/runs/d")).body).toMatchObject({ dryRun: true, output: "not paid" });
    expect((await ask("GET", "/runs/d/operations")).body.items).toMatchObject([
      { name: "pay", status: "skipped", output: "not paid" },
      { name: "ship", status: "completed" },
    ]);
  });
});

describe("Prefer: wait follows a run that continues as another", () => {
  const headers = { prefer: "wait=20" };

  test("to the last one of the chain", async () => {
    const { ask, runs } = await started("again", { left: 1 });
    const waited = ask("GET", "/runs/r", { headers });
    await runs.skip("1s");
    await ask("POST", "/runs/r/signals/next");
    await runs.skip("1s");
    const { continuedTo } = (await ask("GET", "/runs/r")).body;
    expect((await ask("GET", "/runs/r")).body).toMatchObject({ runId: "r", status: "completed" });
    await ask("POST", "/runs/r/signals/next");
    await runs.skip("2s");
    expect((await waited).body).toMatchObject({ runId: continuedTo, status: "completed", output: "over" });
    expect((await ask("GET", "/runs/r", { headers })).body).toMatchObject({ output: "over" });
  });

  test("as far as it has come when the time is over", async () => {
    const { ask, runs } = await started("again", { left: 1 });
    await ask("POST", "/runs/r/signals/next");
    await runs.skip("1s");
    const waited = ask("GET", "/runs/r", { headers });
    await runs.skip("21s");
    expect((await waited).body).toMatchObject({ status: "waiting", continuedFrom: "r", firstRunId: "r" });
  });

  test("and answers the one before where the next was removed", async () => {
    const { ask, runs } = await started("again", { left: 1 });
    await ask("POST", "/runs/r/signals/next");
    await runs.skip("1s");
    const { continuedTo } = (await ask("GET", "/runs/r")).body;
    await ask("POST", "/runs/r/signals/next");
    await runs.skip("1s");
    expect((await ask("DELETE", `/runs/${continuedTo}`)).status).toBe(204);
    expect((await ask("GET", "/runs/r", { headers })).body).toMatchObject({ runId: "r", continuedTo });
  });
});

test("a strict signal reaches the run that its own continues as, also when that happens meanwhile", async () => {
  const chain = workflow("chain", async (run, isLast: boolean) => {
    const next = await run.race("either", {
      go: (run) => run.waitForSignal("go"),
      next: (run) => run.waitForSignal("next"),
    });
    return isLast ? next : run.continueAsNew(true);
  });
  let isFirst = true;
  let goesOn: Promise<void> | undefined;
  const { ask, runs } = aWorld([chain], ({ journal }) => ({
    journal: new Proxy(journal, {
      get(target, name) {
        if (name !== "append") return Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name);
        return async (...args: Parameters<typeof journal.append>) => {
          if (isFirst) {
            isFirst = false;
            await runs.signal("r", "next", 1);
            // It goes as far as it can while the wake for what is to be appended waits for that.
            goesOn = runs.skip("1s");
            while ((await runs.get("r")).status !== "completed") await new Promise(setImmediate);
          }
          return target.append(...args);
        };
      },
    }),
  }));
  await ask("POST", "/runs", { body: { workflow: "chain", runId: "r", input: false } });
  await runs.skip("1s");
  expect((await ask("POST", "/runs/r/signals/go?mode=strict", { body: "here" })).status).toBe(202);
  await goesOn;
  await runs.skip("1s");
  const { continuedTo } = (await ask("GET", "/runs/r")).body;
  expect((await ask("GET", `/runs/${continuedTo}`)).body).toMatchObject({
    status: "completed",
    output: "here",
  });
});
