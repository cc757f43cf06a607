/**
 * A saga that is cancelled at every moment: before each call of a port, in each step's work and in each
 * compensation; by itself, and with the process dying right after.
 *
 * What the world has seen done is, at the end, undone or listed in `uncompensated`: nothing is forgotten.
 */
import { describe, expect, test } from "vitest";
import type { Log, RunContext } from "../../shared/core/context.ts";
import { StepfoldError } from "../../shared/core/errors.ts";
import { type AnyWorkflow, workflow } from "../../shared/core/workflow.ts";
import { requestCancel } from "../../shared/engine/control.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import { type TestHost, testHost } from "../../shared/testing/index.ts";
import { loaded } from "../../shared/testing/inspect.ts";

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
const settings = { owner: "outside", codeHash: "none" };
const runId = "saga";
const names = ["a", "b", "c"];

/** Where the sweep may cut in from users' code. */
type Cut = (where: string) => Promise<void>;

interface World {
  done: Set<string>;
  undone: Set<string>;
  cut: Cut;
}

const book = (run: RunContext, world: World, name: string, stuck?: string) =>
  run.step(
    name,
    async () => {
      await world.cut(`before ${name}`);
      world.done.add(name);
      await world.cut(`after ${name}`);
      return name;
    },
    {
      retry: { maxAttempts: 2, initialDelay: "10s", jitter: "none" },
      compensate: async (output) => {
        await world.cut(`before undoing ${output}`);
        if (output === stuck) throw new Error("stuck");
        world.undone.add(output);
        await world.cut(`after undoing ${output}`);
      },
    },
  );

/** Sagas of several shapes; each ends in a failure of its own if nobody cancels it. */
const sagas: Record<string, (world: World) => AnyWorkflow> = {
  "one after the other": (world) =>
    workflow("saga", async (run) => {
      for (const name of names) {
        await book(run, world, name);
        await run.sleep(`after ${name}`, "1m");
      }
      throw new Error("no");
    }),
  "one that cannot be undone": (world) =>
    workflow("saga", async (run) => {
      for (const name of names) await book(run, world, name, "b");
      await run.sleep("nap", "1m");
      throw new Error("no");
    }),
  "all at once": (world) =>
    workflow("saga", async (run) => {
      await run.all("all", {
        a: (branch) => book(branch, world, "a"),
        b: (branch) => book(branch, world, "b"),
        c: async (branch) => {
          await branch.sleep("nap", "1m");
          return book(branch, world, "c");
        },
      });
      throw new Error("no");
    }),
  "one whose last step does its work and never answers": (world) =>
    workflow("saga", async (run) => {
      await book(run, world, "a");
      await book(run, world, "b");
      await run.step(
        "c",
        () => {
          world.done.add("c");
          return new Promise<string>(() => {});
        },
        { timeout: "10s", retry: { maxAttempts: 2 }, compensate: () => {} },
      );
    }),
  "one that cleans up and returns": (world) =>
    workflow("saga", async (run) => {
      try {
        for (const name of names) await book(run, world, name);
        await run.sleep("nap", "1m");
      } catch {
        return "caught";
      }
      throw new Error("no");
    }),
};

async function ended(host: TestHost, world: World): Promise<string> {
  await host.skip("10m");
  const { state } = await loaded(host.ports, runId);
  const status = state.finished?.status ?? "unfinished";
  const listed = state.uncompensated.map(({ name }) => name);
  const forgotten = [...world.done].filter((name) => !world.undone.has(name) && !listed.includes(name));
  const both = listed.filter((name) => world.undone.has(name));
  expect({ status, forgotten, both }).toEqual({
    status: expect.stringMatching(/^(failed|cancelled)$/),
    forgotten: [],
    both: [],
  });
  return status;
}

const newWorld = (): World => ({ done: new Set(), undone: new Set(), cut: async () => {} });

/** Cancels before the `at`-th call of a port, wherever it comes from. Answers how many there were. */
async function cancelledAtCall(saga: (world: World) => AnyWorkflow, at: number, dies: boolean) {
  const world = newWorld();
  const host = testHost({ workflows: [saga(world)], patienceMs: 5 });
  let calls = 0;
  let isCancelling = false;
  const count = async (): Promise<void> => {
    if (isCancelling || ++calls !== at) return;
    isCancelling = true;
    await cancelNow(host);
    isCancelling = false;
    if (dies) host.crash();
  };
  tapped(host.ports.journal, ["create", "append", "read", "tail", "project", "reschedule"], count);
  tapped(host.ports.queue, ["send", "acknowledge"], count);
  tapped(host.ports.scheduler, ["schedule"], count);
  await host.start("saga", undefined, { runId });
  const status = await ended(host, world);
  return { calls, status };
}

function tapped<Port extends object>(
  port: Port,
  methods: (keyof Port & string)[],
  before: () => Promise<void>,
) {
  for (const name of methods) {
    const method = port[name] as (...args: unknown[]) => Promise<unknown>;
    Object.assign(port, {
      [name]: async (...args: unknown[]) => {
        await before();
        return method.apply(port, args);
      },
    });
  }
}

/** A run that is not there yet, or is over, is not cancelled. */
async function cancelNow(host: TestHost): Promise<void> {
  const engine = createEngine(host.ports, { workflows: [], log: silent, settings });
  try {
    await requestCancel(engine, runId);
  } catch (error) {
    if (!(error instanceof StepfoldError && ["RunNotFound", "RunFinished"].includes(error.code))) throw error;
  }
}

describe.each(Object.keys(sagas))("%s", (shape) => {
  const saga = sagas[shape]!;

  test.each([false, true])("cancelled before every call of a port; dies: %s", async (dies) => {
    const statuses = new Set<string>();
    const { calls } = await cancelledAtCall(saga, 0, false);
    expect(calls).toBeGreaterThan(20);
    for (let at = 1; at <= calls; at++) statuses.add((await cancelledAtCall(saga, at, dies)).status);
    expect(statuses).toEqual(new Set(["cancelled", "failed"]));
  });

  test.each([false, true])("cancelled within every step and compensation; dies: %s", async (dies) => {
    const seen: string[] = [];
    const attempt = async (target: string | undefined): Promise<void> => {
      const world = newWorld();
      const host = testHost({ workflows: [saga(world)], patienceMs: 5 });
      let isCut = false;
      world.cut = async (where) => {
        if (target === undefined) seen.push(where);
        if (where !== target || isCut) return;
        isCut = true;
        await cancelNow(host);
        if (!dies) return;
        host.crash();
        await new Promise(() => {});
      };
      await host.start("saga", undefined, { runId });
      await ended(host, world);
      expect(isCut).toBe(target !== undefined);
    };
    await attempt(undefined);
    expect(new Set(seen).size).toBe(
      shape.includes("never answers") ? 8 : shape.includes("cannot be undone") ? 11 : 12,
    );
    for (const where of new Set(seen)) await attempt(where);
  });

  test("cancelled after every so many seconds", async () => {
    for (let seconds = 0; seconds <= 200; seconds += 5) {
      const world = newWorld();
      const host = testHost({ workflows: [saga(world)], patienceMs: 5 });
      await host.start("saga", undefined, { runId });
      await host.skip(seconds);
      if ((await host.get(runId)).status !== "failed") await host.cancel(runId);
      await ended(host, world);
    }
  });
});
