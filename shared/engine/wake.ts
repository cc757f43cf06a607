/**
 * Wakes: messages on the work queue that bring a run back.
 *
 * 1. Whoever appends what another must act on sends the wake before the append, naming the event (J8), and once more
 *    after it if too long has passed between.
 * 2. A wake is only ever a hint: what there is to do, the journal says (J6).
 */

import { PortError } from "../core/errors.ts";
import { digest } from "../core/ids.ts";
import { SCHEDULE_EARLY_MS, WAKE_SENDER_MS } from "../core/limits.ts";
import type { RunState } from "../core/state.ts";
import type { RunKey } from "../ports/journal.ts";
import type { Engine } from "./settings.ts";

export interface Wake {
  runId: string;
  inc: string;
  /** The run's worker group: a hint, which whoever takes the wake checks. */
  group: string | undefined;
  /** What the run should find in its journal: an id of `eventIsThere`, or absent for a timer or a sweep. */
  event?: string;
  /** Not before this time, epoch ms. */
  at?: number;
  /** The claim whose park sent it, where heartbeats may move the time that it is for: if no claim came since, nobody
   * has sent one for the new time, and it goes on to that. */
  generation?: number;
  /** Try a stalled run again, also by the code that it stalled under. */
  retryStalled?: boolean;
  /** When the sender must have ended: a named event that is not there by then never will be. */
  until?: number;
}

export function parseWake(body: string): Wake | undefined {
  try {
    const wake = JSON.parse(body) as Partial<Wake>;
    return typeof wake.runId === "string" && typeof wake.inc === "string"
      ? ({ group: undefined, ...wake } as Wake)
      : undefined;
  } catch {
    return undefined;
  }
}

/** A run, as far as a wake needs to know it: a header or a state. */
export type Woken = RunKey & { created: { group?: string } };

/** A wake of a run. */
export const wakeOf = (run: Woken, more: Partial<Omit<Wake, keyof RunKey | "group">> = {}): Wake => ({
  runId: run.runId,
  inc: run.inc,
  group: run.created.group,
  ...more,
});

/** A wake for a run's next time. Only with heartbeats does it name its claim: others stay the same from park to park. */
export function timerWake(state: RunState, at: number): Wake {
  for (const { heartbeatMs } of state.timed.values())
    if (heartbeatMs !== undefined) return wakeOf(state, { at, generation: state.generation });
  return wakeOf(state, { at });
}

/** Wakes a run for an event that is about to be appended, `inMs` from now. */
export async function wakeFor(engine: Engine, run: Woken, event: string, inMs = 0): Promise<Wake> {
  const now = engine.clock.now();
  const wake = wakeOf(run, { event, until: now + WAKE_SENDER_MS });
  if (inMs > 0) wake.at = now + inMs;
  await sendWake(engine, wake);
  return wake;
}

/** Once the event is there: a sender that was held up wakes again, because its first wake may be dropped by now. */
export async function wakeIfLate(engine: Engine, { runId, inc, group, until }: Wake): Promise<void> {
  if (until !== undefined && engine.clock.now() > until - WAKE_SENDER_MS / 2)
    await sendWake(engine, { runId, inc, group });
}

const bodyAt = (wake: Wake, at: number): string => JSON.stringify({ ...wake, at });

/** The same name only for the same message: two wakes of one time may name different events. */
export const scheduleNameOf = (wake: Wake, at: number): string => digest("wake", bodyAt(wake, at));

/** A new run's first wake. */
export const createdWake = (run: Woken, from: number, startAt?: number): Wake =>
  wakeOf(run, { event: "created", at: startAt, until: from + WAKE_SENDER_MS });

/** Sends a wake, no earlier than its `at`: by a delayed message, or a schedule for what is further off. */
export async function sendWake(engine: Engine, wake: Wake, delayMs = 0): Promise<void> {
  const now = engine.clock.now();
  const waitMs = Math.max(delayMs, (wake.at ?? now) - now);
  if (waitMs > engine.settings.messageDelayMsMax && (await scheduled(engine, wake, now + waitMs))) return;
  const message = {
    runId: wake.runId,
    body: JSON.stringify(wake),
    delayMs: Math.min(waitMs, engine.settings.messageDelayMsMax),
    workers: wake.group,
  };
  await engine.queue.send("work", [message]);
}

/** False if the schedule could not be made: the sweep finds the run when it is due (its `dueAt` says so). */
async function scheduled(engine: Engine, wake: Wake, at: number): Promise<boolean> {
  const early = Math.min(SCHEDULE_EARLY_MS, engine.settings.messageDelayMsMax / 2);
  const body = bodyAt(wake, at);
  const name = scheduleNameOf(wake, at);
  try {
    const { runId, group: workers } = wake;
    await engine.scheduler.schedule({ runId, name, at: at - early, body, workers });
    return true;
  } catch (error) {
    if (!(error instanceof PortError) || !error.retryable) throw error;
    engine.log.warn("A schedule could not be made; the sweep will wake the run.", {
      runId: wake.runId,
      at,
      code: error.code,
    });
    return false;
  }
}

/** Whether a wake needs to look no further: a finished run's journal gets nothing more but a redrive. */
export const isSettled = (state: RunState, event: string | undefined): boolean =>
  eventIsThere(state, event) || (state.finished !== undefined && !event?.startsWith("redrive:"));

/** Whether what a wake names is in the journal. */
export function eventIsThere(state: RunState, event: string | undefined): boolean {
  if (event === undefined || event === "created") return true;
  const separator = event.indexOf(":");
  const [kind, id] = [event.slice(0, separator), event.slice(separator + 1)];
  if (kind === "signal") return state.signals.has(id);
  if (kind === "generation") return state.generation >= Number(id);
  if (kind === "request" || kind === "redrive") return state.requests.has(id);
  // An operation that is not there yet is one that a read has missed.
  const isKnown = state.operations.has(id);
  if (kind === "answer") return isKnown && (!state.open.has(id) || state.answered.has(id));
  if (kind === "child") return isKnown && (!state.open.has(id) || state.childEnds.has(id));
  return true;
}
