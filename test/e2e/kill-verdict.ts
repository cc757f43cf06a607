/**
 * What must hold between what was stored (the runs' journals) and what was done (the steps' invocations):
 *
 * 1. No step is invoked after its completion was stored.
 * 2. No step is invoked before its start was stored, and one process does not invoke it twice unless it has failed.
 * 3. All invocations of a step carry one idempotency key, and no other step carries it.
 * 4. A journal has no gap, begins once, ends once, and settles no operation twice.
 * 5. No step is completed that was never invoked.
 */
import type { Invocation } from "./kill-workflows.ts";

export interface JournalEvent {
  sequence: number;
  at: string;
  type: string;
  operation?: string;
  name?: string;
}

interface Life {
  startedAt: number;
  completedAt: number | undefined;
  failures: number;
}

const ENDINGS = ["RunCompleted", "RunFailed", "RunCancelled", "RunTimedOut"];
const SETTLEMENTS = [
  "StepCompleted",
  "StepFailed",
  "TimerFired",
  "SignalDelivered",
  "ChildSettled",
  "OperationCancelled",
];

/** Everything that is wrong, as sentences. */
export function violations(
  journals: ReadonlyMap<string, readonly JournalEvent[]>,
  invocations: readonly Invocation[],
): string[] {
  return [
    ...[...journals].flatMap(([runId, events]) => journalViolations(runId, events)),
    ...[...byRunAndStep(invocations)].flatMap(([, calls]) =>
      stepViolations(calls, lifeOf(journals.get(calls[0]!.runId) ?? [], calls[0]!.step)),
    ),
    ...keyViolations(invocations),
    ...[...journals].flatMap(([runId, events]) => inventions(runId, events, byRunAndStep(invocations))),
  ];
}

export const byRunAndStep = (invocations: readonly Invocation[]): Map<string, Invocation[]> =>
  Map.groupBy(invocations, ({ runId, step }) => `${runId} ${step}`);

function inventions(
  runId: string,
  events: readonly JournalEvent[],
  invoked: ReadonlyMap<string, unknown>,
): string[] {
  const nameOf = new Map(
    events.flatMap(({ type, operation, name }) => (type === "StepStarted" ? [[operation, name]] : [])),
  );
  return events
    .filter(({ type }) => type === "StepCompleted")
    .map(({ operation }) => `${runId} ${nameOf.get(operation)}`)
    .filter((what) => !invoked.has(what))
    .map((what) => `${what}: completed, but never invoked`);
}

function journalViolations(runId: string, events: readonly JournalEvent[]): string[] {
  const found: string[] = [];
  const sequences = [...new Set(events.map(({ sequence }) => sequence))];
  if (sequences.some((sequence, index) => sequence !== index)) found.push(`${runId}: its journal has a gap`);
  if (events.filter(({ type }) => type === "RunCreated").length !== 1)
    found.push(`${runId}: it does not begin once`);
  if (events.filter(({ type }) => ENDINGS.includes(type)).length !== 1)
    found.push(`${runId}: it does not end once`);
  const settled = events.filter(({ type }) => SETTLEMENTS.includes(type)).map(({ operation }) => operation);
  if (new Set(settled).size !== settled.length) found.push(`${runId}: an operation is settled twice`);
  return found;
}

function lifeOf(events: readonly JournalEvent[], step: string): Life | undefined {
  const started = events.find(({ type, name }) => type === "StepStarted" && name === step);
  if (started === undefined) return undefined;
  const own = events.filter(({ operation }) => operation === started.operation);
  const completed = own.find(({ type }) => type === "StepCompleted");
  return {
    startedAt: Date.parse(started.at),
    completedAt: completed === undefined ? undefined : Date.parse(completed.at),
    failures: own.filter(({ type }) => type === "StepAttemptFailed").length,
  };
}

function stepViolations(calls: readonly Invocation[], life: Life | undefined): string[] {
  const what = `${calls[0]!.runId} ${calls[0]!.step}`;
  if (life === undefined) return [`${what}: invoked, but its start is not in the journal`];
  const { startedAt, completedAt, failures } = life;
  const found: string[] = [];
  for (const { at } of calls) {
    if (at < startedAt) found.push(`${what}: invoked ${startedAt - at} ms before its start was stored`);
    if (completedAt !== undefined && at > completedAt)
      found.push(`${what}: invoked ${at - completedAt} ms after its completion was stored`);
  }
  const processes = new Set(calls.map(({ pid }) => pid)).size;
  if (calls.length > processes + failures)
    found.push(`${what}: invoked ${calls.length} times by ${processes} processes after ${failures} failures`);
  return found;
}

function keyViolations(invocations: readonly Invocation[]): string[] {
  const stepsOfKey = Map.groupBy(invocations, ({ idempotencyKey }) => idempotencyKey);
  const shared = [...stepsOfKey].filter(([, calls]) => byRunAndStep(calls).size > 1);
  const changed = [...byRunAndStep(invocations)].filter(
    ([, calls]) => new Set(calls.map(({ idempotencyKey }) => idempotencyKey)).size > 1,
  );
  return [
    ...shared.map(([key]) => `${key}: one key for several steps`),
    ...changed.map(([what]) => `${what}: several keys for one step`),
  ];
}
