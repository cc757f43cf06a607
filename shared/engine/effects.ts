/**
 * Effects: what leaves a run once the entry that decides it is stored (J5). Each has an id in the state, may be sent
 * twice, and counts as owed until it is done, also after the run's end (J10).
 */
import { StepfoldError } from "../core/errors.ts";
import type { ChildFinished, ChildStarted } from "../core/events.ts";
import { digest } from "../core/ids.ts";
import type { Effect, RunState } from "../core/state.ts";
import { requestCancel } from "./control.ts";
import { loadRun, readPayload } from "./load.ts";
import { cancelNode, reportNode, startNode, steerNode, undoNode } from "./nodes.ts";
import { appendOutside } from "./outside.ts";
import { endOf } from "./reports.ts";
import type { Resident } from "./residents.ts";
import type { Engine } from "./settings.ts";
import { ensureSuccessor, start, startSuccessor } from "./start.ts";

/** Does what a run owes, in order; effects of one kind that stand together go out together. None of them begins after
 * `until`: they are still owed. */
export async function performAll(
  engine: Engine,
  run: Resident,
  until = Number.POSITIVE_INFINITY,
): Promise<void> {
  const { state, effectsDone } = run;
  const owed = [...state.effects.values()].filter(({ id }) => !effectsDone.has(id));
  for (let at = 0; at < owed.length && engine.clock.now() < until; ) {
    const kind = owed[at]!.kind;
    let end = at + 1;
    while (owed[end]?.kind === kind && end - at < EFFECTS_AT_ONCE) end++;
    const done = await Promise.allSettled(
      owed.slice(at, end).map(async (effect) => {
        await perform(engine, state, effect);
        effectsDone.add(effect.id);
      }),
    );
    for (const result of done) if (result.status === "rejected") throw result.reason;
    at = end;
  }
}

const EFFECTS_AT_ONCE = 10;

/** Does one effect. It may have been done before. */
export async function perform(engine: Engine, state: RunState, effect: Effect): Promise<void> {
  switch (effect.kind) {
    case "startChild":
      return void (await startChild(engine, state, effect.command));
    case "startNode":
      return startNode(engine, state, effect.operation);
    case "undoNode":
      return undoNode(engine, state, effect.operation);
    case "steerNode":
      return steerNode(engine, state, effect);
    case "cancelChild":
      if (effect.round !== undefined) return cancelNode(engine, state, effect);
      return cancelChild(engine, state, effect);
    case "tellParent":
      return tellParent(engine, state, effect);
    case "startSuccessor":
      return startSuccessor(engine, state, effect.continued);
  }
}

/** Starts a child. With `cancel` it is there, and its code never begins. Answers whether it is this that has started it. */
async function startChild(
  engine: Engine,
  state: RunState,
  command: ChildStarted,
  cancel?: { reason: string; by: string },
): Promise<boolean> {
  const { operation } = command;
  const parent = command.detached ? undefined : { runId: state.runId, operation };
  const request = {
    workflow: command.workflow,
    version: command.version,
    runId: command.childRunId,
    parent,
    owner: state.created.owner,
    dryRun: state.created.dryRun,
    ...(cancel === undefined ? {} : { cancel }),
  };
  try {
    const input = await readPayload(engine, command.input);
    return (await start(engine, input === undefined ? request : { ...request, input })).created;
  } catch (error) {
    if (
      !(error instanceof StepfoldError) ||
      !["WorkflowNotFound", "InvalidInput", "IdempotencyConflict"].includes(error.code)
    )
      throw error;
    await report(engine, state.runId, {
      type: "ChildFinished",
      childRunId: command.childRunId,
      operation,
      status: "failed",
      error: { code: error.code, name: error.name, message: error.message },
    });
    return false;
  }
}

/** Whoever is still about to start it finds it there, cancelled: only then has it ended for certain (R5). */
async function cancelChild(
  engine: Engine,
  state: RunState,
  { id, childRunId, unstarted }: Effect & { kind: "cancelChild" },
): Promise<void> {
  const who = { reason: "its parent no longer needs it", by: state.runId };
  const isThere =
    unstarted === undefined || (await engine.journal.header(childRunId, { consistent: true })) !== undefined;
  if (!isThere && (await startChild(engine, state, unstarted, who))) return;
  await cancelChain(engine, childRunId, { ...who, requestId: digest("cancel", state.inc, id) });
}

/** Cancels what a run has come to. Each run of the chain takes the request once: one that was redriven since goes on. */
async function cancelChain(
  engine: Engine,
  runId: string,
  request: { reason: string; by: string; requestId: string },
): Promise<void> {
  try {
    await requestCancel(engine, runId, request);
  } catch (error) {
    if (!(error instanceof StepfoldError) || (error.code !== "RunFinished" && error.code !== "RunNotFound"))
      throw error;
    const run = await loadRun(engine, runId, { consistent: true });
    if (run?.state.continuedTo === undefined) return;
    await ensureSuccessor(engine, run.state);
    await cancelChain(engine, run.state.continuedTo, request);
  }
}

async function tellParent(
  engine: Engine,
  state: RunState,
  effect: { runId: string; operation: string },
): Promise<void> {
  if (state.created.node !== undefined) return reportNode(engine, state);
  await report(engine, effect.runId, await endOf(engine, state, effect.runId, effect.operation));
}

async function report(engine: Engine, parentRunId: string, end: ChildFinished): Promise<void> {
  try {
    await appendOutside(engine, parentRunId, (parent) => {
      const waits =
        parent.open.get(end.operation)?.childRunId === end.childRunId && !parent.childEnds.has(end.operation);
      const wake = parent.finished === undefined ? `child:${end.operation}` : undefined;
      return { events: waits && parent.finished === undefined ? [end] : [], wake };
    });
  } catch (error) {
    if (!(error instanceof StepfoldError) || error.code !== "RunNotFound") throw error;
  }
}
