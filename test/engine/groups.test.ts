/**
 * Worker groups: a run belongs to the group of its workflow, and whoever wakes it sends the wake to that group's queue.
 * Here one process plays each function, and takes only the wakes that are for its group.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { type MemoryPorts, memoryPorts } from "../../shared/adapters/memory/index.ts";
import type { Log } from "../../shared/core/context.ts";
import { type AnyWorkflow, workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { requestCancel, sendSignal } from "../../shared/engine/control.ts";
import { receiveSignals } from "../../shared/engine/intake.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import { start } from "../../shared/engine/start.ts";
import { sweep } from "../../shared/engine/sweep.ts";
import type { OutgoingMessage } from "../../shared/ports/queue.ts";

const log: Log = { debug() {}, info() {}, warn() {}, error() {} };

const charge = workflow("charge", async (run) => run.step("charge", () => "charged"));
const paid = workflow("paid", async (run) => run.waitForSignal("paid"));
const nap = workflow("nap", async (run) => run.sleep("nap", "30 days"));
const order = workflow("order", async (run) => run.child("charge", charge, null));
const audited = workflow("audited", async (run) => run.child("order", order, null));

type Sent = OutgoingMessage & { at?: number };
let ports: MemoryPorts;
let sent: Sent[];

beforeEach(() => {
  ports = memoryPorts();
  sent = [];
  const { queue, scheduler } = ports;
  const [send, schedule] = [queue.send.bind(queue), scheduler.schedule.bind(scheduler)];
  queue.send = async (name, messages) => {
    if (name === "work") sent.push(...messages);
    return send(name, messages);
  };
  scheduler.schedule = async (made) => {
    sent.push({ ...made });
    return schedule(made);
  };
});

const everything = [order, nap, audited];
const payments = [charge, paid];

function engineOf(
  group: string | undefined,
  workflows: AnyWorkflow[] = everything,
  groups: Record<string, AnyWorkflow[]> = { payments },
): Engine {
  const settings = { owner: group ?? "default", codeHash: "1", group };
  return createEngine(ports, { workflows, groups, log, settings });
}
/** Of a function without workflows. */
const bare = () =>
  createEngine(ports, { workflows: [], log, settings: { owner: "bare", codeHash: "", group: undefined } });

/** Each message of the work queue goes to the function of the group that it names, until there are no more. */
async function work(engines: Record<string, Engine>): Promise<string[]> {
  const taken: string[] = [];
  for (;;) {
    const [message] = await ports.queue.receive("work", { max: 1, waitMs: 0 });
    if (message === undefined) return taken;
    const group = (JSON.parse(message.body) as { group?: string }).group ?? "default";
    taken.push(group);
    await advance(engines[group]!, message.body);
    await ports.queue.acknowledge("work", [message.receipt]);
  }
}

const targets = () => sent.map(({ workers = "default" }) => workers);

describe("a wake goes to the queue of the run's group", () => {
  test("when the run is started, whoever starts it", async () => {
    await start(engineOf(undefined), { workflow: "charge" });
    await start(engineOf(undefined), { workflow: "nap" });
    await start(engineOf("payments"), { workflow: "charge" });
    expect(targets()).toEqual(["payments", "default", "payments"]);
  });

  test("when the API asks something of it", async () => {
    const { state } = await start(engineOf(undefined), { workflow: "paid" });
    await requestCancel(bare(), state.runId);
    expect(targets()).toEqual(["payments", "payments"]);
  });

  test("when a signal is appended by a function that knows no workflows", async () => {
    const { state } = await start(engineOf(undefined), { workflow: "paid" });
    await sendSignal(bare(), { runId: state.runId, name: "paid" });
    const [message] = await ports.queue.receive("signals", { max: 1, waitMs: 0 });
    expect(await receiveSignals(bare(), [{ id: "1", body: message!.body }])).toEqual([]);
    expect(targets()).toEqual(["payments", "payments"]);
  });

  test("when the sweep finds it", async () => {
    await start(engineOf(undefined), { workflow: "charge" });
    sent = [];
    expect(await sweep(bare(), { everything: true })).toEqual({ woken: 1 });
    expect(targets()).toEqual(["payments"]);
  });

  test("when it is put off by a schedule", async () => {
    const startAt = ports.clock.now() + 86_400_000;
    await start(engineOf(undefined), { workflow: "charge", startAt });
    expect(sent.map(({ at, workers }) => [at !== undefined, workers])).toEqual([[true, "payments"]]);
  });

  test("when it sleeps for a month", async () => {
    const groups = { slow: [nap] };
    const engines = { slow: engineOf("slow", [], groups) };
    await start(engineOf(undefined, [], groups), { workflow: "nap" });
    await work(engines);
    expect(sent.map(({ at, workers }) => [at !== undefined, workers])).toEqual([
      [false, "slow"],
      [true, "slow"],
    ]);
  });
});

test("children run in their own groups, and their ends come back to their parents'", async () => {
  const engines = { default: engineOf(undefined), payments: engineOf("payments") };
  const { state } = await start(engines.default, { workflow: "audited" });
  const taken = await work(engines);
  expect((await ports.journal.header(state.runId))?.status).toBe("completed");
  expect(new Set(taken)).toEqual(new Set(["default", "payments"]));
  const { headers } = await ports.journal.list({ order: "asc", limit: 10 });
  expect(headers.map(({ created }) => [created.workflow, created.group])).toEqual([
    ["audited", undefined],
    ["order", undefined],
    ["charge", "payments"],
  ]);
});

describe("a workflow that a deployment moves", () => {
  test("takes its runs along: a function of another group sends their wakes on", async () => {
    const { state } = await start(engineOf(undefined, [charge], {}), { workflow: "charge" });
    const after = { default: engineOf(undefined), payments: engineOf("payments") };
    expect(await work(after)).toEqual(["default"]);
    await ports.clock.advance(5_000);
    expect(await work(after)).toEqual(["payments"]);
    expect((await ports.journal.header(state.runId))?.status).toBe("completed");
  });

  test("never runs its steps in a function that it does not belong to", async () => {
    let where = "";
    const asked = workflow("asked", async (run) => run.step("where", () => where));
    const engines = {
      default: engineOf(undefined, [asked], { payments: [asked] }),
      payments: engineOf("payments", [asked], { payments: [asked] }),
    };
    const { state } = await start(engineOf(undefined, [asked], {}), { workflow: "asked" });
    const [wake] = await ports.queue.receive("work", { max: 1, waitMs: 0 });
    where = "default";
    await advance(engines.default, wake!.body);
    expect((await ports.journal.header(state.runId))?.status).toBe("pending");
  });
});

describe("what a group has", () => {
  test("the default one has no longer, also where its module exports the same workflow", () => {
    const { registry } = engineOf(undefined, [charge, order], { payments: [charge] });
    expect(registry.groupOf(charge)).toBe("payments");
    expect(registry.groupOf(order)).toBeUndefined();
    expect(registry.names()).toEqual(["charge", "order"]);
  });

  test("no other group may have", () => {
    expect(() => engineOf(undefined, [], { payments: [charge], billing: [charge] })).toThrow(
      /Expected workflow "charge" to be in one group, got payments and billing/,
    );
  });

  test("may take as long as the group's legs, and no longer", () => {
    const slow = workflow("slow", { stepTimeout: "10m" }, async () => 1);
    const made = (group: string, legMs: number) =>
      createEngine(ports, {
        workflows: [],
        groups: { slow: [slow] },
        log,
        settings: { owner: "x", codeHash: "", group, legMs },
      });
    expect(() => made("slow", 120_000)).toThrow(/fit into a leg of 120000 ms, got 600000 ms.*longer leg/);
    expect(() => made("slow", 900_000)).not.toThrow();
    expect(() => made("other", 120_000)).not.toThrow();
    expect(() => workflow("never", { stepTimeout: "16m" }, async () => 1)).toThrow(/got 960000 ms/);
  });
});
