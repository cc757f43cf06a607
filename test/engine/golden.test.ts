/**
 * Golden journals for what the examples' do not have: with them, every type of event that a journal may hold is in
 * some journal that is replayed for ever. `UPDATE_GOLDEN=1` records them anew.
 */
import { globSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { goldenIn, readGolden, withGolden } from "../../examples/golden.ts";
import type { Log } from "../../shared/core/context.ts";
import { legality } from "../../shared/core/legality.ts";
import { remote } from "../../shared/core/remote/remote.ts";
import { type AnyWorkflow, workflow } from "../../shared/core/workflow.ts";
import { patchState } from "../../shared/engine/control.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import {
  type GoldenJournal,
  normalised,
  replayJournal,
  type ScriptedRunner,
  type TestHost,
  testHost,
} from "../../shared/testing/index.ts";

const folder = new URL("golden/", import.meta.url);
const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** What the last callback has handed out. */
let token = "";
/** Lets the slow step of `late` end, and tells when it has. */
let release = () => {};
let isBroken = true;

const workflows = {
  callbacks: workflow("callbacks", async (run) => {
    const send = (handedOut: string): void => {
      token = handedOut;
    };
    const printed = await run.callback("print", send, { timeout: "1 day", heartbeat: "1h" });
    const signed = await run.callback("sign", send, { timeout: "1h" }).catch(() => null);
    return { printed, signed };
  }),
  paused: workflow("paused", async (run) => run.sleep("nap", "1h")),
  patched: workflow("patched", async (run) => {
    await run.waitForSignal("go");
    return run.state;
  }),
  late: workflow("late", async (run) => {
    const winner = await run.race("first", {
      slow: (branch) =>
        branch.step(
          "slow",
          () =>
            new Promise<string>((resolve) => {
              release = () => resolve("slow");
            }),
        ),
      fast: (branch) => branch.step("fast", () => "fast"),
    });
    await run.step("wait for it", async () => {
      release();
      await new Promise((resolve) => setImmediate(resolve));
    });
    return winner;
  }),
  "timed-out": workflow("timed-out", { timeout: "2h" }, async (run) => {
    try {
      await run.waitForSignal("never");
    } finally {
      await run.step("clean up", () => "clean");
    }
  }),
  overgrown: workflow("overgrown", { historyLimit: 10 }, async (run) => {
    for (let count = 0; ; count++)
      await run.step("count", () => count, { compensate: count === 0 ? () => "undone" : () => "too" });
  }),
  redriven: workflow("redriven", async (run) => {
    const kept = await run.step("kept", () => "kept");
    await run.step(
      "breaks",
      () => {
        if (isBroken) throw new Error("broken");
      },
      { retry: { maxAttempts: 1 } },
    );
    return kept;
  }),
  stalled: workflow("stalled", async (run) => {
    await run.step("first", () => 1);
    await run.sleep("nap", "1h");
    return run.step("last", () => 2);
  }),
  continued: workflow("continued", async (run, left: number) => {
    await run.step("count", () => left);
    return left === 0 ? "done" : run.continueAsNew(left - 1);
  }),
  remote: remote("remote", { url: "http://runner.test" }),
  tree: workflow("tree", (run) =>
    run.map(
      "each",
      ["a", "b", "c", "d"],
      (item, value) =>
        item.step(
          "work",
          () => {
            if (isBroken && value === "b") throw new Error("broken");
            return value.toUpperCase();
          },
          { retry: { maxAttempts: 1 } },
        ),
      { batch: 2 },
    ),
  ),
  undone: workflow("undone", async (run) => {
    await run.map(
      "each",
      ["a", "b"],
      (item, value) => item.step("book", () => value, { compensate: () => {} }),
      {
        batch: 2,
      },
    );
    await run.sleep("settle", "1h");
    await run.waitForSignal("never", { timeout: "1h" });
  }),
} satisfies Record<string, AnyWorkflow>;

/** Out of reach at first; then a step that fails once, a sleep, an event, and the end. */
function remoteRunner(): ScriptedRunner {
  let isReached = false;
  return ({ completed_steps: steps, current_step: current }) => {
    if (!isReached) {
      isReached = true;
      throw new Error("ECONNREFUSED");
    }
    if (steps.length === 0) return { action: "fail", step_name: "charge", error: "busy" };
    if (steps.length === 1)
      return { action: "step_complete", step_name: "charge", output: { cents: 7 }, duration_ms: 5 };
    if (current === 1) return { action: "sleep", duration: "1h" };
    return steps.length === 2
      ? { action: "wait_event", event: "paid" }
      : { action: "complete", output: "billed" };
  };
}

/** A map over a tree whose second item fails, redriven. */
const redrivenTree = async (host: TestHost): Promise<string> => {
  isBroken = true;
  const runId = await host.start("tree");
  isBroken = false;
  await host.redrive(runId);
  return runId;
};

const scenarios: Record<keyof typeof workflows | "leaf", (host: TestHost) => Promise<string>> = {
  callbacks: async (host) => {
    const runId = await host.start("callbacks");
    await host.skip("50m");
    await host.heartbeat(token);
    await host.skip("50m");
    await host.succeed(token, { pages: 3 });
    await host.skip("2h");
    return runId;
  },
  paused: async (host) => {
    const runId = await host.start("paused");
    await host.pause(runId, { reason: "maintenance", by: "ann" });
    await host.skip("2h");
    await host.resume(runId, { by: "bob" });
    return runId;
  },
  patched: async (host) => {
    const runId = await host.start("patched", undefined, { state: { colour: "red" } });
    const settings = { owner: "api", codeHash: "none" };
    const outside = createEngine(host.ports, { workflows: [], log: silent, settings });
    await patchState(outside, runId, { patch: { colour: "blue", size: 3 }, step: "painting" });
    await host.signal(runId, "go");
    return runId;
  },
  late: (host) => host.start("late"),
  overgrown: (host) => host.start("overgrown"),
  "timed-out": async (host) => {
    const runId = await host.start("timed-out");
    await host.skip("3h");
    return runId;
  },
  redriven: async (host) => {
    isBroken = true;
    const runId = await host.start("redriven");
    isBroken = false;
    await host.redrive(runId);
    return runId;
  },
  stalled: async (host) => {
    const runId = await host.start("stalled");
    host.deploy([workflow("stalled", async (run) => run.sleep("other", "1h"))]);
    await host.skip("2h");
    host.deploy(Object.values(workflows));
    await host.skip("10m");
    return runId;
  },
  continued: (host) => host.start("continued", 1),
  remote: async (host) => {
    host.runner("remote", remoteRunner());
    const runId = await host.start("remote", { order: 7 });
    await host.skip("2h");
    await host.signal(runId, "paid", { by: "card" });
    return runId;
  },
  tree: redrivenTree,
  leaf: async (host) => {
    const operations = await host.operations(await redrivenTree(host));
    return operations.find(({ kind }) => kind === "child")!.childRunId!;
  },
  undone: async (host) => {
    const runId = await host.start("undone");
    await host.skip("3h");
    const operations = await host.operations(runId);
    return operations.find(({ kind }) => kind === "child")!.childRunId!;
  },
};

const ENDINGS: Record<string, string> = { "timed-out": "timedOut", overgrown: "failed", undone: "cancelled" };

describe.each(Object.keys(scenarios) as (keyof typeof scenarios)[])("%s", (name) => {
  test("the journal is still written so", async () => {
    const host = testHost({ workflows: Object.values(workflows) });
    const runId = await scenarios[name](host);
    expect((await host.get(runId)).status).toBe(ENDINGS[name] ?? "completed");
    const file = new URL(`v1-${name}.json`, folder);
    const { recorded, golden } = await withGolden(host, runId, file);
    expect(normalised(recorded)).toEqual(normalised(golden));
  });
});

const isContinued = ({ entries }: GoldenJournal): boolean =>
  entries.some(({ events }) => events.some(({ type }) => type === "RunContinued"));

/** The journal as it was before the run went on as another. */
function beforeItsEnd(golden: GoldenJournal): GoldenJournal {
  const entries = golden.entries.map((entry) => ({
    ...entry,
    events: entry.events.filter(({ type }) => type !== "RunContinued" && type !== "EffectsDone"),
  }));
  return { ...golden, entries };
}

test("every one that was ever kept is still replayed", async () => {
  for (const file of goldenIn(folder)) {
    const golden = readGolden(file);
    const definition = workflows[golden.workflow as keyof typeof workflows];
    // All that such a run still has to do is to go on as another.
    if (isContinued(golden))
      await expect(replayJournal(definition, beforeItsEnd(golden))).rejects.toThrow(
        /end with nothing more, got RunContinued/,
      );
    else await replayJournal(definition, golden);
  }
});

test("every type of event is in a golden journal", () => {
  const files = ["examples/*/golden/*.json", "test/engine/golden*/*.json"].flatMap((pattern) =>
    globSync(pattern),
  );
  const kept = new Set(
    files.flatMap((file) =>
      (JSON.parse(readFileSync(file, "utf8")) as GoldenJournal).entries.flatMap(({ events }) =>
        events.map(({ type }) => type),
      ),
    ),
  );
  expect(Object.keys(legality).filter((type) => !kept.has(type as never))).toEqual([]);
  expect([...kept].filter((type) => !(type in legality))).toEqual([]);
});
