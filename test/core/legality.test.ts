/** The table of `legality.ts`, written down once more as it was meant, and what the fold does by it. */
import { describe, expect, it } from "vitest";
import type { EventType, RunEvent } from "../../shared/core/events.ts";
import { applyEvent, openEntry } from "../../shared/core/fold.ts";
import { legality, type Phase } from "../../shared/core/legality.ts";
import type { RunState } from "../../shared/core/state.ts";
import * as a from "../support/journal.ts";

const PHASES: Phase[] = ["created", "leased", "parked", "driven", "finished"];

/** In the order of `PHASES`. */
const table: Record<EventType, string> = {
  RunCreated: ".....",
  SignalReceived: "xxxx.",
  // Finished: with the round that a node is not asked for in.
  CancelRequested: "xxxxx",
  StatePatched: "xxxx.",
  ChildFinished: "xxx.x",
  GateDecided: "xxxx.",
  CallbackUsed: "xxx..",
  CallbackBeaten: "xxx..",
  PauseRequested: "xxxx.",
  ResumeRequested: "xxxx.",
  // Parked: where it is stalled.
  RunRedriven: "..x.x",
  UndoRequested: "....x",
  LegStarted: "xxx..",
  LegParked: ".x...",
  RunStalled: ".x...",
  EffectsDone: ".x..x",
  StepCompleted: ".x...",
  StepFailed: ".x...",
  StepAttemptFailed: ".x...",
  TurnAnswered: ".x...",
  TurnUnanswered: ".x...",
  StepRetried: ".x...",
  TimerFired: ".x...",
  SignalDelivered: ".x...",
  SignalRejected: ".x...",
  SignalTimedOut: ".x...",
  ChildSettled: ".x...",
  ItemKept: ".x...",
  GateSettled: ".x...",
  GateTimedOut: ".x.x.",
  CallbackSettled: ".x...",
  CallbackTimedOut: ".x...",
  CallbackSent: ".x...",
  ConditionTimedOut: ".x...",
  ConditionUnmet: ".x...",
  PatchDelivered: ".x...",
  CancelDelivered: ".x...",
  DeadlineReached: ".x...",
  HistoryLimitReached: ".x...",
  LateResultRecorded: ".x...",
  StepStarted: ".x...",
  TurnStarted: ".x...",
  TimerStarted: ".x...",
  SignalAwaited: ".x...",
  ChildStarted: ".x...",
  GateOpened: ".x.x.",
  CallbackCreated: ".x...",
  ConditionStarted: ".x...",
  CompensationStarted: ".x...",
  PatchMarked: ".x...",
  RunContinued: ".x...",
  BranchesStarted: ".x...",
  BranchesSettled: ".x...",
  ItemStarted: ".x...",
  ItemSettled: ".x...",
  OperationCancelled: ".x...",
  StateSet: ".x...",
  RunCompleted: ".x.x.",
  RunFailed: ".x.x.",
  // Parked: where it is stalled.
  RunCancelled: ".xxx.",
  RunTimedOut: ".x.x.",
  WaitBegun: "...x.",
  Continued: "...x.",
  LeaseGranted: "...x.",
  LeaseRenewed: "...x.",
  LeaseReleased: "...x.",
  StepReported: "...x.",
  StepUpdated: "...x.",
  ItemsAdded: "...x.",
  ItemsUpdated: "...x.",
  ObservationReported: "...xx",
};

/** One of each, which fits the operations of `begun`. */
const events: RunEvent[] = [
  a.runCreated(),
  a.signalReceived("s9", "go"),
  a.cancelRequested("c9"),
  a.statePatched("p9", {}),
  a.childFinished("child"),
  a.gateDecided("gate"),
  a.callbackUsed("callback"),
  a.callbackBeaten("callback"),
  a.pauseRequested(),
  a.resumeRequested(),
  a.runRedriven(1),
  { type: "UndoRequested", requestId: "undo", operation: "2/0-99~" },
  a.legStarted(),
  a.legParked(),
  a.runStalled(),
  a.effectsDone("none"),
  a.stepCompleted("step"),
  a.stepFailed("step"),
  a.stepAttemptFailed("step", 1, 9_000),
  a.turnAnswered("turn"),
  a.turnUnanswered("turn", 1, 9_000),
  a.stepRetried("step", 2),
  a.settled("TimerFired", "timer"),
  a.signalDelivered("wait", "s1"),
  { type: "SignalRejected", operation: "wait", signalId: "s1", message: "no" },
  a.settled("SignalTimedOut", "wait"),
  a.settled("ChildSettled", "child"),
  a.settled("ItemKept", "item"),
  a.settled("GateSettled", "gate"),
  a.settled("GateTimedOut", "gate"),
  a.settled("CallbackSettled", "callback"),
  a.settled("CallbackTimedOut", "callback"),
  a.settled("CallbackSent", "callback"),
  a.settled("ConditionTimedOut", "condition"),
  { type: "ConditionUnmet", operation: "condition", attempt: 1, nextAttemptAt: 9_000 },
  a.patchDelivered(1),
  a.cancelDelivered(),
  a.deadlineReached(),
  a.historyLimitReached(),
  a.settled("LateResultRecorded", "done"),
  a.stepStarted("new", "new"),
  a.turnStarted("new"),
  a.timerStarted("new", "new", 9_000),
  a.signalAwaited("new", "new"),
  a.childStarted("new"),
  a.gateOpened("new", "new"),
  a.callbackCreated("new", "new"),
  a.conditionStarted("new", "new"),
  { type: "CompensationStarted", operation: "new", name: "new", of: "done" },
  { type: "PatchMarked", name: "gate" },
  { type: "RunContinued", nextRunId: "next" },
  a.branchesStarted("new", "all"),
  a.settled("BranchesSettled", "fork"),
  a.itemStarted("new"),
  a.settled("ItemSettled", "item"),
  a.settled("OperationCancelled", "timer"),
  a.stateSet({}),
  a.runCompleted(),
  a.runFailed(),
  a.runCancelled(),
  { type: "RunTimedOut", error: a.anError() },
  a.waitBegun("w9", { for: "go" }),
  a.continued("c9", {}),
  a.leaseGranted("worker-2"),
  a.leaseRenewed(),
  a.leaseReleased(),
  a.stepReported("new"),
  a.stepUpdated("step", "completed"),
  a.itemsAdded("step", "i9"),
  a.itemsUpdated("step", { itemId: "i1", status: "completed" }),
  a.observationReported("seen", "running"),
];

const begun: (RunEvent | RunEvent[])[] = [
  [
    a.legStarted(),
    a.stepStarted("step", "step"),
    a.stepStarted("done", "done"),
    a.turnStarted("turn"),
    a.timerStarted("timer", "timer", 2_000),
    a.signalAwaited("wait", "go", 2_000),
    a.childStarted("child"),
    a.gateOpened("gate", "gate"),
    a.callbackCreated("callback", "callback"),
    a.conditionStarted("condition", "condition"),
    a.branchesStarted("fork", "all"),
    a.itemStarted("item"),
  ],
  a.stepCompleted("done"),
  [a.signalReceived("s1", "go"), a.cancelRequested(), a.statePatched("p1", { x: 1 })],
  [a.childFinished("child"), a.gateDecided("gate"), a.callbackUsed("callback")],
];

const driven: (RunEvent | RunEvent[])[] = [
  a.runManaged(),
  [a.leaseGranted(), a.stepReported("step"), a.itemsAdded("step", "i1"), a.gateOpened("gate", "gate")],
];

const inPhase: Record<Phase, () => RunState> = {
  absent: () => a.stateOf(),
  created: () => a.stateOf(a.runCreated()),
  leased: () => a.stateOf(...begun),
  parked: () => a.stateOf(...begun, a.legParked()),
  driven: () => a.stateOf(...driven),
  finished: () => a.stateOf(...begun, a.runFailed()),
};

const ofStalled = new Set<EventType>(["RunRedriven", "RunCancelled"]);
const stalled = () => a.stateOf(...begun, [a.runStalled(), a.legParked()]);

describe("legality", () => {
  it("is the table as it was meant", () => {
    const found = Object.fromEntries(
      Object.entries(legality).map(([type, phases]) => [
        type,
        PHASES.map((phase) => (phases.includes(phase) ? "x" : ".")).join(""),
      ]),
    );
    expect(found).toEqual(table);
    expect(legality.RunCreated).toEqual(["absent"]);
  });

  it.each([a.runRedriven(1), a.runCancelled()])(
    "is that of a parked run only where it is stalled: $type",
    (event) => {
      const state = inPhase.parked();
      openEntry(state, { sequence: state.sequence + 1, at: state.at });
      const refused = expect.objectContaining({ code: "IllegalEvent" });
      expect(() => applyEvent(state, event, state.at)).toThrow(refused);
    },
  );

  it("has a sample of every event", () => {
    expect(events.map(({ type }) => type).sort()).toEqual(Object.keys(table).sort());
  });

  it.each(events.map((event) => [event.type, event] as const))("the fold goes by it: %s", (type, event) => {
    for (const [column, phase] of PHASES.entries()) {
      const state = ofStalled.has(type) && phase === "parked" ? stalled() : inPhase[phase]();
      openEntry(state, { sequence: state.sequence + 1, at: state.at });
      const isOfNode = event.type === "CancelRequested" && phase === "finished";
      const apply = () => applyEvent(state, isOfNode ? { ...event, round: 1 } : event, state.at);
      if (table[type][column] === "x") expect(apply, `in ${phase}`).not.toThrow();
      else expect(apply, `in ${phase}`).toThrow(expect.objectContaining({ code: "IllegalEvent" }));
    }
  });
});
