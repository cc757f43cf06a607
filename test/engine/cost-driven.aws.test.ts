/** What driven runs cost, by DynamoDB's own account: a write unit a small change, and the header only when lists change. */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DynamoJournal } from "../../shared/adapters/aws/journal.ts";
import { ensureTable } from "../../shared/adapters/aws/provision.ts";
import { systemClock } from "../../shared/adapters/local/clock.ts";
import { aWorld, type World } from "../api/world.ts";
import { type Dynoxide, startDynoxide } from "../support/dynoxide.ts";

let dynoxide: Dynoxide;
let client: DynamoDBClient;
let world: World;
let requests: { command: string; units: number }[] = [];

beforeAll(async () => {
  dynoxide = await startDynoxide();
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  client = new DynamoDBClient({ endpoint: dynoxide.endpoint, region: "us-east-1", credentials });
  await ensureTable("runs", client);
  client.middlewareStack.add(
    (next, context) => async (args) => {
      Object.assign(args.input, { ReturnConsumedCapacity: "TOTAL" });
      const result = await next(args);
      const { ConsumedCapacity } = result.output as { ConsumedCapacity?: { CapacityUnits?: number } };
      requests.push({ command: String(context.commandName), units: ConsumedCapacity?.CapacityUnits ?? 0 });
      return result;
    },
    { step: "initialize" },
  );
  world = aWorld([], ({ meter }) => ({
    clock: systemClock,
    journal: new DynamoJournal({ client, table: "runs", clock: systemClock, meter }),
  }));
});

afterAll(async () => {
  client.destroy();
  await dynoxide.stop();
});

/** Write units and read units that a request takes. */
async function costOf(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  requests = [];
  const answer = await world.ask(method, `/runs${path}`, { body, headers });
  expect(answer.status, `${method} ${path}`).toBeLessThan(300);
  const of = (pattern: RegExp): number =>
    requests.filter(({ command }) => pattern.test(command)).reduce((sum, { units }) => sum + units, 0);
  return { writes: of(/Put|Update|Delete/), reads: of(/Get|Query/), calls: requests.length };
}

test("an owner's run: one unit for a small change, one more where the listed status changes", async () => {
  const start = { workflow: "w", driver: "managed", runId: "owned", owner: "ann" };
  // The header, and its rows in the indexes of due runs, of all runs and of an owner's runs.
  expect((await costOf("POST", "", start)).writes).toBe(4);
  const told: [string, unknown, number][] = [
    ["continue", { patch: { pages: 1 } }, 2],
    ["continue", { patch: { pages: 2 }, step: "sign" }, 1],
    ["continue", {}, 1],
    ["wait", { wait: { for: "paper" } }, 2],
    ["wait", { wait: { for: "ink" } }, 1],
    ["gates", { name: "ship" }, 1],
    ["gates/ship/approve", { by: "ann" }, 1],
    ["pause", {}, 2],
    ["resume", {}, 2],
  ];
  let total = 4;
  for (const [verb, body, units] of told) {
    expect([verb, (await costOf("POST", `/owned/${verb}`, body)).writes]).toEqual([verb, units]);
    total += units;
  }
  expect((await costOf("PATCH", "/owned/state", { pages: 3 })).writes).toBe(1);
  // The end, the header, and its leaving the index of due runs.
  expect((await costOf("POST", "/owned/finish", { patch: { pages: 4 }, output: "signed" })).writes).toBe(3);
  total += 4;
  // What the run says it cost is what the store says.
  const { cost } = (await world.ask("GET", "/runs/owned")).body;
  expect(cost.writeUnits).toBe(total);
});

test("a worker's run: one unit a report, one a batch of items, one a renewal", async () => {
  await costOf("POST", "", { workflow: "w", driver: "managed", runId: "worked" });
  const lease = { token: "one", ttl: "1m" };
  expect((await costOf("POST", "/worked/lease", lease)).writes).toBe(2);
  expect((await costOf("POST", "/worked/lease", lease)).writes).toBe(1);
  const headers = { "stepfold-generation": "1" };
  expect((await costOf("POST", "/worked/steps", { name: "make", retryCount: 0 }, headers)).writes).toBe(1);
  const change = { status: "running", markers: ["a"], context: { model: "m" } };
  expect((await costOf("PATCH", "/worked/steps/s3", change, headers)).writes).toBe(1);
  const items = Array.from({ length: 20 }, (_, index) => ({ type: "line", id: `line-${index}` }));
  expect((await costOf("POST", "/worked/steps/s3/items", items, headers)).writes).toBe(1);
  const changes = items.map((_, index) => ({ itemId: `s3.${index + 1}`, status: "completed" }));
  expect((await costOf("PATCH", "/worked/steps/s3/items", changes, headers)).writes).toBe(1);
  // A refused write takes nothing.
  requests = [];
  await world.ask("POST", "/runs/worked/steps", {
    body: { name: "x" },
    headers: { "stepfold-generation": "9" },
  });
  expect(requests.filter(({ command }) => /Put|Update/.test(command))).toEqual([]);
  expect((await costOf("DELETE", "/worked/lease?token=one")).writes).toBe(1);
});

test("a mirrored run: one unit an observation, and none for one that is known", async () => {
  await costOf("POST", "", { workflow: "w", driver: "mirrored", runId: "mirrored" });
  const report = { name: "load", status: "completed", output: { rows: 1 }, at: "2026-01-01T00:00:00Z" };
  expect((await costOf("PUT", "/mirrored/observations/o", report)).writes).toBe(1);
  expect((await costOf("PUT", "/mirrored/observations/o", report)).writes).toBe(0);
});

test("a patch of the state reads no more of a long journal than of a short one", async () => {
  await costOf("POST", "", { workflow: "w", driver: "managed", runId: "patched" });
  await costOf("PATCH", "/patched/state", { n: 0 });
  const short = await costOf("PATCH", "/patched/state", { n: 1 });
  for (let n = 2; n < 150; n++) await costOf("PATCH", "/patched/state", { n });
  expect(await costOf("PATCH", "/patched/state", { n: 150 })).toEqual(short);
});

test("whether a run was asked to end is one read of one unit, however long its journal is", async () => {
  await costOf("POST", "", { workflow: "w", driver: "managed", runId: "long" });
  for (let index = 0; index < 60; index++) await costOf("POST", "/long/continue", { patch: { index } });
  expect(await costOf("GET", "/long/cancelled")).toEqual({ writes: 0, reads: 1, calls: 1 });
  // The request, and the header that tells of it.
  expect((await costOf("POST", "/long/cancel", { reason: "enough" })).writes).toBe(2);
  expect((await world.ask("GET", "/runs/long/cancelled")).body).toEqual({
    cancelled: true,
    reason: "enough",
  });
});
