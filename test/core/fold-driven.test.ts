/** What managed and mirrored runs come to by what they are told: given journal → state. */
import { describe, expect, test } from "vitest";
import { statusOf, wakeAtOf } from "../../shared/core/state.ts";
import * as a from "../support/journal.ts";

const valuesOf = (state: ReturnType<typeof a.stateOf>) =>
  state.patches.map((patch) => ("v" in patch ? patch.v : patch));

describe("a managed run", () => {
  test("begins pending, waits with what it waits for, and runs on without it", () => {
    expect(statusOf(a.stateOf(a.runManaged()))).toBe("pending");
    const waiting = a.stateOf(a.runManaged(), a.waitBegun("1", { for: "paper" }, "print"));
    expect(statusOf(waiting)).toBe("waiting");
    expect(waiting).toMatchObject({
      step: "print",
      startedAt: 1_000,
      driven: { wait: { v: { for: "paper" } } },
    });
    const running = a.stateOf(a.runManaged(), a.waitBegun("1", {}), a.continued("2", { a: 1 }, "sign"));
    expect(statusOf(running)).toBe("running");
    expect(running).toMatchObject({ step: "sign", startedAt: 1_000 });
    expect(running.driven?.wait).toBeUndefined();
    expect(valuesOf(running)).toEqual([{ a: 1 }]);
  });

  test("a change whose request is there already changes nothing", () => {
    const twice = a.stateOf(
      a.runManaged(),
      a.continued("1", { a: 1 }),
      a.waitBegun("2", {}),
      a.continued("1", { a: 2 }),
      a.waitBegun("2", { other: true }),
    );
    expect(statusOf(twice)).toBe("waiting");
    expect(valuesOf(twice)).toEqual([{ a: 1 }]);
    expect(twice.driven?.wait).toEqual({ v: {} });
  });

  test("a failure's reason and time are in the state, after its patch", () => {
    const failed = a.stateOf(a.runManaged(), {
      type: "RunFailed",
      error: a.anError(),
      patch: { v: { failure: "overwritten", at: "till" } },
    });
    expect(failed.finished).toMatchObject({ status: "failed", at: 1_000, error: { message: "no" } });
    expect(valuesOf(failed)).toEqual([
      { failure: "overwritten", at: "till" },
      { failure: { reason: "no", at: "1970-01-01T00:00:01.000Z" } },
    ]);
  });

  test("its end leaves nothing open, and nobody waiting or holding it", () => {
    const ended = a.stateOf(
      a.runManaged(),
      [a.leaseGranted(), a.stepReported("step"), a.gateOpened("gate", "gate"), a.waitBegun("1", {})],
      a.runCompleted("done"),
    );
    expect(ended.open.size).toBe(0);
    expect(ended.driven).toMatchObject({ wait: undefined, lease: undefined });
    expect([...ended.operations.values()].map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
  });

  test("a decision settles a gate at once", () => {
    const decided = a.stateOf(a.runManaged(), a.gateOpened("g", "ship"), a.gateDecided("g", false));
    expect(decided.operations.get("g")).toMatchObject({
      status: "completed",
      finishedAt: 2_000,
      decision: { approved: false, at: 2_000 },
      output: { v: { approved: false } },
    });
    expect(decided.open.size + decided.timed.size + decided.answered.size).toBe(0);
  });

  test("wakes by itself for a gate's end and its deadline, unless it is paused or asked to end", () => {
    const gate = { ...a.gateOpened("g", "ship"), dueAt: 9_000 };
    const run = a.runManaged({ deadline: 10_000 });
    expect(wakeAtOf(a.stateOf(run))).toBe(10_000);
    expect(wakeAtOf(a.stateOf(run, gate))).toBe(9_000);
    expect(wakeAtOf(a.stateOf(run, gate, a.gateDecided("g")))).toBe(10_000);
    expect(wakeAtOf(a.stateOf(run, gate, a.cancelRequested()))).toBe(9_000);
    expect(wakeAtOf(a.stateOf(run, a.cancelRequested()))).toBeUndefined();
    expect(wakeAtOf(a.stateOf(run, gate, a.pauseRequested()))).toBeUndefined();
    expect(wakeAtOf(a.stateOf(a.runManaged({ startAt: 5_000 })))).toBeUndefined();
  });

  test("says which entry changed the listed status last", () => {
    const steered = (...events: Parameters<typeof a.stateOf>) => a.stateOf(a.runManaged(), ...events).steered;
    expect(steered(a.continued("1"))).toBe(1);
    expect(steered(a.continued("1"), a.continued("2"), a.statePatched("3", {}))).toBe(1);
    expect(steered(a.continued("1"), a.waitBegun("2", {}), a.waitBegun("3", {}))).toBe(2);
    expect(steered(a.continued("1"), a.leaseGranted(), a.runCompleted())).toBe(3);
  });
});

describe("a lease", () => {
  test("has the sequence of its grant as its generation, also once renewed", () => {
    const renewed = a.stateOf(
      a.runManaged(),
      a.continued("1"),
      a.leaseGranted("one"),
      a.leaseRenewed(70_000),
    );
    expect(renewed).toMatchObject({ generation: 2, driven: { lease: { token: "one", until: 70_000 } } });
    const taken = a.stateOf(a.runManaged(), a.leaseGranted("one"), a.leaseGranted("two"));
    expect(taken).toMatchObject({ generation: 2, driven: { lease: { token: "two" } } });
    expect(a.stateOf(a.runManaged(), a.leaseGranted(), a.leaseReleased()).driven?.lease).toBeUndefined();
  });

  test("is the claim that a pending run waits for", () => {
    const claimed = a.stateOf(a.runManaged(), a.leaseGranted());
    expect(statusOf(claimed)).toBe("running");
    expect(claimed.startedAt).toBe(1_000);
    expect(statusOf(a.stateOf(a.runManaged(), a.waitBegun("1", {}), a.leaseGranted()))).toBe("waiting");
  });

  test("cannot be renewed where nobody holds it", () => {
    expect(() => a.stateOf(a.runManaged(), a.leaseRenewed())).toThrow(/LeaseRenewed while nobody/);
  });
});

describe("a reported step", () => {
  const stepOf = (...events: Parameters<typeof a.stateOf>) =>
    a.stateOf(a.runManaged(), ...events).operations.get("s")!;

  test("is pending, or running since it was reported with a retry count", () => {
    const pending = stepOf(a.stepReported("s"));
    expect(pending).toMatchObject({ status: "pending", attempts: 0 });
    expect(pending.reported?.startedAt).toBeUndefined();
    const running = stepOf(a.stepReported("s", { status: "running", retryCount: 2, role: "maker" }));
    expect(running).toMatchObject({
      status: "running",
      attempts: 3,
      reported: { startedAt: 1_000, role: "maker" },
    });
  });

  test("begins and ends by its updates; what is not sent is kept", () => {
    const done = stepOf(
      a.stepReported("s"),
      a.stepUpdated("s", "running", { context: { v: 1 }, childRunId: "child" }),
      a.stepUpdated("s", "completed", { output: { v: "ok" }, markers: { v: ["m"] } }),
    );
    expect(done).toMatchObject({
      status: "completed",
      attempts: 1,
      finishedAt: 3_000,
      output: { v: "ok" },
      childRunId: "child",
      reported: { startedAt: 2_000, context: { v: 1 }, markers: { v: ["m"] } },
    });
  });

  test("that failed has its error as output, unless it has another", () => {
    const error = a.anError();
    expect(stepOf(a.stepReported("s"), a.stepUpdated("s", "failed", { error })).output).toEqual({ v: error });
    const told = stepOf(a.stepReported("s"), a.stepUpdated("s", "failed", { error, output: { v: "told" } }));
    expect(told).toMatchObject({ error, output: { v: "told" } });
  });

  test("that is tried again leaves its failure behind, is open, and counts as a retry of the run", () => {
    const events = [
      a.stepReported("s", { status: "running", retryCount: 0 }),
      a.stepUpdated("s", "failed", { error: a.anError() }),
      a.stepUpdated("s", "running", { retryCount: 1 }),
    ];
    const again = a.stateOf(a.runManaged(), ...events);
    expect(again.operations.get("s")).toMatchObject({ status: "running", attempts: 2 });
    for (const left of ["error", "output", "finishedAt"] as const)
      expect(again.operations.get("s")![left]).toBeUndefined();
    expect(again.open.has("s")).toBe(true);
    expect(again.retryCount).toBe(1);
    expect(
      a.stateOf(a.runManaged(), ...events, a.stepUpdated("s", "completed", { retryCount: 1 })),
    ).toMatchObject({ retryCount: 1 });
  });

  test("has items, each with its own state", () => {
    const { driven } = a.stateOf(
      a.runManaged(),
      a.stepReported("s"),
      a.itemsAdded("s", "1", "2"),
      a.itemsUpdated("s", { itemId: "2", status: "failed", error: a.anError() }),
      a.itemsAdded("s", "3"),
      a.itemsUpdated(
        "s",
        { itemId: "2", status: "completed", output: { v: 2 } },
        { itemId: "1", status: "skipped" },
      ),
    );
    expect([...(driven?.items.get("s")?.values() ?? [])]).toEqual([
      { itemId: "1", type: "line", id: "their-1", status: "skipped" },
      { itemId: "2", type: "line", id: "their-2", status: "completed", output: { v: 2 } },
      { itemId: "3", type: "line", id: "their-3", status: "pending" },
    ]);
  });

  test("that is not there, or is there already, makes the journal illegal", () => {
    expect(() => stepOf(a.stepUpdated("s", "running"))).toThrow(/no reported step/);
    expect(() => stepOf(a.stepReported("s"), a.stepReported("s"))).toThrow(/which exists/);
    expect(() => stepOf(a.stepReported("s"), a.itemsUpdated("s", { itemId: "1", status: "failed" }))).toThrow(
      /no item of s/,
    );
  });
});

describe("an observation", () => {
  const seen = (...events: Parameters<typeof a.stateOf>) =>
    a.stateOf(a.runMirrored(), ...events).operations.get("o")!;

  test("of a mirrored run, which began as it was created", () => {
    const run = a.stateOf(a.runMirrored());
    expect(statusOf(run)).toBe("running");
    expect(run.startedAt).toBe(0);
  });

  test("keeps what a later one does not say", () => {
    const observed = seen(
      a.observationReported("o", "running", { sessionKey: "k", observedAt: 500 }),
      a.observationReported("o", "completed", { output: { v: 1 }, observedAt: 700 }),
    );
    expect(observed).toMatchObject({
      kind: "observation",
      status: "completed",
      startedAt: 500,
      finishedAt: 700,
      output: { v: 1 },
      reported: { sessionKey: "k", observedAt: 700 },
    });
  });

  test("that is older, or would unfinish what is finished, changes nothing", () => {
    const done = [a.observationReported("o", "completed", { output: { v: 1 }, observedAt: 700 })];
    const expected = seen(...done);
    expect(seen(...done, a.observationReported("o", "failed", { observedAt: 600, name: "old" }))).toEqual(
      expected,
    );
    expect(seen(...done, a.observationReported("o", "running", { observedAt: 900 }))).toEqual(expected);
    expect(seen(...done, ...done)).toEqual(expected);
  });

  test("that is newer corrects an end; one without a time is as of its arrival", () => {
    const corrected = seen(
      a.observationReported("o", "failed", { error: a.anError() }),
      a.observationReported("o", "completed"),
    );
    expect(corrected).toMatchObject({ status: "completed", finishedAt: 1_000 });
    expect(corrected.error).toBeUndefined();
  });

  test("counts also after its run's end, which leaves it as it was", () => {
    const open = [a.observationReported("o", "running")];
    expect(seen(...open, a.runCompleted()).status).toBe("running");
    expect(seen(...open, a.runCompleted(), a.observationReported("o", "completed")).status).toBe("completed");
  });
});
