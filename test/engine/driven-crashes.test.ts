/**
 * Every call on driven runs, with one fault at each of its calls of a port in turn: a process that dies before or after
 * it, an answer that is lost, an error for what was done, one for what was not. Its caller, who heard nothing, repeats
 * the request at another process: it has happened once. If nobody repeats it, it has happened or not, and what lists
 * show is what the journal says.
 */
import { describe, expect, test } from "vitest";
import { apiFunction } from "../../functions/api.ts";
import type { Fault } from "../../shared/adapters/simulated/index.ts";
import { Life, simulatedPorts } from "../../shared/adapters/simulated/index.ts";
import { isDriven } from "../../shared/core/driven.ts";
import { statusOf } from "../../shared/core/state.ts";
import { loadRun } from "../../shared/engine/load.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import { type Answer, type Asked, aWorld, eventOf, type World } from "../api/world.ts";

interface Request {
  method: string;
  path: string;
  asked: Asked;
  /** The statuses that its repeat may have. */
  repeated: number[];
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const FAULTS: Fault["kind"][] = ["crashBefore", "crashAfter", "lostAnswer", "failed", "throttled"];
/** A first answer, for one that was not carried out; the repeated one otherwise. */
const post = (path: string, body: unknown, name: string, headers = {}): Request => ({
  method: "POST",
  path,
  asked: { body, headers: { "idempotency-key": name, ...headers } },
  repeated: [200, 201, 202],
});
/** Without a key, the revision that it was meant for keeps it from happening twice. */
const bound = (method: string, path: string, body: unknown, revision: number, headers = {}): Request => ({
  method,
  path,
  asked: { body, headers: { "if-match": `"${revision}"`, ...headers } },
  repeated: [200, 204, 412],
});
const worker = { "stepfold-generation": "1" };

const life: Record<string, Request[]> = {
  owned: [
    post("", { workflow: "w", driver: "managed", runId: "r", owner: "ann", timeout: "3h" }, "start"),
    post("/r/wait", { wait: { for: "x".repeat(40_000) } }, "wait"),
    post("/r/continue", { patch: { a: 1 }, step: "b" }, "continue"),
    post("/r/continue", { patch: { b: 1 } }, "again"),
    post("/r/gates", { name: "go", timeout: "1h" }, "gate"),
    post("/r/gates/go/approve", { by: "ann" }, "approve"),
    post("/r/pause", {}, "pause"),
    post("/r/resume", {}, "resume"),
    post("/r/finish", { patch: { c: 1 }, output: 1 }, "finish"),
  ],
  worked: [
    post("", { workflow: "w", driver: "managed", runId: "r" }, "start"),
    post("/r/lease", { token: "one", ttl: "1h" }, "lease"),
    post("/r/lease", { token: "one", ttl: "2h" }, "renew"),
    post("/r/steps", { name: "make" }, "step", worker),
    bound("PATCH", "/r/steps/s3", { status: "running", context: "c" }, 3, worker),
    post("/r/steps/s3/items", [{ type: "t", id: "1" }], "items", worker),
    bound("PATCH", "/r/steps/s3/items", [{ itemId: "s3.1", status: "completed" }], 5, worker),
    bound("DELETE", "/r/lease?token=one", undefined, 6),
    post("/r/cancel", { reason: "enough" }, "cancel"),
    post("/r/cancel", { final: true }, "final"),
  ],
  mirrored: [
    post("", { workflow: "w", driver: "mirrored", runId: "r" }, "start"),
    {
      method: "PUT",
      path: "/r/observations/o",
      asked: { body: { name: "n", status: "running", at: "2026-01-01T00:00:00Z" } },
      repeated: [200],
    },
    post("/r/fail", { error: "x" }, "fail"),
  ],
};

/** A process that meets `fault` at its `at`th call of a port: its answer, or nothing if it died. */
async function once(world: World, request: Request, at: number, kind: Fault["kind"]) {
  const { clock } = world.runs.ports;
  let calls = 0;
  const mortal = new Life(clock);
  const faults = {
    onCall: () => ({ requestMs: 0, answerMs: 0, ...(++calls === at ? { fault: { kind } as Fault } : {}) }),
    onMessage: () => [0],
    onSchedule: () => [0],
    arrives: () => false,
  };
  const ports = simulatedPorts(world.runs.ports, { process: "api", life: mortal, faults, skewMs: 0 });
  const engine = createEngine(ports as never, {
    workflows: [],
    log: silent,
    settings: { owner: "api", codeHash: "test" },
  });
  const died = new Promise<undefined>((resolve) => mortal.onCrash(() => resolve(undefined)));
  const asked = apiFunction(engine)(
    eventOf(request.method, `/runs${request.path}`, request.asked),
    {} as never,
  );
  let isOver = false;
  const answered = Promise.race([died, asked]).finally(() => {
    isOver = true;
  });
  // A request that is made again waits for a moment of virtual time.
  while (!isOver) await world.runs.skip("1ms");
  return { calls, answer: (await answered) as { statusCode?: number } | undefined };
}

const ask = (world: World, { method, path, asked }: Request): Promise<Answer> =>
  world.ask(method, `/runs${path}`, asked);

/** What differs from try to try. */
const DRAWN = ["at", "until", "dueAt", "deadline", "requestId"];

async function eventsOf(world: World): Promise<unknown[]> {
  const { body } = await world.ask("GET", "/runs/r/journal?limit=200");
  return (body.items ?? []).map((event: object) =>
    Object.fromEntries(Object.entries(event).filter(([field]) => !DRAWN.includes(field))),
  );
}

async function worldAfter(requests: readonly Request[]): Promise<World> {
  const world = aWorld([]);
  for (const request of requests) expect((await ask(world, request)).status, request.path).toBeLessThan(300);
  return world;
}

/** Once all that is on its way has come, lists show what the journal says, and the sweep looks when it must. */
async function settled(world: World): Promise<void> {
  await world.runs.skip("10m");
  const run = await loadRun(world.runs.ports, "r", { consistent: true });
  if (run === undefined) return;
  const { header, state } = run;
  expect(isDriven(state.created)).toBe(true);
  expect(header.status).toBe(statusOf(state));
  expect(header.cancelRequested ?? false).toBe(state.cancel !== undefined);
  if (state.finished === undefined) expect(header.dueAt).toBeLessThan(header.expiresAt);
  else expect(header.dueAt).toBeUndefined();
}

const places = Object.entries(life).flatMap(([name, requests]) =>
  requests.map(
    (request, place) =>
      [`${name}: ${request.method} ${request.path || "/"} (${place})`, requests, place] as const,
  ),
);

describe.each(FAULTS)("%s", (kind) => {
  test.each(places)("%s", async (_name, requests, place) => {
    const before = requests.slice(0, place);
    const request = requests[place]!;
    const calm = await worldAfter(requests.slice(0, place + 1));
    const expected = await eventsOf(calm);
    for (let at = 1; ; at++) {
      const world = await worldAfter(before);
      const { calls, answer } = await once(world, request, at, kind);
      if (calls < at) {
        expect(at).toBeGreaterThan(1);
        break;
      }
      const repeated = await ask(world, request);
      const isAnswered = (answer?.statusCode ?? 500) < 300;
      if (!isAnswered || repeated.status !== 412) expect(request.repeated).toContain(repeated.status);
      expect(await eventsOf(world), `call ${at}`).toEqual(expected);
      await settled(world);
    }
  });

  test.each(places)("%s, and nobody repeats it", async (_name, requests, place) => {
    const untouched = place === 0 ? [] : await eventsOf(await worldAfter(requests.slice(0, place)));
    const done = await eventsOf(await worldAfter(requests.slice(0, place + 1)));
    for (let at = 1; ; at++) {
      const world = await worldAfter(requests.slice(0, place));
      const { calls } = await once(world, requests[place]!, at, kind);
      if (calls < at) break;
      await settled(world);
      const found = await eventsOf(world);
      expect([untouched, done], `call ${at}`).toContainEqual(found);
    }
  });
});
