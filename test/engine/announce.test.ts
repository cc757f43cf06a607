/** Status changes that the outside is told of. */
import { describe, expect, test } from "vitest";
import { workflow } from "../../shared/core/workflow.ts";
import { pause, redrive, resume } from "../../shared/engine/control.ts";
import { beginWait, finishRun } from "../../shared/engine/drivers/managed.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import { start } from "../../shared/engine/start.ts";
import { testHost } from "../../shared/testing/index.ts";

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
