import { describe, expect, it } from "vitest";
import { applyEntry, fold } from "../../shared/core/fold.ts";
import { statusOf, wakeAtOf } from "../../shared/core/state.ts";
import * as a from "../support/journal.ts";

const code = (expected: string) => expect.objectContaining({ code: expected });

describe("a fold", () => {
  it("refuses a journal with a gap, and one without a beginning (1)", () => {
    const entries = a.journal(a.legStarted(), a.legParked());
    expect(() => fold(a.identity, [entries[0]!, entries[2]!])).toThrow(code("JournalGap"));
    expect(() => fold(a.identity, entries.slice(1))).toThrow(code("JournalGap"));
    expect(() => fold(a.identity, [])).toThrow(code("JournalGap"));
  });

  it("comes to the same entry by entry", () => {
    const entries = a.journal(
      [a.legStarted(), a.stepStarted("1", "charge")],
      [a.stepCompleted("1", 7), a.timerStarted("2", "nap", 9_000), a.legParked()],
      a.signalReceived("s", "go"),
    );
    const whole = fold(a.identity, entries);
    const grown = fold(a.identity, entries.slice(0, 1));
    for (const entry of entries.slice(1)) applyEntry(grown, entry);
    expect(grown).toEqual(whole);
  });

  it.each([
    ["settles no operation twice", [a.stepCompleted("1"), a.stepCompleted("1")]],
    ["settles none of another kind", [a.settled("TimerFired", "1")]],
    ["starts none twice", [a.stepStarted("1", "again")]],
    ["knows no attempt before the one before it", [a.stepRetried("1", 3)]],
    ["delivers no signal that has not come", [a.signalAwaited("2", "go"), a.signalDelivered("2", "s")]],
    ["delivers no cancel that nobody asked for", [a.cancelDelivered()]],
    ["settles no child that has not ended", [a.childStarted("2"), a.settled("ChildSettled", "2")]],
    ["records nothing late for what is open", [a.settled("LateResultRecorded", "1")]],
  ])("%s (2)", (_, events) => {
    expect(() => a.stateOf([a.legStarted(), a.stepStarted("1", "charge")], events)).toThrow(
      code("IllegalEvent"),
    );
  });

  it("is to be cancelled from the start, where the run that it continues was", () => {
    const asked = { reason: "enough", by: "somebody" };
    const created = a.runCreated({ continuedFrom: "run-0", cancel: asked });
    const state = a.stateOf(created, [a.legStarted(), a.cancelDelivered()]);
    expect(state.cancel).toEqual({ ...asked, at: state.createdAt, delivered: true });
    expect(created.cancel).toEqual(asked);
  });

  it("takes what comes from outside once (3)", () => {
    const state = a.stateOf(
      [a.signalReceived("s", "go", 1), a.statePatched("p", { x: 1 })],
      [a.signalReceived("s", "go", 2), a.statePatched("p", { x: 2 })],
      [a.cancelRequested("one"), a.cancelRequested("two")],
    );
    expect(state.signals.get("s")?.payload).toEqual({ v: 1 });
    expect(state.patches).toEqual([{ v: { x: 1 } }]);
    expect([...state.buffered]).toEqual(["s"]);
  });

  it.each<[string, number, number | undefined]>([
    ["offers a patch again that a redrive has taken back from the code", 2, 0],
    ["offers none again that the code was told of before the cut", 4, undefined],
  ])("%s", (_, cut, firstUndelivered) => {
    const state = a.stateOf(
      [a.legStarted(), a.stepStarted("1", "charge")],
      a.statePatched("p", { x: 1 }),
      [a.patchDelivered(1), a.stepFailed("1"), a.runFailed()],
      a.runRedriven(cut),
    );
    expect(state.patches).toEqual([{ v: { x: 1 } }]);
    expect(state.firstUndelivered).toBe(firstUndelivered);
  });
});

describe("what a state tells", () => {
  it("its status: pending, running, sleeping, waiting, then how it ended", () => {
    const sleeps = [a.legStarted(), a.timerStarted("1", "nap", 5_000)];
    expect(statusOf(a.stateOf(a.runCreated()))).toBe("pending");
    expect(statusOf(a.stateOf(sleeps))).toBe("running");
    expect(statusOf(a.stateOf([...sleeps, a.legParked()]))).toBe("sleeping");
    expect(statusOf(a.stateOf([...sleeps, a.signalAwaited("2", "go"), a.legParked()]))).toBe("waiting");
    expect(statusOf(a.stateOf([...sleeps, a.legParked()], a.pauseRequested()))).toBe("paused");
    expect(statusOf(a.stateOf([...sleeps, a.runFailed()]))).toBe("failed");
  });

  it("when it next has something to do: the earliest of its times", () => {
    const created = a.runCreated({ deadline: 60_000 });
    const waits = [
      a.legStarted(),
      a.timerStarted("1", "nap", 9_000),
      a.stepStarted("2", "charge"),
      a.stepAttemptFailed("2", 1, 7_000),
      a.signalAwaited("3", "go", 8_000),
    ];
    const state = a.stateOf(created, waits);
    expect(wakeAtOf(state)).toBe(7_000);
    expect(wakeAtOf(a.stateOf(created, waits, a.stepRetried("2", 2)))).toBe(8_000);
    expect(wakeAtOf(a.stateOf(created, [a.legStarted(), a.signalAwaited("1", "go")]))).toBe(60_000);
  });

  it("once a cancel was asked for, the deadline no longer binds", () => {
    const created = a.runCreated({ deadline: 60_000 });
    const state = a.stateOf(created, [a.legStarted(), a.signalAwaited("1", "go")], a.cancelRequested());
    expect(wakeAtOf(state)).toBeUndefined();
  });

  it("a claim that nobody followed up is no progress; an owner's entry after it is (J11)", () => {
    const claim = [a.legStarted(), a.stepStarted("1", "charge")];
    expect(a.stateOf(claim).progressed).toBe(false);
    expect(a.stateOf(claim, a.signalReceived("s", "go")).progressed).toBe(false);
    expect(a.stateOf(claim, a.stepCompleted("1")).progressed).toBe(true);
    expect(a.stateOf(claim, a.stepCompleted("1"), a.legStarted("other")).progressed).toBe(false);
  });
});

describe("what a run owes", () => {
  const child = [a.legStarted(), a.childStarted("1")];

  it("its children, started and cancelled, until that is noted", () => {
    expect([...a.stateOf(child).effects.keys()]).toEqual(["start:1"]);
    expect(a.stateOf(child, a.effectsDone("start:1")).effects.size).toBe(0);
    const cutOff = a.settled("OperationCancelled", "1");
    const cancel = { id: "cancel:1:0", kind: "cancelChild", childRunId: "child-1" };
    expect([...a.stateOf(child, [a.effectsDone("start:1"), cutOff]).effects.values()]).toEqual([cancel]);
  });

  it("in one, a child that was cut off before its start was noted: it may not be there", () => {
    const effects = [...a.stateOf(child, a.settled("OperationCancelled", "1")).effects.values()];
    expect(effects).toMatchObject([{ id: "cancel:1:0", unstarted: { childRunId: "child-1" } }]);
  });

  it("the cancel of a child that was cut off, also after a redrive; but of none that is asked for again", () => {
    const failed = [a.stepStarted("2", "charge"), a.stepFailed("2"), a.runFailed()];
    const redriven = a.stateOf([...child, ...failed], a.runRedriven(1));
    expect([...redriven.effects.keys()]).toEqual(["cancel:1:0"]);
    const node = a.childStarted("1", { node: { from: 0, to: 1, concurrency: 1 } });
    const again = a.stateOf([a.legStarted(), node, ...failed], a.runRedriven(2));
    expect([...again.effects.keys()]).toEqual(["start:1:1"]);
  });

  it("its parent, the news of its end", () => {
    const created = a.runCreated({ parent: { runId: "parent", operation: "7" } });
    const state = a.stateOf(created, a.legStarted(), a.runCompleted(1));
    expect([...state.effects.values()]).toMatchObject([
      { kind: "tellParent", runId: "parent", operation: "7" },
    ]);
  });

  it("a child's end that comes with a cancel is forgotten with its operation", () => {
    const state = a.stateOf(child, [a.childFinished("1"), a.cancelRequested()], [a.cancelDelivered()]);
    expect(state.childEnds.size).toBe(0);
    expect(state.operations.get("1")?.status).toBe("cancelled");
  });
});
