/** What people and programs do to runs while faults rain: each scenario starts runs and lets outside things happen. */
import type { Json } from "../../shared/core/json.ts";
import type { Client } from "./client.ts";
import { drivenScenarios } from "./driven/actors.ts";
import { exampleScenarios } from "./examples.ts";
import { play } from "./generated/play.ts";
import type { Program } from "./generated/program.ts";
import type { Random } from "./random.ts";
import { remoteScenarios } from "./remotes.ts";

export interface Stage {
  client: Client;
  random: Random;
  /** Virtual time. */
  sleep(ms: number): Promise<void>;
  now(): number;
  /** What `generated` plays. */
  program?: Program;
}

export type Scenario = (stage: Stage, runId: string) => Promise<void>;

const MINUTE_MS = 60_000;

const starts =
  (workflow: string, input?: Json): Scenario =>
  ({ client }, runId) =>
    client.start({ workflow, runId, ...(input === undefined ? {} : { input }) });

const race: Scenario = async ({ client, random, sleep }, runId) => {
  await client.start({ workflow: "race", runId });
  await sleep(random.pick([0, 5 * MINUTE_MS, 10 * MINUTE_MS - 5, 10 * MINUTE_MS, 20 * MINUTE_MS]));
  await client.signal({ runId, name: "go", payload: "signal", signalId: "go" });
  await sleep(random.pick([0, 1_000, 4 * MINUTE_MS, 5 * MINUTE_MS]));
  await client.signal({ runId, name: "second", payload: "in time", signalId: "second" });
};

const board: Scenario = async ({ client, random, sleep }, runId) => {
  await client.start({ workflow: "board", runId, state: { note: "new" } });
  const nudges = async () => {
    for (let nudge = 0; nudge < 3; nudge++) {
      await sleep(random.between(0, 5_000));
      await client.signal({ runId, name: "nudge", signalId: `nudge-${nudge}`, payload: nudge });
    }
  };
  const patches = async () => {
    await sleep(random.pick([0, 0, 1, 5, 100, 5_000]));
    await client.patch(runId, { note: "ok" }, { once: true });
    await sleep(random.pick([0, 1, 5, 2_000, 400_000]));
    await client.patch(runId, { done: true, note: "ok" });
  };
  await Promise.all([nudges(), patches()]);
};

const cancelled =
  (workflow: string, moments: readonly number[], input?: Json): Scenario =>
  async ({ client, random, sleep }, runId) => {
    await client.start({ workflow, runId, ...(input === undefined ? {} : { input }) });
    await sleep(random.pick(moments));
    await client.cancel(runId, { once: random.chance(0.5) });
    if (random.chance(0.3)) await client.cancel(runId);
  };

/** Several senders, each in order; some messages are sent again, at once or long after. */
const collect: Scenario = async ({ client, random, sleep }, runId) => {
  const [senders, each] = [3, 3];
  const item = (sender: string, n: number) => ({
    name: "item",
    payload: { sender, n },
    signalId: `${sender}-${n}`,
  });
  const signal = (sender: string, n: number) => client.signal({ runId, ...item(sender, n) });
  await client.start({
    workflow: "collect",
    runId,
    input: { count: senders * each },
    ...(random.chance(0.5) ? { signal: item("s0", 0) } : {}),
  });
  const send = async (sender: string) => {
    for (let n = 0; n < each; n++) {
      await signal(sender, n);
      await sleep(random.pick([0, 0, 10, 3_000, 6 * MINUTE_MS]));
      if (n + 1 < each && random.chance(0.3)) await Promise.all([signal(sender, n + 1), signal(sender, n)]);
    }
  };
  await Promise.all(Array.from({ length: senders }, (_, index) => send(`s${index}`)));
};

const choosy: Scenario = async ({ client, random, sleep }, runId) => {
  await client.start({ workflow: "choosy", runId });
  for (const [index, payload] of ["none", 3, 7].entries()) {
    await client.signal({ runId, name: "number", payload, signalId: `number-${index}` });
    await sleep(random.pick([0, 0, 500, 400_000]));
  }
};

const startAt =
  (aheadMs: number, cancelMs?: number): Scenario =>
  async ({ client, sleep, now }, runId) => {
    const request = { workflow: "simple", runId, input: { n: 1 }, startAt: now() + aheadMs };
    await client.start(request);
    await sleep(500);
    await client.start(request);
    if (cancelMs === undefined) return;
    await sleep(cancelMs);
    await client.cancel(runId);
  };

const orderInput = (runId: string, card: string): Json => ({
  id: runId,
  amountCents: 4_200,
  card,
  lines: [{ sku: "kettle", quantity: 1 }],
  services: "http://services.simulated",
});

const order =
  (card: string, isPaid: boolean): Scenario =>
  async ({ client, sleep }, runId) => {
    await client.start({ workflow: "order", runId, input: orderInput(runId, card) });
    if (!isPaid) return;
    await sleep(2 * 60 * MINUTE_MS);
    const chargeId = client.world.services.chargeOf(runId);
    await client.signal({ runId, name: "paid", payload: { chargeId, amountCents: 4_200 }, signalId: "paid" });
  };

const airTraffic: Scenario = async ({ client, sleep }, runId) => {
  await client.start({ workflow: "air-traffic", runId, input: { report: `/${runId}/report.json` } });
  await sleep(60 * MINUTE_MS);
  const payload = { by: "ada", publish: true };
  await client.signal({ runId, name: "go-ahead", payload, signalId: "go-ahead" });
};

const gates: Scenario = async ({ client, random, sleep }, runId) => {
  await client.start({ workflow: "gates", runId });
  await sleep(random.pick([3_000, 90_000, 200_000]));
  await client.until(runId, (state) => [...state.operations.values()].some(({ kind }) => kind === "gate"));
  await client.approve(runId, "approval");
  await client.approve(runId, "approval");
};

const tokens: Scenario = async ({ client, random, sleep }, runId) => {
  await client.start({ workflow: "tokens", runId });
  const { handed } = client.world.services;
  while (!handed.has(`${runId} answer`)) await sleep(10_000);
  await sleep(random.pick([0, 1_000, 200_000]));
  await client.succeed(runId, String(handed.get(`${runId} answer`)![0]), { ok: true });
};

const paused: Scenario = async ({ client, random, sleep }, runId) => {
  await client.start({ workflow: "paused", runId });
  for (let times = 0; times < 2; times++) {
    await sleep(random.pick([0, 500, 1_500, 3_000, 60_000]));
    await client.pause(runId, `pause-${times}`);
    await sleep(random.pick([0, 500, 15 * MINUTE_MS]));
    await client.resume(runId, `resume-${times}`);
  }
};

const redriven: Scenario = async ({ client, random, sleep }, runId) => {
  await client.start({ workflow: "redriven", runId });
  await client.until(runId, (state) => state.finished !== undefined);
  await sleep(random.pick([0, 0, 3_000]));
  client.world.services.healed.add(runId);
  await client.redrive(runId, "again");
};

const continued: Scenario = async ({ client, random, sleep }, runId) => {
  await client.start({ workflow: "continued", runId, input: { n: 4, items: [] } });
  for (let n = 0; n < 4; n++) {
    await client.signal({ runId, name: "item", payload: n, signalId: `item-${n}` });
    await sleep(random.pick([0, 0, 5, 30, 1_000, 400_000]));
  }
};

/** Whoever asks to start it does not ask again: it runs all the same, if it is there. */
const startOnce: Scenario = ({ client }, runId) =>
  client.start({ workflow: "simple", runId, input: { n: 2 } }, { once: true });

const generated: Scenario = (stage, runId) => play(stage, stage.client.world.ledger, stage.program!, runId);

export const scenarios: Record<string, Scenario> = {
  startOnce,
  spread: starts("spread"),
  spreadCancelled: cancelled("spread", [0, 5, 500, 1_000, 15_000]),
  deadly: starts("deadly"),
  gates,
  tokens,
  paused,
  redriven,
  continued,
  polls: starts("polls"),
  mapped: starts("mapped"),
  undone: starts("undone"),
  follows: starts("follows", { n: 2 }),
  chained: starts("chained"),
  once: starts("once"),
  simple: starts("simple", { n: 4 }),
  retries: starts("retries"),
  timers: starts("timers"),
  race,
  failing: starts("failing"),
  nested: starts("nested"),
  plain: starts("plain"),
  family: starts("family", { n: 3 }),
  board,
  cancelledFamily: cancelled("cancellable", [0, 5, 1_000, 2_500, 40_000, 125_000, 200_000]),
  deadline: starts("deadline"),
  cancelledLate: cancelled("cancelledLate", [1_000, 25 * MINUTE_MS]),
  collect,
  choosy,
  startSoon: startAt(30_000),
  startLater: startAt(2 * 60 * MINUTE_MS),
  cancelledStart: startAt(2 * 60 * MINUTE_MS, 10 * MINUTE_MS),
  handover: starts("handover"),
  keeper: starts("keeper"),
  order: order("4242424242424242", true),
  orderFlaky: order("4000000000000341", true),
  orderDeclined: order("4000000000000002", false),
  orderUnpaid: order("4242424242424242", false),
  airTraffic,
  ...exampleScenarios,
  ...remoteScenarios,
  ...drivenScenarios,
};

/** With programs, which are drawn from the seed. */
export const allScenarios: Record<string, Scenario> = { ...scenarios, generated };
