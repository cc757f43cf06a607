/**
 * Turns in the fold: a turn is an operation while the runner is asked; its answer turns it into the step that the
 * runner reports, or adds an attempt to one that has failed, or leaves nothing of it.
 *
 * 1. A step that has failed and may be tried again stays open, without an attempt in flight, until the runner
 *    reports it again, or the run ends.
 * 2. A redrive begins each open step's count of failures anew.
 */
import { StepfoldError } from "../errors.ts";
import type { TurnAnswered, TurnStarted, TurnUnanswered } from "../events.ts";
import type { Operation, RunState } from "../state.ts";
import { stepErrorOf } from "./protocol.ts";

/** The step of that name that has failed and was not completed since. */
export function failedStep(state: RunState, name: string | undefined): Operation | undefined {
  for (const operation of state.open.values())
    if (operation.kind === "step" && operation.name === name) return operation;
  return undefined;
}

export function startTurn(state: RunState, event: TurnStarted, at: number): void {
  const { operation: id, name, nextAttemptAt } = event;
  if (state.operations.has(id)) throw illegal(state, event.type, id, "exists");
  const turn: Operation = { id, name, kind: "turn", status: "running", attempts: 1, startedAt: at };
  state.operations.set(id, turn);
  state.open.set(id, turn);
  if (nextAttemptAt === undefined) return beginTurn(state, turn, at);
  Object.assign(turn, { status: "sleeping", attempts: 0, nextAttemptAt });
  state.timed.set(id, turn);
}

/** The runner is asked now: what had failed waits for its answer. */
export function beginTurn(state: RunState, turn: Operation, at: number): void {
  turn.attemptAt = at;
  for (const operation of state.open.values()) {
    if (operation.kind !== "step" || operation.status !== "sleeping") continue;
    operation.status = "pending";
    operation.nextAttemptAt = undefined;
  }
}

export function answerTurn(state: RunState, event: TurnAnswered, at: number): void {
  const { operation: id, action, step: name } = event;
  const turn = openTurn(state, event.type, id);
  for (const among of [state.operations, state.open, state.timed]) among.delete(id);
  if (action !== "step_complete" && action !== "fail") return;
  const failed = failedStep(state, name);
  const startedAt = turn.attemptAt ?? turn.startedAt;
  const step: Operation = failed ?? {
    id,
    name: name!,
    kind: "step",
    status: "running",
    attempts: 0,
    startedAt,
  };
  if (failed === undefined) state.operations.set(id, step);
  else state.retryCount++;
  step.attempts++;
  step.nextAttemptAt = undefined;
  if (action === "fail") fail(state, step, event, at);
  else complete(state, step, event, at);
}

function complete(state: RunState, step: Operation, { output, durationMs }: TurnAnswered, at: number): void {
  step.status = "completed";
  step.finishedAt = at;
  if (output !== undefined) step.output = output;
  if (durationMs !== undefined) step.durationMs = durationMs;
  state.open.delete(step.id);
}

function fail(state: RunState, step: Operation, event: TurnAnswered, at: number): void {
  const { failure, nextAttemptAt } = event;
  const error = stepErrorOf(failure!, step.name, step.attempts);
  if (nextAttemptAt === undefined) {
    Object.assign(step, { status: "failed", finishedAt: at, error });
    state.open.delete(step.id);
    return;
  }
  Object.assign(step, { status: "sleeping", attemptError: error, nextAttemptAt });
  step.failures = (step.failures ?? 0) + 1;
  state.open.set(step.id, step);
}

export function missTurn(state: RunState, event: TurnUnanswered): void {
  const turn = openTurn(state, event.type, event.operation);
  const { error, nextAttemptAt, lostMs } = event;
  Object.assign(turn, { status: "sleeping", attemptError: error, nextAttemptAt, lostMs });
  state.timed.set(turn.id, turn);
}

/** Steps that were given up, at the run's end: what had failed has failed. */
export function settleFailed(state: RunState): void {
  for (const step of [...state.open.values()]) {
    if (step.kind !== "step" || step.attemptError === undefined) continue;
    Object.assign(step, { status: "failed", finishedAt: state.at, error: step.attemptError });
    step.nextAttemptAt = undefined;
    state.open.delete(step.id);
  }
}

/** After a redrive has cut the history: what the turns that are left come to. */
export function refoldTurns(state: RunState): void {
  const { retryCount } = state;
  const isReported = ({ kind }: Operation): boolean => kind === "step" || kind === "turn";
  for (const { id } of [...state.operations.values()].filter(isReported))
    for (const among of [state.operations, state.open, state.timed]) among.delete(id);
  for (const { event, now } of state.history) {
    if (event.type === "TurnStarted") startTurn(state, event, now);
    if (event.type === "TurnAnswered") answerTurn(state, event, now);
  }
  for (const operation of state.open.values()) if (operation.kind === "step") operation.failures = 0;
  state.retryCount = retryCount;
  // In order of start: the ids count.
  state.operations = new Map([...state.operations].sort(([left], [right]) => Number(left) - Number(right)));
}

function openTurn(state: RunState, type: string, id: string): Operation {
  const turn = state.open.get(id);
  if (turn?.kind !== "turn") throw illegal(state, type, id, "is no turn in flight");
  return turn;
}

const illegal = (state: RunState, type: string, id: string, why: string): StepfoldError =>
  new StepfoldError(
    "IllegalEvent",
    `The journal of run ${state.runId} holds ${type} for ${id}, which ${why}, at sequence ${state.sequence}.`,
    { runId: state.runId, type, sequence: state.sequence },
  );
