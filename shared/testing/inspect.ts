/** What a test may look at: a run, its journal and its operations, with payloads read. */
import type { RunError } from "../core/errors.ts";
import type { RunEvent, RunStatus } from "../core/events.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { mergedState } from "../core/replay.ts";
import { type OperationKind, type OperationStatus, shownKind, statusOf, wakeAtOf } from "../core/state.ts";
import { entriesOf, loadRun, readPayload } from "../engine/load.ts";
import { runNotFound } from "../engine/outside.ts";
import type { Ports } from "../engine/parts.ts";
import type { Resident } from "../engine/residents.ts";

export interface RunView {
  runId: string;
  workflow: string;
  version: number;
  status: RunStatus;
  /** The sequence of the last entry. */
  revision: number;
  input?: Json;
  /** The published state. */
  state: JsonObject;
  output?: Json;
  error?: RunError;
  childRunId?: string;
  waitingFor: { operation: string; kind: OperationKind; name: string; until?: Date }[];
  wakeAt?: Date;
  retryCount: number;
  /** What could not be undone. */
  uncompensated?: { operation: string; name: string; error: RunError }[];
  /** The run that it went on as. */
  continuedTo?: string;
  cancel?: { reason?: string; by?: string };
  stalled?: { code: string; message: string };
}

export interface OperationView {
  id: string;
  name: string;
  kind: OperationKind;
  parent?: string;
  status: OperationStatus;
  attempts: number;
  startedAt: Date;
  finishedAt?: Date;
  output?: Json;
  error?: RunError;
  childRunId?: string;
}

/** One event, with where it stands. */
export type JournalEvent = RunEvent & { sequence: number; at: Date; generation: number };

export async function loaded(ports: Ports, runId: string): Promise<Resident> {
  const run = await loadRun(ports, runId, { consistent: true });
  if (run === undefined) throw runNotFound(runId);
  return run;
}

export async function viewOf(ports: Ports, runId: string): Promise<RunView> {
  const { state } = await loaded(ports, runId);
  const { created, finished, cancel, stalled } = state;
  const waiting = [...state.open.values()].filter(({ status }) => status === "waiting");
  const wakeAt = wakeAtOf(state);
  return withoutUndefined({
    runId,
    workflow: created.workflow,
    version: created.version,
    status: statusOf(state),
    revision: state.sequence,
    input: await readPayload(ports, created.input),
    state: await mergedState(state.patches, { payload: (payload) => readPayload(ports, payload) }),
    output: await readPayload(ports, finished?.output),
    error: finished?.error,
    waitingFor: waiting.map(({ id, kind, name, dueAt }) =>
      withoutUndefined({
        operation: id,
        kind,
        name,
        until: dueAt === undefined ? undefined : new Date(dueAt),
      }),
    ),
    wakeAt: wakeAt === undefined ? undefined : new Date(wakeAt),
    retryCount: state.retryCount,
    uncompensated: state.uncompensated.length > 0 ? [...state.uncompensated] : undefined,
    continuedTo: state.continuedTo,
    cancel: cancel && withoutUndefined({ reason: cancel.reason, by: cancel.by }),
    stalled: stalled && { code: stalled.code, message: stalled.message },
  });
}

/** When the first of the run's steps, or of those of the children that it waits for, is attempted again. */
export async function retryAtOf(ports: Ports, runId: string): Promise<number | undefined> {
  const run = await loadRun(ports, runId, { consistent: true });
  if (run === undefined || run.state.finished !== undefined) return undefined;
  let first: number | undefined;
  for (const { kind, nextAttemptAt, childRunId } of run.state.open.values()) {
    const isStep = kind === "step" || kind === "compensation" || kind === "callback";
    const own = isStep ? nextAttemptAt : undefined;
    const at = own ?? (childRunId === undefined ? undefined : await retryAtOf(ports, childRunId));
    if (at !== undefined && (first === undefined || at < first)) first = at;
  }
  return first;
}

/** In order of start. */
export async function operationsOf(ports: Ports, runId: string): Promise<OperationView[]> {
  const { state } = await loaded(ports, runId);
  return Promise.all(
    [...state.operations.values()].map(async (operation) => {
      const { id, name, parent, status, attempts, startedAt, finishedAt, output, error, childRunId } =
        operation;
      return withoutUndefined({
        id,
        name,
        kind: shownKind(operation),
        parent,
        status,
        attempts,
        startedAt: new Date(startedAt),
        finishedAt: finishedAt === undefined ? undefined : new Date(finishedAt),
        output: await readPayload(ports, output),
        error,
        childRunId,
      });
    }),
  );
}

export async function journalOf(ports: Ports, runId: string): Promise<JournalEvent[]> {
  const shown: JournalEvent[] = [];
  for await (const { sequence, at, generation, events } of entriesOf(ports, runId))
    shown.push(...events.map((event) => ({ ...event, sequence, at: new Date(at), generation })));
  if (shown.length === 0) throw runNotFound(runId);
  return shown;
}

type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

function withoutUndefined<T extends object>(value: T): Present<T> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Present<T>;
}
