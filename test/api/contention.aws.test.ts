/**
 * Many writers of one managed run, in several processes, over DynamoDB: nothing is lost and nothing happens twice; and
 * no two workers ever write under one generation.
 */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DynamoJournal } from "../../shared/adapters/aws/journal.ts";
import { ensureTable } from "../../shared/adapters/aws/provision.ts";
import { systemClock } from "../../shared/adapters/local/clock.ts";
import { type Dynoxide, startDynoxide } from "../support/dynoxide.ts";
import { fight } from "../support/leases.ts";
import { aWorld, type World } from "./world.ts";

let dynoxide: Dynoxide;
let client: DynamoDBClient;

beforeAll(async () => {
  dynoxide = await startDynoxide();
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  client = new DynamoDBClient({ endpoint: dynoxide.endpoint, region: "us-east-1", credentials });
  await ensureTable("runs", client);
});

afterAll(async () => {
  client.destroy();
  await dynoxide.stop();
});

/** A process: what it knows of runs is its own. */
const process = (): World =>
  aWorld([], ({ meter }) => ({
    clock: systemClock,
    journal: new DynamoJournal({ client, table: "runs", clock: systemClock, meter }),
  }));

let drawn = 0;
async function begun(processes: number): Promise<{ worlds: World[]; runId: string }> {
  const worlds = Array.from({ length: processes }, process);
  const runId = `contended-${++drawn}`;
  const body = { workflow: "w", driver: "managed", runId };
  expect((await worlds[0]!.ask("POST", "/runs", { body })).status).toBe(201);
  return { worlds, runId };
}

async function eventsOf({ ask }: World, runId: string) {
  const events: { sequence: number; type: string }[] = [];
  for (let cursor: string | undefined = "0"; cursor !== undefined; ) {
    const { body } = await ask("GET", `/runs/${runId}/journal?limit=200&cursor=${cursor}`);
    events.push(...body.items);
    cursor = body.cursor;
  }
  return events;
}

test("two hundred concurrent writers on one managed run: no lost update, no duplicate audit event", async () => {
  const { worlds, runId } = await begun(4);
  const writes = Array.from({ length: 200 }, (_, index) => index);
  // Each is sent twice, through two processes, as callers do whose answers are late.
  const answers = await Promise.all(
    writes.flatMap((index) =>
      [0, 1].map((copy) =>
        worlds[(index + copy) % worlds.length]!.ask("POST", `/runs/${runId}/continue`, {
          body: { patch: { [`field-${index}`]: index } },
          headers: { "idempotency-key": `key-${index}` },
        }),
      ),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  for (const { headers, body } of answers) expect(headers.etag).toBe(`"${body.revision}"`);
  const { body } = await worlds[0]!.ask("GET", `/runs/${runId}`);
  expect(body.state).toEqual(Object.fromEntries(writes.map((index) => [`field-${index}`, index])));
  const events = await eventsOf(worlds[0]!, runId);
  expect(events.map(({ type }) => type)).toEqual(writes.map(() => "Continued"));
  expect(events.map(({ sequence }) => sequence)).toEqual(writes.map((index) => index + 1));
  const [listed] = (await worlds[0]!.ask("GET", "/runs?workflow=w&order=desc")).body.items;
  expect(listed).toMatchObject({ runId, status: "running" });
});

test("writers that read, change and write under If-Match count to the end without losing one", async () => {
  const { worlds, runId } = await begun(3);
  const add = async ({ ask }: World): Promise<void> => {
    for (;;) {
      const { body, headers } = await ask("GET", `/runs/${runId}`);
      const written = await ask("POST", `/runs/${runId}/continue`, {
        body: { patch: { count: (body.state.count ?? 0) + 1 } },
        headers: { "if-match": String(headers.etag) },
      });
      if (written.status === 200) return;
      expect(written.body.code).toBe("StaleRevision");
    }
  };
  await Promise.all(Array.from({ length: 30 }, (_, index) => add(worlds[index % worlds.length]!)));
  expect((await worlds[0]!.ask("GET", `/runs/${runId}`)).body).toMatchObject({
    revision: 30,
    state: { count: 30 },
  });
});

test("two workers with short leases fighting over one run: never two accepted writers of one generation", async () => {
  const { worlds, runId } = await begun(2);
  const verdict = await fight(
    worlds.map(({ ask }) => ask),
    runId,
    { leaseMs: 100, forMs: 3_000, generations: 10 },
  );
  expect(verdict).toMatchObject({ sharedGenerations: 0, unexpected: [] });
  expect(verdict.generations).toBeGreaterThanOrEqual(10);
  expect(verdict.workersAccepted).toBe(2);
  expect(verdict.lost).toBeGreaterThan(0);
  expect(verdict.accepted).toBe(verdict.journaled);
});
