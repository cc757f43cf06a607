/** Cancels along a chain of runs that go on as others: each holds once, for the run that it finds. */
import { beforeEach, describe, expect, test } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import type { Entry } from "../../shared/core/events.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { redrive, requestCancel, sendSignal, start } from "../../shared/engine/control.ts";
import { loadRun } from "../../shared/engine/load.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import { wakeOf } from "../../shared/engine/wake.ts";
import type { JournalStore, RunKey } from "../../shared/ports/journal.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const request = { reason: "no longer wanted", by: "somebody" };

let begun: string[];
const link = workflow("link", async (run, left: number) => {
  await run.step("begin", () => void begun.push(run.runId));
  if (left > 0) run.continueAsNew(left - 1);
  await run.waitForSignal("go");
});
const racing = workflow("racing", async (run) => {
  await run.race("first", {
    chain: (run) => run.child("chain", link, 1),
    signal: (run) => run.waitForSignal("enough"),
  });
  await run.waitForSignal("end");
});

let ports: ReturnType<typeof memoryPorts>;
let api: Engine;
beforeEach(() => {
  begun = [];
  ports = memoryPorts();
  api = engineOf("api");
});

const engineOf = (owner: string, calls: Partial<JournalStore> = {}) =>
  createEngine(
    { ...ports, journal: journalWith(calls) },
    { workflows: [link, racing], log: silent, settings: { owner, codeHash: "c" } },
  );

/** The store, but for some calls. */
const journalWith = (calls: Partial<JournalStore>): JournalStore =>
  new Proxy(ports.journal, {
    get: (journal, name) => {
      const member: unknown = Reflect.get(calls, name) ?? Reflect.get(journal, name);
      return typeof member === "function" ? member.bind(journal) : member;
    },
  });

/** A process that hears of a cancel only as it stores that the run goes on. */
const cancelledTooLate = (calls: Partial<JournalStore> = {}) =>
  engineOf("late", {
    ...calls,
    append: async (key: RunKey, entry: Entry, expiresAt: number) => {
      const goesOn = entry.events.some(({ type }) => type === "RunContinued");
      if (goesOn && key.runId === "run") await requestCancel(api, "run", request);
      return ports.journal.append(key, entry, expiresAt);
    },
  });

async function work(engine: Engine): Promise<void> {
  for (;;) {
    const letters = await ports.queue.receive("work", { max: 1, waitMs: 0 });
    if (letters.length === 0) return;
    await Promise.allSettled(letters.map(({ body }) => advance(engine, body)));
    await ports.queue.acknowledge(
      "work",
      letters.map(({ receipt }) => receipt),
    );
  }
}

/** What the sweep does with a run that is still due. */
async function sweep(engine: Engine, runId: string): Promise<void> {
  const header = (await ports.journal.header(runId, { consistent: true }))!;
  expect(header.dueAt).toBeDefined();
  await advance(engine, JSON.stringify(wakeOf(header)));
  await work(engine);
}

const stateOf = async (runId: string) => (await loadRun(ports, runId, { consistent: true }))!.state;
const isGoingOn = async (runId: string) => {
  const { cancel, finished } = await stateOf(runId);
  return cancel === undefined && finished === undefined;
};
const successorOf = async (runId: string) => (await stateOf(runId)).continuedTo!;

describe("a cancel that comes too late for a run that goes on", () => {
  test("is in its successor's first event, so that none of its code begins", async () => {
    await start(api, { workflow: "link", runId: "run", input: 1 });
    // This process dies over the successor's start.
    const dies = () => Promise.reject(new Error("gone"));
    await work(cancelledTooLate({ project: dies }));
    const successor = await successorOf("run");
    expect(await stateOf(successor)).toMatchObject({ created: { cancel: request } });
    await work(engineOf("next"));
    expect(await stateOf(successor)).toMatchObject({ cancel: request, finished: { status: "cancelled" } });
    expect(begun).toEqual(["run"]);
  });

  test("is shown of the successor from its start", async () => {
    await start(api, { workflow: "link", runId: "run", input: 1 });
    const engine = cancelledTooLate();
    const [letter] = await ports.queue.receive("work", { max: 1, waitMs: 0 });
    await advance(engine, letter!.body);
    const header = await ports.journal.header(await successorOf("run"), { consistent: true });
    expect(header).toMatchObject({ headerSequence: 0, cancelRequested: true });
  });

  test("does not come again to a successor that was redriven since", async () => {
    await start(api, { workflow: "link", runId: "run", input: 1 });
    const project: JournalStore["project"] = (key, projection) =>
      key.runId === "run" && projection.dueAt === null
        ? Promise.reject(new Error("gone"))
        : ports.journal.project(key, projection);
    await work(cancelledTooLate({ project }));
    const successor = await successorOf("run");
    expect((await stateOf(successor)).finished?.status).toBe("cancelled");
    await redrive(api, successor);
    const next = engineOf("next");
    await work(next);
    await sweep(next, "run");
    expect(await isGoingOn(successor)).toBe(true);
    expect(begun).toEqual(["run", successor]);
  });

  test("goes no further than to the next run: what that goes on as after a redrive is not cancelled", async () => {
    await start(api, { workflow: "link", runId: "run", input: 2 });
    const project: JournalStore["project"] = (key, projection) =>
      key.runId === "run" && projection.dueAt === null
        ? Promise.reject(new Error("gone"))
        : ports.journal.project(key, projection);
    await work(cancelledTooLate({ project }));
    const second = await successorOf("run");
    await redrive(api, second);
    const next = engineOf("next");
    await work(next);
    const third = await successorOf(second);
    await sweep(next, "run");
    expect(await isGoingOn(third)).toBe(true);
  });

  test("holds for a run that was cancelled and redriven before", async () => {
    await start(api, { workflow: "link", runId: "run", input: 1 });
    await requestCancel(api, "run", request);
    const next = engineOf("next");
    await work(next);
    expect((await stateOf("run")).finished?.status).toBe("cancelled");
    await redrive(api, "run");
    await work(cancelledTooLate());
    await work(next);
    expect((await stateOf(await successorOf("run"))).finished?.status).toBe("cancelled");
  });

  test("a run that goes on is no longer cancelled, nor redriven", async () => {
    await start(api, { workflow: "link", runId: "run", input: 1 });
    await work(engineOf("next"));
    await expect(requestCancel(api, "run")).rejects.toMatchObject({ code: "RunFinished" });
    await expect(redrive(api, "run")).rejects.toMatchObject({ code: "NotRedrivable" });
    expect(await isGoingOn(await successorOf("run"))).toBe(true);
  });
});

describe("the cancel of a child that is no longer needed", () => {
  test("does not come again to one that was redriven since", async () => {
    await start(api, { workflow: "racing", runId: "run" });
    const first = engineOf("first");
    await work(first);
    const child = (await stateOf("run")).operations.get("1/chain/1")!.childRunId!;
    const last = await successorOf(child);
    await sendSignal(api, { runId: "run", name: "enough", strict: true });
    await work(first);
    expect((await stateOf(last)).finished?.status).toBe("cancelled");
    await redrive(api, last);
    await work(first);
    await sendSignal(api, { runId: "run", name: "end", strict: true });
    // This process does not know what the first has done.
    await work(engineOf("second"));
    expect((await stateOf("run")).finished?.status).toBe("completed");
    expect(await isGoingOn(last)).toBe(true);
  });
});
