/** What a map's node and its parent make of each other's journals when their requests cross. */
import { describe, expect, it } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import type { MapNode, MapTree, RunEvent } from "../../shared/core/events.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { loadRun } from "../../shared/engine/load.ts";
import { cancelNode, reportNode, startNode, steerNode, undoNode } from "../../shared/engine/nodes.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import { parseWake } from "../../shared/engine/wake.ts";
import { aNewRun, anEntry } from "../support/builders.ts";
import {
  cancelRequested,
  childFinished,
  childStarted,
  legParked,
  legStarted,
  pauseRequested,
  resumeRequested,
  runCancelled,
  runCreated,
  runFailed,
  runRedriven,
  runStalled,
  settled,
  stepCompleted,
  stepStarted,
} from "../support/journal.ts";

const order = workflow("order", async () => "not called");
const NODE = { childRunId: "node" };
const tree: MapTree = { count: 2, digest: "items", batch: 2, fanOut: 100, tolerated: 0 };
const part: MapNode = { name: "each", inc: "parent", operation: "1", sequence: 1, tree, from: 0, to: 2 };

/** An engine over these journals, each a run's entries after its creation. */
async function given(journals: Record<string, { node?: MapNode; entries: RunEvent[][] }>) {
  const ports = memoryPorts();
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const settings = { owner: "one", codeHash: "code" };
  for (const [runId, { node, entries }] of Object.entries(journals)) {
    const of = node === undefined ? {} : { node, parent: { runId: "parent", operation: "1/0-1" } };
    const run = aNewRun(ports.clock, { runId, inc: runId, created: runCreated(of) });
    await ports.journal.create(run);
    for (const [index, events] of entries.entries())
      await ports.journal.append(run, anEntry(ports.clock, index + 1, events), run.expiresAt);
  }
  return { ...createEngine(ports, { workflows: [order], log, settings }), queue: ports.queue };
}

const stateOf = async (engine: Engine, runId: string) => (await loadRun(engine, runId))!.state;

const asked: RunEvent[] = [
  { type: "BranchesStarted", operation: "1", name: "each", kind: "map", branches: [], tree },
  childStarted("1/0-1", { ...NODE, name: "each[0-1]", parent: "1", node: { from: 0, to: 2 } }),
];
const undoing: RunEvent[] = [
  settled("OperationCancelled", "1/0-1"),
  { type: "CompensationStarted", operation: "1/0-1~", of: "1/0-1", name: "each[0-1]", ...NODE },
];

/** The parent has failed and had the node undo, was redriven, has asked for the node again, and has failed again. */
const parent = [
  [legStarted(), ...asked],
  undoing,
  [childFinished("1/0-1~", NODE)],
  [legStarted(), { type: "ChildSettled", operation: "1/0-1~" }, runFailed()] satisfies RunEvent[],
  [runRedriven(1)],
  [legStarted(), ...asked],
  undoing,
];
/** The node has heard of nothing since it undid what it had done. */
const node = [
  [
    legStarted(),
    { ...stepStarted("1", "pack"), compensable: true } as RunEvent,
    stepCompleted("1"),
    runCancelled(),
  ],
  [{ type: "UndoRequested", requestId: "undo:0", operation: "1/0-1~" }],
  [
    legStarted(),
    { type: "CompensationStarted", operation: "1~", of: "1", name: "pack" },
    stepCompleted("1~"),
    runCancelled(),
  ],
] satisfies RunEvent[][];

it("a node that is stalled is tried again when its parent's redrive asks for it", async () => {
  const entries: RunEvent[][] = [[legStarted(), runStalled(), legParked()]];
  const engine = await given({
    parent: { entries: parent.slice(0, 6) },
    node: { node: part, entries },
  });
  await startNode(engine, await stateOf(engine, "parent"), "1/0-1");
  const wakes = engine.queue.pending("work").map(({ body }) => parseWake(body));
  expect(wakes).toMatchObject([{ runId: "node", retryStalled: true }]);
});

it("a node whose undoing was asked for by a process that died is woken when it is asked again", async () => {
  const engine = await given({
    parent: { entries: parent.slice(0, 2) },
    node: { node: part, entries: node.slice(0, 2) },
  });
  await undoNode(engine, await stateOf(engine, "parent"), "1/0-1~");
  expect(engine.queue.pending("work").map(({ body }) => parseWake(body))).toMatchObject([
    { runId: "node", event: "redrive:undo:0" },
  ]);
});

it("a node that was cancelled before it began, and is to undo, calls no code: that may be another by now", async () => {
  const undo: RunEvent = { type: "UndoRequested", requestId: "undo:1", operation: "1/0-1~", round: 1 };
  const entries = [[cancelRequested()], [legStarted(), runCancelled()], [undo]];
  const engine = await given({ parent: { entries: parent }, node: { node: part, entries } });
  await advance(engine, JSON.stringify({ runId: "node", inc: "node" }));
  expect(await stateOf(engine, "node")).toMatchObject({
    stalled: undefined,
    finished: { status: "cancelled" },
  });
  expect((await stateOf(engine, "parent")).childEnds.get("1/0-1~")).toMatchObject({ status: "completed" });
});

describe("what a parent's process sends late", () => {
  const ended: RunEvent[][] = [[legStarted(), runCancelled()]];

  it("redrives no node that was not there to be cancelled any more", async () => {
    const engine = await given({
      parent: { entries: parent.slice(0, 6) },
      node: { node: part, entries: ended },
    });
    const state = await stateOf(engine, "parent");
    await cancelNode(engine, state, { id: "cancel", kind: "cancelChild", childRunId: "node", round: 1 });
    await startNode(engine, state, "1/0-1");
    expect(await stateOf(engine, "node")).toMatchObject({ round: 1, redrives: 0, finished: {} });
  });

  it("pauses no node that was asked to undo since the pause was over", async () => {
    const steered = [pauseRequested(), resumeRequested()].map((event) => [event]);
    const engine = await given({
      parent: { entries: [[legStarted(), ...asked], ...steered, undoing] },
      node: { node: part, entries: node.slice(0, 1) },
    });
    await reportNode(engine, await stateOf(engine, "node"));
    const pausing = { kind: "steerNode", childRunId: "node", order: 2, paused: true } as const;
    await steerNode(engine, await stateOf(engine, "parent"), { id: "steer", ...pausing });
    expect(await stateOf(engine, "node")).toMatchObject({ undoing: "1/0-1~", order: 3, pause: undefined });
  });
});

describe("a node that has undone what it did before its parent's redrive", () => {
  it("is asked to undo once more, as it may be redriven at that moment", async () => {
    const engine = await given({ parent: { entries: parent }, node: { node: part, entries: node } });
    await reportNode(engine, await stateOf(engine, "node"));
    expect((await stateOf(engine, "parent")).childEnds.size).toBe(0);
    expect(await stateOf(engine, "node")).toMatchObject({ finished: undefined, undoing: "1/0-1~", round: 1 });
  });

  it("has undone it for the parent's present round once it has ended again", async () => {
    const again: RunEvent = { type: "UndoRequested", requestId: "undo:1", operation: "1/0-1~", round: 1 };
    const entries = [...node, [again], [legStarted(), runCancelled()]];
    const engine = await given({ parent: { entries: parent }, node: { node: part, entries } });
    await reportNode(engine, await stateOf(engine, "node"));
    expect((await stateOf(engine, "parent")).childEnds.get("1/0-1~")).toMatchObject({ status: "completed" });
  });
});
