/** Workers and writers that fight over one run of a real host, for as long as it takes to be believed. */
import { expect, test } from "vitest";
import { aDirectory, serve } from "../host/command.ts";
import { fight } from "../support/leases.ts";

const FOR_MS = Number(process.env.LEASES_MS ?? 60_000);

type Ask = Parameters<typeof fight>[0][number];

async function aHost(): Promise<Ask> {
  const { url } = await serve(["test/api/workflows.ts", "--port", "0", "--data", aDirectory()]);
  return async (method, path, { body, headers = {} } = {}) => {
    const init = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { "content-type": "application/json", ...headers },
      ...init,
    });
    return { status: response.status, body: await response.json() };
  };
}

test("two workers with leases of one second fighting over one run for a minute: never two accepted writers of one generation", async () => {
  const ask = await aHost();
  await ask("POST", "/runs", { body: { workflow: "any", driver: "managed", runId: "fought" } });
  const verdict = await fight([ask, ask], "fought", {
    leaseMs: 1_000,
    forMs: FOR_MS,
    generations: FOR_MS / 4_000,
  });
  console.log(JSON.stringify(verdict));
  expect(verdict).toMatchObject({ sharedGenerations: 0, unexpected: [], workersAccepted: 2 });
  expect(verdict.generations).toBeGreaterThanOrEqual(FOR_MS / 4_000);
  expect(verdict.lost).toBeGreaterThan(0);
  expect(verdict.accepted).toBe(verdict.journaled);
}, 120_000);

test("two hundred concurrent writers on one managed run: no lost update, no duplicate audit event", async () => {
  const ask = await aHost();
  await ask("POST", "/runs", { body: { workflow: "any", driver: "managed", runId: "written" } });
  const fields = Array.from({ length: 200 }, (_, index) => `field-${index}`);
  const write = (field: string) =>
    ask("POST", "/runs/written/continue", {
      body: { patch: { [field]: field } },
      headers: { "idempotency-key": field },
    });
  const answers = await Promise.all(fields.flatMap((field) => [write(field), write(field)]));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  const { state, revision } = (await ask("GET", "/runs/written")).body;
  expect(state).toEqual(Object.fromEntries(fields.map((field) => [field, field])));
  expect(revision).toBe(200);
}, 60_000);
