/**
 * What people and programs answer to a run that asks: decisions at gates, outcomes of callbacks.
 *
 * 1. The first answer counts. The same one again is answered the same; another one is `AlreadyDecided`.
 * 2. Nothing is buffered: what nobody waits for is refused, and so is what comes after its time.
 * 3. A callback's token is the proof that its holder was asked; nothing else is said to who has none.
 */
import { type RunError, StepfoldError } from "../core/errors.ts";
import type { Decision } from "../core/events.ts";
import { isCallbackToken, tokenTarget } from "../core/ids.ts";
import { canonicalJson, type Json } from "../core/json.ts";
import type { Operation, RunState } from "../core/state.ts";
import type { Header } from "../ports/journal.ts";
import { payloadOf } from "./load.ts";
import { appendOutside, type OutsideDecision } from "./outside.ts";
import { notWaiting, refuseStale } from "./refusals.ts";
import { type Conditions, isRepeated } from "./requests.ts";
import type { Engine } from "./settings.ts";

/** Decides a gate, by its name (the one that waits now) or its operation id. The first decision counts. */
export async function decideGate(
  engine: Engine,
  runId: string,
  gate: string,
  decision: Decision,
  conditions: Conditions = {},
): Promise<Operation> {
  const { requestId, ifMatch } = conditions;
  let decided: string | undefined;
  const state = await appendOutside(engine, runId, (present) => {
    const operation = answeredBy(present, requestId) ?? gateOf(present, gate);
    decided = operation?.id;
    if (operation?.decision !== undefined) {
      refuseOtherDecision(runId, operation, decision);
      return again(present, operation.id);
    }
    if (operation === undefined || isOver(engine, present, operation))
      throw notWaiting(present, `a decision at ${JSON.stringify(gate)}`);
    refuseStale(present, ifMatch);
    return {
      events: [{ type: "GateDecided", operation: operation.id, decision, ...(requestId && { requestId }) }],
      wake: `answer:${operation.id}`,
    };
  });
  return state.operations.get(decided!)!;
}

/** The gate of that name, the one that waits now or else the last one; or the one of that operation id. Names go
 * first: who names a gate knows nothing of the ids that others have. */
export function gateOf(state: RunState, gate: string): Operation | undefined {
  const named = [...state.operations.values()].filter(({ kind, name }) => kind === "gate" && name === gate);
  if (named.length > 0) return named.find(({ id }) => state.open.has(id)) ?? named.at(-1);
  const byId = state.operations.get(gate);
  return byId?.kind === "gate" ? byId : undefined;
}

function refuseOtherDecision(runId: string, { id, name, decision }: Operation, given: Decision): void {
  if (decision?.approved === given.approved) return;
  throw new StepfoldError(
    "AlreadyDecided",
    `The gate ${JSON.stringify(name)} of run ${runId} was ${decision?.approved ? "approved" : "rejected"} already.`,
    { runId, operation: id, approved: decision?.approved ?? false },
  );
}

export type CallbackOutcome = { output?: Json } | { error: CallbackError };

export interface CallbackError {
  code?: string;
  name?: string;
  message: string;
  data?: Json;
}

/** Uses a callback's token. The first outcome counts; the same again is answered the same. */
export async function useCallback(
  engine: Engine,
  token: string,
  outcome: CallbackOutcome,
  conditions: Conditions = {},
): Promise<Operation> {
  const { requestId, ifMatch } = conditions;
  const { runId, operation, redrives, header } = await callbackOf(engine, token);
  const error = "error" in outcome ? runErrorOf(outcome.error) : undefined;
  const value = "error" in outcome ? undefined : outcome.output;
  const output =
    value === undefined ? undefined : await payloadOf(engine, header, value, JSON.stringify(value));
  const state = await appendOutside(engine, runId, (present) => {
    const callback = present.operations.get(operation);
    refuseReplaced(present, operation, redrives);
    answeredBy(present, requestId);
    if (callback?.used !== undefined) {
      const { used } = callback;
      if (outcomeText(used.output, used.error) !== outcomeText(output, error))
        throw new StepfoldError(
          "AlreadyDecided",
          `The callback ${JSON.stringify(callback.name)} of run ${runId} has another outcome already.`,
          { runId, operation },
        );
      return again(present, operation);
    }
    refuseExpired(engine, present, operation);
    refuseStale(present, ifMatch);
    return {
      events: [{ type: "CallbackUsed", operation, output, error, ...(requestId && { requestId }) }],
      wake: `answer:${operation}`,
    };
  });
  return state.operations.get(operation)!;
}

const outcomeText = (output: unknown, error: RunError | undefined): string =>
  canonicalJson([output, error] as unknown as Json);

/** Breaks a callback's silence. */
export async function beatCallback(
  engine: Engine,
  token: string,
  { ifMatch, requestId }: Conditions = {},
): Promise<Operation> {
  const { runId, operation, redrives } = await callbackOf(engine, token);
  const state = await appendOutside(engine, runId, (present) => {
    refuseReplaced(present, operation, redrives);
    if (requestId !== undefined && isRepeated(runId, present.requests, requestId))
      return { events: [], wake: undefined };
    refuseExpired(engine, present, operation);
    refuseStale(present, ifMatch);
    const beats = present.open.get(operation)!.heartbeatMs !== undefined;
    const event = { type: "CallbackBeaten" as const, operation, ...(requestId && { requestId }) };
    return { events: beats ? [event] : [], wake: undefined };
  });
  return state.operations.get(operation)!;
}

async function callbackOf(
  engine: Engine,
  token: string,
): Promise<{ runId: string; operation: string; redrives: number; header: Header }> {
  const invalid = new StepfoldError(
    "InvalidToken",
    "Expected a token that a callback of a run handed out, got another text.",
  );
  const target = tokenTarget(token);
  const header =
    target === undefined ? undefined : await engine.journal.header(target.runId, { consistent: true });
  if (target === undefined || header === undefined) throw invalid;
  if (!isCallbackToken(token, header.runId, header.inc, target)) throw invalid;
  return { ...target, header };
}

/** A redrive that asks again hands another token out. */
function refuseReplaced(state: RunState, operation: string, redrives: number): void {
  const callback = state.operations.get(operation);
  if (callback === undefined || (callback.redrives ?? 0) === redrives) return;
  throw tokenExpired(state, operation);
}

const tokenExpired = ({ runId }: RunState, operation: string): StepfoldError =>
  new StepfoldError("TokenExpired", `The run ${runId} no longer waits for this callback.`, {
    runId,
    operation,
  });

function refuseExpired(engine: Engine, state: RunState, operation: string): void {
  const callback = state.open.get(operation);
  if (state.finished === undefined && callback !== undefined && !isOver(engine, state, callback)) return;
  throw tokenExpired(state, operation);
}

/** Whether it is settled, or will be by its time-out: what comes now comes too late. */
const isOver = (engine: Engine, state: RunState, { id, dueAt }: Operation): boolean =>
  !state.open.has(id) || (dueAt !== undefined && Math.max(state.at, engine.clock.now()) > dueAt);

/** What the same request has answered before. */
function answeredBy(state: RunState, requestId: string | undefined): Operation | undefined {
  if (requestId === undefined) return undefined;
  const ids = [...state.operations.values()].flatMap((operation) => operation.requestId ?? []);
  if (!isRepeated(state.runId, ids, requestId)) return undefined;
  return [...state.operations.values()].find((operation) => operation.requestId === requestId);
}

/** The first answer's wake may have been lost with its sender. */
const again = ({ finished }: RunState, operation: string): OutsideDecision => ({
  events: [],
  wake: finished === undefined ? `answer:${operation}` : undefined,
});

const runErrorOf = ({ code, name, message, data }: CallbackError): RunError => ({
  code: "CallbackFailed",
  name: name ?? code ?? "CallbackFailed",
  message,
  ...(data === undefined ? {} : { data }),
});
