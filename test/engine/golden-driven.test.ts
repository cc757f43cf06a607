/**
 * Golden journals of managed and mirrored runs. No code is replayed against them: they must be written as they were,
 * and must for ever fold to what they meant. `UPDATE_GOLDEN=1` records them anew.
 */
import { describe, expect, test } from "vitest";
import { goldenIn, readGolden, withGolden } from "../../examples/golden.ts";
import { fold } from "../../shared/core/fold.ts";
import { type RunState, statusOf } from "../../shared/core/state.ts";
import { normalised } from "../../shared/testing/index.ts";
import { aWorld, type World } from "../api/world.ts";

const folder = new URL("golden-driven/", import.meta.url);

type Tell = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<unknown>;

const begin = (world: World, driver: string, more: object = {}) =>
  world.ask("POST", "/runs", { body: { workflow: "order", driver, runId: "golden-run", ...more } });

const scenarios: Record<string, (world: World, tell: Tell) => Promise<void>> = {
  worked: async (world, tell) => {
    await begin(world, "managed", { owner: "ann", goal: "sell it", state: { price: 1 }, timeout: "1 day" });
    const { generation } = (await tell("POST", "/lease", { token: "one", ttl: "1m" })) as {
      generation: number;
    };
    const headers = { "stepfold-generation": String(generation) };
    await tell("POST", "/lease", { token: "one", ttl: "2m" }, { "idempotency-key": "renew" });
    const facts = { role: "maker", position: 1, iteration: 0, canCommit: true };
    await tell("POST", "/steps", { name: "make", ...facts }, { ...headers, "idempotency-key": "make" });
    const context = { model: "m" };
    await tell("PATCH", "/steps/s3", { status: "running", retryCount: 1, context, markers: ["a"] }, headers);
    const items = [
      { type: "line", id: "1", ref: { page: 1 } },
      { type: "line", id: "2", context: "c" },
    ];
    await tell("POST", "/steps/s3/items", items, { ...headers, "idempotency-key": "items" });
    const changes = [
      { itemId: "s3.1", status: "completed", output: 1, childRunId: "child" },
      { itemId: "s3.2", status: "failed", error: "torn" },
    ];
    await tell("PATCH", "/steps/s3/items", changes, headers);
    const failed = {
      status: "failed",
      error: { message: "jam", code: "Jam" },
      structuredOutput: { left: 1 },
    };
    await tell("PATCH", "/steps/s3", failed, headers);
    await tell("DELETE", "/lease?token=one");
    await tell("POST", "/wait", { wait: { for: "paper" }, step: "wait" }, { "idempotency-key": "wait" });
    await tell(
      "POST",
      "/gates",
      { name: "ship", prompt: "Ship?", timeout: "1h" },
      { "idempotency-key": "gate" },
    );
    await tell("POST", "/gates/ship/approve", { by: "bob" });
    await tell("POST", "/gates", { name: "late", timeout: "1h" });
    await world.runs.skip("2h");
    await tell("POST", "/continue", { patch: { price: 2 }, step: "ship" });
    await tell("POST", "/finish", { patch: { sold: true }, output: { cents: 2 } });
  },
  failed: async (world, tell) => {
    await begin(world, "managed");
    await tell("POST", "/fail", { error: "no paper", patch: { left: 3 } });
  },
  cancelled: async (world, tell) => {
    await begin(world, "managed");
    await tell("POST", "/cancel", { final: true, reason: "enough", by: "ann" });
  },
  "timed-out": async (world) => {
    await begin(world, "managed", { timeout: "1h" });
    await world.runs.skip("2h");
  },
  mirrored: async (world, tell) => {
    await begin(world, "mirrored");
    const put = (status: string, minute: number, more: object = {}) =>
      tell("PUT", "/observations/o-1", {
        name: "charge",
        status,
        at: `2026-01-01T00:0${minute}:00Z`,
        ...more,
      });
    await put("running", 1, { sessionKey: "k" });
    await put("completed", 3, { output: { ok: true } });
    await put("failed", 2, { error: "late" });
    await tell("POST", "/finish");
    await tell("PUT", "/observations/o-2", { name: "ship", status: "skipped" });
  },
};

/** What each journal means. */
const meanings: Record<string, object> = {
  worked: {
    status: "completed",
    step: "ship",
    state: { price: 2, sold: true },
    operations: [
      ["s3", "step", "failed"],
      ["g10", "gate", "completed"],
      ["g12", "gate", "failed"],
    ],
    items: ["completed", "failed"],
  },
  failed: {
    status: "failed",
    state: { left: 3, failure: { reason: "no paper", at: "2026-01-01T00:00:00.000Z" } },
  },
  cancelled: { status: "cancelled" },
  "timed-out": { status: "timedOut" },
  mirrored: {
    status: "completed",
    operations: [
      ["o-1", "observation", "completed"],
      ["o-2", "observation", "skipped"],
    ],
  },
};

function meaningOf(state: RunState) {
  const patches = state.patches.map((patch) => ("v" in patch ? (patch.v as object) : {}));
  const operations = [...state.operations.values()].map(({ id, kind, status }) => [id, kind, status]);
  const items = [...(state.driven?.items.values() ?? [])].flatMap((byId) =>
    [...byId.values()].map(({ status }) => status),
  );
  return {
    status: statusOf(state),
    ...(state.step === undefined ? {} : { step: state.step }),
    ...(patches.length === 0 ? {} : { state: Object.assign({}, ...patches) as object }),
    ...(operations.length === 0 ? {} : { operations }),
    ...(items.length === 0 ? {} : { items }),
  };
}

describe.each(Object.keys(scenarios))("%s", (name) => {
  test("the journal is still written so", async () => {
    const world = aWorld([]);
    const tell: Tell = async (method, path, body, headers = {}) => {
      const answer = await world.ask(method, `/runs/golden-run${path}`, { body, headers });
      expect(answer.status, `${method} ${path}`).toBeLessThan(300);
      return answer.body as unknown;
    };
    await scenarios[name]!(world, tell);
    const { recorded, golden } = await withGolden(
      world.runs,
      "golden-run",
      new URL(`v1-${name}.json`, folder),
    );
    expect(normalised(recorded)).toEqual(normalised(golden));
  });
});

test("every one that was ever kept still means what it meant", () => {
  for (const file of goldenIn(folder)) {
    const golden = readGolden(file);
    const [, name] = /v\d+-(.*)\.json$/.exec(file.pathname)!;
    expect(meaningOf(fold(golden, golden.entries)), name).toEqual(meanings[name!]);
  }
});
