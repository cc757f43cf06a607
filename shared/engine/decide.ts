/**
 * What comes next for a run, from its state and a time: pure, but for the schemas of waiting code. What is decided
 * here is journaled, and on replay never decided again (R2).
 */

import { toRunError } from "../core/errors.ts";
import type {
  CallbackSettled,
  CallbackTimedOut,
  ConditionTimedOut,
  GateSettled,
  GateTimedOut,
  SignalDelivered,
  SignalRejected,
  SignalTimedOut,
  StepRetried,
  TimerFired,
} from "../core/events.ts";
import type { Execution, SignalWait } from "../core/execution.ts";
import type { Json } from "../core/json.ts";
import { toJson } from "../core/json.ts";
import { validate } from "../core/schema.ts";
import {
  dueAtOf,
  isFork,
  isHeldFailure,
  isToBeCancelled,
  needsAttempt,
  type Operation,
  type RunState,
  type Signal,
  wakeAtOf,
} from "../core/state.ts";
import type { Resident } from "./residents.ts";

/** Whether a claim would find something to do. */
export function isActionable(
  run: Pick<Resident, "state" | "effectsDone">,
  now: number,
  codeHash: string,
): boolean {
  const { state, effectsDone } = run;
  if (state.finished !== undefined) return false;
  if (state.phase === "driven") return (wakeAtOf(state) ?? Number.POSITIVE_INFINITY) <= now;
  if (state.stalled?.codeHash === codeHash) return false;
  if (state.phase === "leased" || state.stalled !== undefined) return true;
  if (state.pause !== undefined) return owesSteering(state, effectsDone);
  if (isToBeCancelled(state) || state.isRedriven) return true;
  if (state.phase === "created") return (state.created.startAt ?? 0) <= now;
  if (state.firstUndelivered !== undefined || state.childEnds.size > 0 || state.answered.size > 0)
    return true;
  if ([...state.effects.keys()].some((id) => !effectsDone.has(id))) return true;
  if (isIdle(state) || hasIdleStep(state)) return true;
  if ((wakeAtOf(state) ?? Number.POSITIVE_INFINITY) <= now) return true;
  return hasCandidate(state);
}

/** A pause that has yet to reach the runs that work on this one's maps. */
function owesSteering(state: RunState, effectsDone: ReadonlySet<string>): boolean {
  for (const { id, kind } of state.effects.values())
    if (kind === "steerNode" && !effectsDone.has(id)) return true;
  return false;
}

/** Nothing is under way: its code has to say what comes next. Forks hold others and wait for nothing by themselves:
 * after a redrive they may stand alone. */
function isIdle(state: RunState): boolean {
  for (const operation of state.open.values())
    if (!isHeldFailure(operation) && !isFork(operation)) return false;
  return true;
}

/** A step that was handed over by a leg that had no time left for it. */
function hasIdleStep(state: RunState): boolean {
  for (const operation of state.open.values()) if (needsAttempt(operation)) return true;
  return false;
}

function hasCandidate(state: RunState): boolean {
  if (state.buffered.size === 0 || state.waits.size === 0) return false;
  const names = new Set([...state.waits.values()].map((wait) => wait.name));
  for (const id of state.buffered) if (names.has(state.signals.get(id)!.name)) return true;
  return false;
}

export type Due =
  | TimerFired
  | SignalTimedOut
  | GateTimedOut
  | CallbackTimedOut
  | ConditionTimedOut
  | StepRetried;

/** The earliest timed operation that is due: ties go to the one that was started first. */
export function due(state: RunState, now: number): Due | undefined {
  let first: Operation | undefined;
  for (const operation of state.timed.values())
    if (dueAtOf(operation) <= now && (first === undefined || dueAtOf(operation) < dueAtOf(first)))
      first = operation;
  return first === undefined ? undefined : dueEvent(first, now);
}

function dueEvent(operation: Operation, now: number): Due {
  const { id, kind, attempts, dueAt, beatBy } = operation;
  const isOver = dueAt !== undefined && dueAt <= now;
  if (kind === "timer") return { type: "TimerFired", operation: id };
  if (kind === "signal") return { type: "SignalTimedOut", operation: id };
  if (kind === "gate") return { type: "GateTimedOut", operation: id };
  if (kind === "condition" && isOver) return { type: "ConditionTimedOut", operation: id };
  if (kind === "callback" && isOver) return { type: "CallbackTimedOut", operation: id };
  if (kind === "callback" && beatBy !== undefined && beatBy <= now)
    return { type: "CallbackTimedOut", operation: id, heartbeat: true };
  return { type: "StepRetried", operation: id, attempt: attempts + 1 };
}

/** The first gate or callback that has its answer, unless the answer came after its time. */
export function answered(state: RunState): GateSettled | CallbackSettled | undefined {
  for (const id of state.answered) {
    const { kind, decision, used, dueAt } = state.open.get(id)!;
    const at = decision?.at ?? used?.at ?? 0;
    if (dueAt !== undefined && at > dueAt) continue;
    return { type: kind === "gate" ? "GateSettled" : "CallbackSettled", operation: id };
  }
  return undefined;
}

export type SignalDecision = { event: SignalDelivered; value: Json | undefined } | { event: SignalRejected };

/**
 * The first buffered signal, in order of arrival, that a wait takes, in order of start. A signal that came after a
 * wait's timeout is not for it. `passed` holds pairs that a `where` has refused: they are not asked again.
 */
export async function matchSignal(
  state: RunState,
  execution: Execution,
  read: (signal: Signal) => Promise<Json | undefined>,
  passed: Set<string>,
): Promise<SignalDecision | undefined> {
  for (const id of state.buffered) {
    const signal = state.signals.get(id)!;
    for (const wait of state.waits.values()) {
      if (wait.name !== signal.name || passed.has(`${wait.id} ${id}`)) continue;
      if (wait.dueAt !== undefined && signal.at > wait.dueAt) continue;
      const decision = await decideSignal(wait, signal, execution.waits.get(wait.id), await read(signal));
      if (decision !== undefined) return decision;
      passed.add(`${wait.id} ${id}`);
    }
  }
  return undefined;
}

async function decideSignal(
  wait: Operation,
  signal: Signal,
  rules: SignalWait | undefined,
  payload: Json | undefined,
): Promise<SignalDecision | undefined> {
  const { signalId } = signal;
  const event: SignalDelivered = { type: "SignalDelivered", operation: wait.id, signalId };
  let value = payload;
  try {
    if (rules?.schema !== undefined) {
      value = toJson(
        await validate(rules.schema, payload, `the payload of signal ${JSON.stringify(signal.name)}`),
        "a signal's payload",
      );
      if (JSON.stringify(value) !== JSON.stringify(payload) && value !== undefined)
        event.payload = { v: value };
    }
    if (rules?.where !== undefined && !rules.where(value as never)) return undefined;
  } catch (thrown) {
    const { message } = toRunError(thrown);
    return { event: { type: "SignalRejected", operation: wait.id, signalId, message } };
  }
  return { event, value };
}
