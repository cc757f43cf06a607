/**
 * `kill -9` on the real host, twenty times over one set of runs, at random moments. Each time the host is back and
 * goes on, without waiting for a dead lease (how soon is reported); in the end every run has its one right outcome, and nothing that was completed ran again.
 * `KILL_SEED` repeats the choices of a run of this test (moments still differ, as machines do).
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type KillableHost, killAtStart, startHost } from "./kill-host.ts";
import { byRunAndStep, type JournalEvent, violations } from "./kill-verdict.ts";
import type { Invocation, Plan } from "./kill-workflows.ts";

const KILLS = 20;
const RUNS_A_WORKFLOW = 5;
/** Who waits for a dead process's lease goes on after two minutes. */
const LEASE_MS = 120_000;
const STARTS_WITHIN_MS = 8_000;
const FINISHED_WITHIN_MS = 240_000;

const ROUNDS = { chain: 60, naps: 24, mail: 24, races: 40, family: 48, stumbles: 40 } as const;
type Name = keyof typeof ROUNDS;

const seed = Number(process.env.KILL_SEED ?? Math.floor(Math.random() * 1e9));
const random = mulberry32(seed);
const between = (least: number, most: number): number => least + Math.floor(random() * (most - least));

const directory = mkdtempSync(join(tmpdir(), "stepfold-kill-"));
const files = { data: join(directory, "data"), log: join(directory, "invocations.jsonl"), port: 0 };

interface Started {
  runId: string;
  workflow: Name;
  plan: Plan;
}

const names = Object.keys(ROUNDS) as Name[];
const runs: Started[] = Array.from({ length: names.length * RUNS_A_WORKFLOW }, (_, index) => {
  const workflow = names[index % names.length]!;
  const rounds = Array.from({ length: ROUNDS[workflow] }, () => between(5, 150));
  return { runId: `${workflow}-${index}`, workflow, plan: { rounds } };
});

let host: KillableHost;
const listeningAfterMs: number[] = [];
const progressAfterMs: number[] = [];

beforeAll(async () => {
  host = await startHost(files);
  files.port = Number(new URL(host.url).port);
  const users = Promise.all(runs.map(use));
  // What goes wrong meanwhile is thrown below, where it is awaited.
  users.catch(() => {});
  for (let kill = 1; kill <= KILLS; kill++) {
    await sleep(between(0, 1_000));
    await host.kill();
    if (kill % 4 === 0) await killAtStart(files, between(0, 700));
    host = await startHost(files);
    listeningAfterMs.push(host.listeningAfterMs);
    progressAfterMs.push(await firstProgressOf(host));
  }
  await users;
  await Promise.all(runs.map(({ runId }) => finished(runId)));
}, 420_000);

afterAll(async () => {
  await host?.kill();
  rmSync(directory, { recursive: true, force: true });
});

test(`after each of ${KILLS} kills the host is back, and goes on before a dead lease is over`, () => {
  const load = loadavg()[0]!.toFixed(1);
  console.log(
    `KILL_SEED=${seed}: listening after ${shown(listeningAfterMs)}, progress after ${shown(progressAfterMs)}, load ${load}`,
  );
  expect(listeningAfterMs).toHaveLength(KILLS);
  expect(progressAfterMs).toHaveLength(KILLS);
  expect(progressAfterMs.filter((ms) => ms >= LEASE_MS)).toEqual([]);
});

test("every run has its one right outcome", async () => {
  for (const { runId, workflow, plan } of runs) {
    const run = await get(`/runs/${runId}`);
    expect({ runId, status: run.status, error: run.error }).toEqual({ runId, status: "completed" });
    expect({ runId, output: run.output }).toEqual({ runId, output: await expected(runId, workflow, plan) });
  }
});

test("there are those runs and their children, and no other", async () => {
  const children = RUNS_A_WORKFLOW * (ROUNDS.family / 4) * 2;
  const all = await items<{ runId: string; status: string }>("/runs?limit=200");
  expect(new Set(all.map(({ runId }) => runId)).size).toBe(all.length);
  expect(all).toHaveLength(runs.length + children);
  expect(all.filter(({ status }) => status !== "completed")).toEqual([]);
});

test("nothing that was completed ran again, and nothing ran before it was stored", async () => {
  const journals = new Map<string, JournalEvent[]>();
  for (const { runId } of await items<{ runId: string }>("/runs?limit=200"))
    journals.set(runId, await items<JournalEvent>(`/runs/${runId}/journal?limit=200`));
  const invocations = invocationsSoFar();
  const steps = byRunAndStep(invocations);
  const caught = [...steps.values()].filter((calls) => new Set(calls.map(({ pid }) => pid)).size > 1).length;
  console.log(
    `${steps.size} steps, ${invocations.length} invocations; ${caught} steps were caught by a kill`,
  );
  expect(violations(journals, invocations)).toEqual([]);
  expect(caught).toBeGreaterThan(0);
});

test("SIGTERM ends it with exit code 0", async () => {
  expect(await host.terminate()).toBe(0);
});

describe("the verdict sees", () => {
  const event = (sequence: number, type: string, more: object = {}): JournalEvent => ({
    sequence,
    at: new Date(1_000 + sequence * 10).toISOString(),
    type,
    ...more,
  });
  const journal = [
    event(0, "RunCreated"),
    event(1, "LegStarted"),
    event(1, "StepStarted", { operation: "1", name: "work" }),
    event(2, "StepCompleted", { operation: "1" }),
    event(2, "RunCompleted"),
  ];
  const call = (at: number, pid = 1, more: Partial<Invocation> = {}): Invocation => {
    return { pid, at, runId: "r", step: "work", attempt: 1, idempotencyKey: "k", ...more };
  };
  const judge = (events: JournalEvent[], ...calls: Invocation[]) =>
    violations(new Map([["r", events]]), calls);

  test("nothing wrong in a run that was killed under its step", () => {
    expect(judge(journal, call(1_010), call(1_015, 2))).toEqual([]);
  });

  test.each([
    ["an invocation after the completion", judge(journal, call(1_012), call(1_021, 2))],
    ["an invocation before the start", judge(journal, call(1_009))],
    ["two invocations by one process", judge(journal, call(1_012), call(1_013))],
    [
      "an invocation that the journal does not know",
      judge(journal, call(1_012), call(1_012, 1, { step: "other", idempotencyKey: "other" })),
    ],
    ["two keys for one step", judge(journal, call(1_012), call(1_013, 2, { idempotencyKey: "other" }))],
    ["a step that completes without an invocation", judge(journal)],
    [
      "a gap",
      judge(journal.filter(({ sequence }) => sequence !== 1 && sequence !== 2).concat(event(2, "RunFailed"))),
    ],
    ["no end", judge(journal.slice(0, -1), call(1_012))],
    ["two ends", judge([...journal, event(3, "RunFailed")], call(1_012))],
    [
      "a step that completes twice",
      judge([...journal, event(3, "StepCompleted", { operation: "1" })], call(1_012)),
    ],
  ])("%s", (_what, found) => {
    expect(found).toHaveLength(1);
  });
});

/** What a user does with a run: starts it at some time, and writes its letters; both until it is answered. */
async function use({ runId, workflow, plan }: Started): Promise<void> {
  await sleep(between(0, STARTS_WITHIN_MS));
  await insist(() => call("POST", "/runs", { workflow, runId, input: plan }));
  if (workflow !== "mail") return;
  for (const letter of plan.rounds.keys()) {
    await sleep(between(0, 700));
    await insist(() => call("POST", `/runs/${runId}/signals/letter`, letter, `letter ${letter}`));
  }
}

async function expected(runId: string, workflow: Name, { rounds }: Plan): Promise<unknown> {
  if (workflow === "mail") return [...rounds.keys()];
  // A race is decided by the clock: whoever it was, the run has cheered for no other.
  if (workflow === "races")
    return [...byRunAndStep(invocationsSoFar()).values()]
      .map((calls) => calls[0]!)
      .filter((call) => call.runId === runId && call.step.startsWith("cheer"))
      .map(({ step }) => /cheer (\d+) for (\w+)/.exec(step)!)
      .map(([, index, winner]) => ({ index: Number(index), winner }))
      .sort((left, right) => left.index - right.index)
      .map(({ winner }) => winner);
  return rounds.reduce((total, ms) => total + ms, 0);
}

async function insist(request: () => Promise<Response>): Promise<void> {
  for (let tries = 1; ; tries++) {
    const answer = await request().catch(() => undefined);
    if (answer?.ok) return;
    if (answer !== undefined) throw new Error(`answered ${answer.status}: ${await answer.text()}`);
    if (tries > 1_000) throw new Error("The host is not there any more.");
    await sleep(50);
  }
}

function call(method: string, path: string, body?: unknown, key?: string): Promise<Response> {
  return fetch(`http://127.0.0.1:${files.port}${path}`, {
    method,
    headers: { "content-type": "application/json", ...(key === undefined ? {} : { "idempotency-key": key }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came back
async function get(path: string): Promise<any> {
  const answer = await call("GET", path);
  expect(answer.status, path).toBe(200);
  return answer.json();
}

async function items<T>(path: string): Promise<T[]> {
  const all: T[] = [];
  for (let cursor = ""; ; ) {
    const page = await get(`${path}${cursor}`);
    all.push(...page.items);
    if (page.cursor === undefined) return all;
    cursor = `&cursor=${encodeURIComponent(page.cursor)}`;
  }
}

async function finished(runId: string): Promise<void> {
  for (const deadline = Date.now() + FINISHED_WITHIN_MS; Date.now() < deadline; await sleep(250)) {
    const { status } = await get(`/runs/${runId}`);
    if (["completed", "failed", "cancelled", "timedOut"].includes(status)) return;
  }
  const run = await get(`/runs/${runId}`);
  throw new Error(`Expected ${runId} to finish (KILL_SEED=${seed}), got ${JSON.stringify(run)}`);
}

/** From the spawn to the first step that the host's process called. */
async function firstProgressOf({ pid, spawnedAt }: KillableHost): Promise<number> {
  for (const deadline = spawnedAt + LEASE_MS; Date.now() < deadline; await sleep(10)) {
    const first = invocationsSoFar().find(
      (invocation) => invocation.pid === pid && invocation.at >= spawnedAt,
    );
    if (first !== undefined) return first.at - spawnedAt;
  }
  throw new Error(`Expected the host to go on (KILL_SEED=${seed}), got no step called`);
}

/** A line that a kill cut off was no invocation yet: the step had not begun. */
function invocationsSoFar(): Invocation[] {
  const lines = readFileSync(files.log, "utf8").split("\n");
  return lines.flatMap((line) => (line.endsWith("}") ? [JSON.parse(line) as Invocation] : []));
}

function shown(times: readonly number[]): string {
  const sorted = [...times].sort((left, right) => left - right);
  return `${sorted[Math.floor(sorted.length / 2)]} ms (median), ${sorted.at(-1)} ms (worst)`;
}

function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
