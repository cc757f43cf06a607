/**
 * Removing a finished run: the nodes of its maps, its schedules, its blobs, its rows. The header goes last, so that a
 * removal that was cut short is seen, and asked for again goes on. Children that its code started are runs of their
 * own, and stay.
 */
import { StepfoldError } from "../core/errors.ts";
import type { RunEvent } from "../core/events.ts";
import { blobPrefix } from "../core/ids.ts";
import type { RunState } from "../core/state.ts";
import { finishedStatuses, type Header } from "../ports/journal.ts";
import { entriesOf, loadRun } from "./load.ts";
import { runNotFound } from "./outside.ts";
import type { Engine } from "./settings.ts";
import { createdWake, scheduleNameOf, wakeOf } from "./wake.ts";

export async function removeRun(engine: Engine, runId: string): Promise<void> {
  const header = await engine.journal.header(runId, { consistent: true });
  if (header === undefined) throw runNotFound(runId);
  if (!(await isHalfRemoved(engine, header))) await removeNodes(engine, await finishedState(engine, runId));
  engine.residents.evict(runId);
  engine.known.evict(runId);
  await unschedule(engine, header);
  await engine.blobs.removeAll(blobPrefix(header));
  await engine.journal.remove(header);
}

/** Throws `RunNotFinished`. */
async function finishedState(engine: Engine, runId: string): Promise<RunState> {
  const run = await loadRun(engine, runId, { consistent: true });
  if (run === undefined) throw runNotFound(runId);
  if (run.state.finished === undefined)
    throw new StepfoldError("RunNotFinished", `The run ${runId} is not finished: cancel it first.`, {
      runId,
    });
  if (run.state.effects.size > 0 && run.header.dueAt !== undefined)
    throw new StepfoldError(
      "RunNotFinished",
      `The run ${runId} still has to tell others of its end: try again in a moment.`,
      { runId },
    );
  return run.state;
}

/** Nodes work on their parent's map alone, and are in no list but under it: nobody else would remove them. */
async function removeNodes(engine: Engine, { runId, operations }: RunState): Promise<void> {
  for (const { childRunId } of operations.values()) {
    if (childRunId === undefined) continue;
    const header = await engine.journal.header(childRunId, { consistent: true });
    const isNode = header?.created.node !== undefined && header.created.parent?.runId === runId;
    if (isNode) await removeRun(engine, childRunId);
  }
}

/** The header says that the run was closed, and entries that it has shown are not there. */
async function isHalfRemoved(engine: Engine, header: Header): Promise<boolean> {
  const isClosed = finishedStatuses.some((status) => status === header.status) && header.dueAt === undefined;
  if (!isClosed) return false;
  try {
    const run = await loadRun(engine, header.runId, { consistent: true });
    return run !== undefined && run.state.sequence < header.headerSequence;
  } catch (error) {
    if (error instanceof StepfoldError && ["JournalGap", "IllegalEvent"].includes(error.code)) return true;
    throw error;
  }
}

/** A run that was stopped while it slept leaves a schedule behind. Those of the past are gone by themselves. */
async function unschedule(engine: Engine, header: Header): Promise<void> {
  const now = engine.clock.now();
  const { startAt } = header.created;
  const names = new Set<string>();
  if (startAt !== undefined && startAt > now)
    names.add(scheduleNameOf(createdWake(header, startAt, startAt), startAt));
  for await (const { events } of entriesOf(engine, header.runId))
    for (const at of events.flatMap(timesIn))
      if (at > now) names.add(scheduleNameOf(wakeOf(header, { at }), at));
  for (const name of names) await engine.scheduler.unschedule(name, header.runId);
}

/** The times for which a leg that parks may have made a schedule. */
const timesIn = (event: RunEvent): number[] =>
  (["dueAt", "nextAttemptAt", "deadline", "startAt"] as const).flatMap((field) => {
    const time = (event as unknown as Record<string, unknown>)[field];
    return typeof time === "number" ? [time] : [];
  });
