/** Status changes that the outside is told of. */
import { describe, expect, test } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import type { RunStatus } from "../../shared/core/events.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { pause, redrive, resume } from "../../shared/engine/control.ts";
import { beginWait, finishRun } from "../../shared/engine/drivers/managed.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import { start } from "../../shared/engine/start.ts";
import type { StatusChange } from "../../shared/ports/publisher.ts";
import { testHost } from "../../shared/testing/index.ts";
import { type Life, mortalPorts } from "../../shared/testing/mortal.ts";

const order = workflow("order", async (run) => {
  await run.step("charge", () => "charged");
  await run.waitForSignal("shipped");
  await run.sleep("cool-off", "1h");
  return "done";
});
let isBroken = true;
const flaky = workflow("flaky", { maxRetries: 0 }, (run) =>
  run.step("try", () => {
    if (isBroken) throw new Error("no");
  }),
);

function aHost(tells: (status: string) => boolean = () => true) {
  const host = testHost({ workflows: [order, flaky] });
  host.ports.publisher.tellOf(tells);
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const engine = createEngine(host.ports, {
    workflows: [order, flaky],
    log,
    settings: { owner: "api", codeHash: "test" },
  });
  const told = () =>
    host.ports.publisher.published.map(({ previous, status }) => `${previous ?? "?"} → ${status}`);
  return { host, engine, told, published: host.ports.publisher.published };
}

describe("a run", () => {
  test("is announced whenever its status changes, in the order of its revisions", async () => {
    const { host, told, published } = aHost();
    const runId = await host.start(order, {}, { owner: "ada", tags: { shop: "one" } });
    await host.signal(runId, "shipped");
    await host.skip("2h");
    expect(told()).toEqual(["pending → running", "running → waiting", "waiting → sleeping", "? → completed"]);
    const journal = await host.journal(runId);
    expect(published.at(-1)).toEqual({
      id: expect.stringMatching(/^[\w-]{22}$/),
      runId,
      workflow: "order",
      version: 1,
      status: "completed",
      at: new Date(journal.at(-1)!.at).getTime(),
      revision: journal.at(-1)!.sequence,
      owner: "ada",
      tags: { shop: "one" },
    });
    expect(new Set(published.map(({ id }) => id)).size).toBe(published.length);
    const revisions = published.map(({ revision }) => revision);
    expect(revisions).toEqual(revisions.toSorted((left, right) => left - right));
  });

  test("that is paused and resumed is announced by whoever asks", async () => {
    const { host, engine, told } = aHost();
    const runId = await host.start(order, {});
    told();
    await pause(engine, runId);
    await resume(engine, runId);
    await host.skip(0);
    expect(told().slice(2, 4)).toEqual(["waiting → paused", "paused → waiting"]);
  });

  test("says by what it failed, and that it goes on", async () => {
    const { host, engine, told, published } = aHost();
    isBroken = true;
    const runId = await host.start(flaky, {});
    expect(published.at(-1)).toMatchObject({ status: "failed", error: "StepFailed" });
    isBroken = false;
    await redrive(engine, runId);
    await host.skip(0);
    expect(told().slice(-2)).toEqual(["failed → running", "? → completed"]);
  });
});

describe("a run that is driven from outside", () => {
  const managed = async () => {
    const world = aHost();
    const { engine } = world;
    await start(engine, { workflow: "import", runId: "m", driver: "managed" });
    return world;
  };

  test("is announced by whoever changes it, and its end once", async () => {
    const { engine, told, host } = await managed();
    await beginWait(engine, "m", { wait: { for: "review" } });
    await finishRun(engine, "m", {});
    await host.skip("1d");
    expect(told()).toEqual(["pending → waiting", "? → completed"]);
  });

  test("has its end published by the sweep, where that failed at first", async () => {
    const { engine, told, host } = await managed();
    const { publisher } = host.ports;
    const publish = publisher.publish.bind(publisher);
    publisher.publish = async () => {
      throw new Error("no bus");
    };
    await finishRun(engine, "m", {});
    publisher.publish = publish;
    await host.skip("1h");
    expect(told()).toEqual(["? → completed"]);
    expect((await host.ports.journal.header("m"))!.dueAt).toBeUndefined();
    await host.skip("1d");
    expect(told()).toHaveLength(1);
  });
});

describe("a process that dies before it has told what it stored", () => {
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  const steps = workflow("steps", async (run) => {
    await run.step("slow", ({ signal }) => forEver(signal));
  });
  const forEver = (signal: AbortSignal) =>
    new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("over"))));

  /** A run of which one process has taken the first message, and dies over telling of a status. */
  async function leftBy(name: "order" | "steps", last: RunStatus) {
    const ports = memoryPorts();
    const options = (owner: string) => ({
      workflows: [order, steps],
      log: silent,
      settings: { owner, codeHash: "c" },
    });
    await start(createEngine(ports, options("api")), { workflow: name, runId: "r" });
    const { body } = ports.queue.pending("work")[0]!;
    ports.publisher.tellOf(() => true);
    const life: Life = { isOver: false, onCall() {} };
    const dying = {
      tells: () => true,
      async publish([change]: readonly StatusChange[]) {
        if (change!.status === last) life.isOver = true;
      },
    };
    const mortal = mortalPorts({ ...ports, publisher: dying }, life);
    void advance(createEngine(mortal, options("dead")), body);
    await ports.clock.advance(0);
    const next = () => advance(createEngine(ports, options("next")), body);
    return { ports, next, published: ports.publisher.published };
  }

  test("is made good by its message's next delivery, once, and so is what lists show", async () => {
    const { ports, next, published } = await leftBy("order", "waiting");
    expect(await ports.journal.header("r")).toMatchObject({ status: "pending" });
    await next();
    const { sequence } = (await ports.journal.read("r", { consistent: true }))!.entries.at(-1)!;
    expect(published).toMatchObject([
      { runId: "r", previous: "running", status: "waiting", revision: sequence },
    ]);
    expect(await ports.journal.header("r")).toMatchObject({ status: "waiting" });
    await next();
    expect(published).toHaveLength(1);
  });

  test("is made good by the next leg, where it died within its own", async () => {
    const { ports, next, published } = await leftBy("steps", "running");
    await ports.clock.advance(10 * 60_000);
    void next();
    await ports.clock.advance(0);
    expect(published.filter(({ status }) => status === "running")).toMatchObject([
      { previous: "pending", revision: 1 },
    ]);
  });
});

describe("what it costs", () => {
  test("is no write: a run takes the same units, told of or not", async () => {
    const costs = [];
    for (const isTold of [true, false]) {
      const { host } = aHost(() => isTold);
      const runId = await host.start(order, {});
      await host.signal(runId, "shipped");
      await host.skip("2h");
      costs.push({ ...host.ports.meter.total });
      expect(host.ports.publisher.published.length > 0).toBe(isTold);
    }
    expect(costs[0]).toEqual(costs[1]);
  });

  test("is only what was asked for", async () => {
    const { host, told } = aHost((status) => status === "completed");
    const runId = await host.start(order, {});
    await host.signal(runId, "shipped");
    await host.skip("2h");
    expect(told()).toEqual(["? → completed"]);
  });
});

describe("a publisher that fails", () => {
  test("holds no run up, and an end is published once it works again", async () => {
    const { host, told } = aHost();
    const { publisher } = host.ports;
    const publish = publisher.publish.bind(publisher);
    publisher.publish = async () => {
      throw new Error("no bus");
    };
    const runId = await host.start(order, {});
    await host.signal(runId, "shipped");
    await host.skip("2h");
    expect((await host.get(runId)).status).toBe("completed");
    publisher.publish = publish;
    await host.skip("1h");
    expect(told()).toEqual(["? → completed"]);
    await host.skip("1d");
    expect(told()).toHaveLength(1);
  });
});
