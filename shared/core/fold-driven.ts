/**
 * The fold of what managed and mirrored runs are told through the API: no leg delivers it, so it is true at once.
 *
 * 1. A gate of such a run is settled by its decision.
 * 2. An observation that is older than the last one, or would unfinish what is finished, changes nothing.
 * 3. A step that moves on from a failure leaves the failure's error and output behind.
 */
import type { Item, Reported } from "./driven.ts";
import type { GateDecided, RunCancelled, RunCompleted, RunCreated, RunFailed } from "./events.ts";
import type {
  DrivenEvent,
  ItemsAdded,
  ItemsUpdated,
  LeaseGranted,
  LeaseRenewed,
  ObservationReported,
  ReportedStatus,
  StepReported,
  StepUpdated,
} from "./events-driven.ts";
import { illegal } from "./illegal.ts";
import type { Json } from "./json.ts";
import { type Operation, type RunState, statusOf } from "./state.ts";

const FINISHED = new Set<string>(["completed", "failed", "skipped", "cancelled"]);

const drivenOf = (state: RunState): NonNullable<RunState["driven"]> => {
  if (state.driven === undefined)
    throw illegal(state, "an outside driver's event", "of a run of the engine's");
  return state.driven;
};

/** A managed run waits for its owner; a mirrored one is running elsewhere already. */
export function beginDriven(state: RunState, { driver }: RunCreated): void {
  const isMirrored = driver === "mirrored";
  state.phase = "driven";
  state.driven = {
    status: isMirrored ? "running" : "pending",
    granted: new Map(),
    answers: new Map(),
    items: new Map(),
  };
  if (isMirrored) state.startedAt = state.at;
}

export function applyDriven(state: RunState, event: DrivenEvent): void {
  const before = statusOf(state);
  change(state, event);
  if (statusOf(state) !== before) state.steered = state.sequence;
}

function change(state: RunState, event: DrivenEvent): void {
  switch (event.type) {
    case "WaitBegun":
      if (isRepeated(state, event.requestId)) return;
      Object.assign(drivenOf(state), { status: "waiting", wait: event.wait });
      return goOn(state, event.step);
    case "Continued":
      if (isRepeated(state, event.requestId)) return;
      if (event.patch !== undefined) state.patches.push(event.patch);
      Object.assign(drivenOf(state), { status: "running", wait: undefined });
      return goOn(state, event.step);
    case "LeaseGranted":
    case "LeaseRenewed":
      return lease(state, event);
    case "LeaseReleased":
      drivenOf(state).lease = undefined;
      return;
    case "StepReported":
      return addStep(state, event);
    case "StepUpdated":
      return updateStep(state, event);
    case "ItemsAdded":
      return addItems(state, event);
    case "ItemsUpdated":
      return updateItems(state, event);
    case "ObservationReported":
      return observe(state, event);
    default:
      return never(event);
  }
}

function isRepeated(state: RunState, requestId: string): boolean {
  if (state.requests.has(requestId)) return true;
  state.requests.add(requestId);
  return false;
}

function goOn(state: RunState, step: string | undefined): void {
  state.startedAt ??= state.at;
  if (step !== undefined) state.step = step;
}

function lease(state: RunState, event: LeaseGranted | LeaseRenewed): void {
  const driven = drivenOf(state);
  const { until, requestId } = event;
  if (event.type === "LeaseGranted") {
    driven.lease = { token: event.token, until };
    state.generation = state.sequence;
    // A claim is what a pending run waits for.
    if (driven.status === "pending") driven.status = "running";
    state.startedAt ??= state.at;
  } else if (driven.lease === undefined) throw illegal(state, event.type, "while nobody holds a lease");
  else driven.lease = { ...driven.lease, until };
  if (requestId !== undefined) driven.granted.set(requestId, { generation: state.generation, until });
}

function addStep(state: RunState, event: StepReported): void {
  const { operation: id, name, status, retryCount, requestId, role, position, iteration, canCommit } = event;
  if (state.operations.has(id)) throw illegal(state, event.type, `for ${id}, which exists`);
  const reported: Reported = {};
  if (status === "running") reported.startedAt = state.at;
  assign(reported, { role, position, iteration, canCommit });
  const step: Operation = {
    id,
    name,
    kind: "step",
    status,
    attempts: status === "pending" ? 0 : 1,
    startedAt: state.at,
    reported,
  };
  retried(state, step, retryCount);
  state.operations.set(id, step);
  state.open.set(id, step);
  if (requestId !== undefined) drivenOf(state).answers.set(requestId, id);
}

function updateStep(state: RunState, event: StepUpdated): void {
  const step = reportedStep(state, event);
  const { status, output, error, retryCount, childRunId, structuredOutput, markers, context } = event;
  if (step.status === "failed" && status !== "failed") {
    step.error = undefined;
    step.output = undefined;
  }
  moveTo(state, step, status);
  retried(state, step, retryCount);
  assign(step, { output, error, childRunId });
  if (status === "failed" && output === undefined && error !== undefined)
    step.output = { v: error as unknown as Json };
  assign(step.reported!, { structuredOutput, markers, context });
}

function moveTo(state: RunState, step: Operation, status: ReportedStatus): void {
  const wasFinished = FINISHED.has(step.status);
  const isFinished = FINISHED.has(status);
  step.status = status;
  if (status !== "pending") {
    step.reported!.startedAt ??= state.at;
    step.attempts = Math.max(1, step.attempts);
  }
  if (isFinished && !wasFinished) step.finishedAt = state.at;
  if (!isFinished) step.finishedAt = undefined;
  if (isFinished) state.open.delete(step.id);
  else state.open.set(step.id, step);
}

function retried(state: RunState, step: Operation, retryCount: number | undefined): void {
  if (retryCount === undefined) return;
  state.retryCount += retryCount - Math.max(0, step.attempts - 1);
  step.attempts = retryCount + 1;
}

function reportedStep(state: RunState, { type, operation }: { type: string; operation: string }): Operation {
  const step = state.operations.get(operation);
  if (step?.kind !== "step" || step.reported === undefined)
    throw illegal(state, type, `for ${operation}, which is no reported step`);
  return step;
}

function addItems(state: RunState, event: ItemsAdded): void {
  const { items, answers } = drivenOf(state);
  const { id } = reportedStep(state, event);
  const { requestId } = event;
  const known = items.get(id) ?? new Map<string, Item>();
  items.set(id, known);
  for (const item of event.items)
    known.set(item.itemId, { ...item, status: "pending", ...(requestId === undefined ? {} : { requestId }) });
  if (requestId !== undefined) answers.set(requestId, id);
}

function updateItems(state: RunState, event: ItemsUpdated): void {
  const { id } = reportedStep(state, event);
  const known = drivenOf(state).items.get(id);
  for (const { itemId, status, output, error, childRunId } of event.items) {
    const item = known?.get(itemId);
    if (item === undefined) throw illegal(state, event.type, `for ${itemId}, which is no item of ${id}`);
    if (item.status === "failed" && status !== "failed") item.error = undefined;
    assign(item, { status, output, error, childRunId });
  }
}

function observe(state: RunState, event: ObservationReported): void {
  const { operation: id, name, status, output, error, sessionKey } = event;
  const observedAt = event.observedAt ?? state.at;
  const known = state.operations.get(id);
  if (known === undefined) {
    const begun: Operation = {
      id,
      name,
      kind: "observation",
      status,
      attempts: 1,
      startedAt: observedAt,
      reported: { observedAt, ...(status === "pending" ? {} : { startedAt: observedAt }) },
    };
    if (FINISHED.has(status)) begun.finishedAt = observedAt;
    assign(begun, { output, error });
    assign(begun.reported!, { sessionKey });
    state.operations.set(id, begun);
    return;
  }
  if (known.kind !== "observation") throw illegal(state, event.type, `for ${id}, which is a ${known.kind}`);
  if (!isNews(known, event, observedAt)) return;
  if (FINISHED.has(status) && !FINISHED.has(known.status)) known.finishedAt = observedAt;
  if (known.status === "failed" && status !== "failed") known.error = undefined;
  assign(known, { name, status, output, error });
  assign(known.reported!, { sessionKey, observedAt });
  if (status !== "pending") known.reported!.startedAt ??= observedAt;
}

/** Whether an observation changes anything. */
export function isNews(
  known: Operation,
  { status }: Pick<ObservationReported, "status">,
  observedAt: number,
): boolean {
  const isOlder = observedAt < (known.reported?.observedAt ?? 0);
  const unfinishes = FINISHED.has(known.status) && !FINISHED.has(status);
  return !isOlder && !unfinishes;
}

/** Nobody else has to be told of the decision. */
export function decideGate(state: RunState, gate: Operation, { decision }: GateDecided): void {
  gate.status = "completed";
  gate.finishedAt = state.at;
  gate.output = { v: decision as unknown as Json };
  state.open.delete(gate.id);
  state.timed.delete(gate.id);
}

/** What the end of such a run says beside its outcome: a last patch, why it failed, who cancelled it. */
export function endDriven(state: RunState, event: RunCompleted | RunFailed | RunCancelled): void {
  if (event.requestId !== undefined) state.requests.add(event.requestId);
  if (event.type === "RunCancelled") {
    const { reason, by } = event;
    state.cancel ??= { reason, by, at: state.at, delivered: true };
    return;
  }
  if (event.patch !== undefined) state.patches.push(event.patch);
  if (event.type === "RunFailed") {
    const failure = { reason: event.error.message, at: new Date(state.at).toISOString() };
    state.patches.push({ v: { failure } });
  }
}

/** Its end, whatever that is: nobody waits, and nobody holds it. */
export function leaveDriven(state: RunState): void {
  if (state.driven === undefined) return;
  state.driven.wait = undefined;
  state.driven.lease = undefined;
  state.steered = state.sequence;
}

/** Sets what is there. */
function assign<T extends object>(target: T, given: { [K in keyof T]?: T[K] | undefined }): void {
  for (const [field, value] of Object.entries(given))
    if (value !== undefined) Object.assign(target, { [field]: value });
}

function never(event: never): never {
  throw illegal({ runId: "", sequence: 0 }, JSON.stringify(event), "which is of no type of this version");
}
