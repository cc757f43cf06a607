/**
 * The sweep: finds runs that should have moved by themselves and have not, and wakes them (J6). Each run's `dueAt` is
 * backed off before its wake is sent, so that two sweeps do not wake the same run, and a run that cannot move is
 * tried again at intervals.
 */
import { SWEEP_BACKOFF_MS } from "../core/limits.ts";
import type { Engine } from "./settings.ts";
import { sendWake, wakeOf } from "./wake.ts";

const PAGE = 200;

/** One sweep over all that is due. `everything` looks at all unfinished runs: for a host that has just started. */
export async function sweep(
  engine: Engine,
  options: { everything?: boolean } = {},
): Promise<{ woken: number }> {
  const now = engine.clock.now();
  const before = options.everything ? Number.MAX_SAFE_INTEGER : now;
  let woken = 0;
  if (options.everything) {
    for (const { runId } of await engine.journal.due(before, Number.MAX_SAFE_INTEGER))
      if (await wake(engine, runId)) woken++;
    return { woken };
  }
  for (;;) {
    const due = await engine.journal.due(before, PAGE);
    for (const { runId, dueAt } of due) if (await backOffAndWake(engine, runId, dueAt, now)) woken++;
    if (due.length < PAGE) return { woken };
  }
}

async function backOffAndWake(engine: Engine, runId: string, dueAt: number, now: number): Promise<boolean> {
  const header = await engine.journal.header(runId, { consistent: true });
  if (header?.dueAt === undefined || header.dueAt > now) return false;
  if (!(await engine.journal.reschedule(header, { dueAt: now + SWEEP_BACKOFF_MS, from: header.dueAt })))
    return false;
  await sendWake(engine, wakeOf(header));
  engine.log.info("The sweep wakes a run.", { runId, dueAt });
  return true;
}

async function wake(engine: Engine, runId: string): Promise<boolean> {
  const header = await engine.journal.header(runId, { consistent: true });
  if (header?.dueAt === undefined) return false;
  await sendWake(engine, wakeOf(header));
  return true;
}
