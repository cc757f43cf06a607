/**
 * A typed client of the HTTP API: one method a path, each failing with `StepfoldClientError`. What a run takes and
 * gives follows from its workflow's definition.
 */

import type { Duration } from "../core/duration.ts";
import type { RunStatus } from "../core/events.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { Schema } from "../core/schema.ts";
import type { Workflow } from "../core/workflow.ts";
import { drivenMethods } from "./driven.ts";
import { StepfoldClientError } from "./errors.ts";
import { type ClientOptions, createTransport } from "./transport.ts";
import type {
  BulkAction,
  BulkReport,
  Gate,
  JournalEvent,
  OperationView,
  Page,
  Run,
  RunSummary,
  SignalView,
  WorkflowView,
} from "./views.ts";

export type {
  GivenError,
  ItemChange,
  NewItem,
  NewStep,
  Observation,
  ReportedStatus,
  StepChange,
  WorkerOptions,
} from "./driven.ts";
export { StepfoldClientError } from "./errors.ts";
export type { Auth, ClientOptions, OutgoingRequest } from "./transport.ts";
export type * from "./views.ts";

export interface StartOptions {
  runId?: string;
  idempotencyKey?: string;
  version?: number;
  owner?: string;
  tags?: Record<string, string>;
  goal?: string;
  origin?: string;
  trigger?: string;
  dryRun?: boolean;
  timeout?: Duration;
  startAt?: Date | string;
  /** Who advances the run, where that is not the workflow's code; its name may then be any. */
  driver?: "managed" | "mirrored";
  state?: JsonObject;
  step?: string;
  parentRunId?: string;
  externalParentId?: string;
  definition?: unknown;
  signal?: { name: string; payload?: unknown };
  /** Holds the answer until the run is finished, for at most so many (1–25) seconds. */
  waitSeconds?: number;
}

type ListedStatus = RunStatus | "active";

export interface ListOptions {
  /** One, or several. */
  status?: ListedStatus | readonly ListedStatus[];
  workflow?: string;
  owner?: string;
  tag?: { key: string; value: string };
  parent?: string;
  stalled?: boolean;
  createdAfter?: Date | string;
  createdBefore?: Date | string;
  order?: "asc" | "desc";
  limit?: number;
  cursor?: string;
}

/** Which runs are meant; an empty one holds every run. */
export type BulkFilter = Omit<ListOptions, "order" | "limit" | "cursor">;

export interface BulkOptions {
  /** What is sent, by `signal` alone. */
  signal?: { name: string; payload?: unknown };
  reason?: string;
  by?: string;
  /** The same key with the same request happens once. */
  idempotencyKey?: string;
}

export interface AfterOptions {
  /** Only what has a later sequence. */
  after?: number;
  limit?: number;
  cursor?: string;
}

/** What any change may be bound to. */
export interface WriteOptions {
  /** The revision that the caller has seen. */
  ifMatch?: number;
  /** The same key with the same request happens once. */
  idempotencyKey?: string;
}

interface Body {
  output?: unknown;
  error?: unknown;
}

export interface WhyOptions extends WriteOptions {
  reason?: string;
  by?: string;
}

export interface DecisionOptions extends WriteOptions {
  feedback?: unknown;
  selections?: unknown;
  by?: string;
}

/** A signal's name, or the name and the schema that its receiver holds it to: then the payload is checked by types. */
export type SignalName<P> = string | { readonly name: string; readonly schema: Schema<unknown, P> };

const WAIT_SECONDS = 25;
const unfinished: readonly string[] = ["pending", "running", "sleeping", "waiting", "paused"];

export type Client = ReturnType<typeof createClient>;

export function createClient(options: ClientOptions) {
  const { call, read } = createTransport(options);

  function start<O = Json>(workflow: string, input?: unknown, options?: StartOptions): Promise<Run<O>>;
  /** Of a workflow that needs no input. */
  function start<O>(
    workflow: Workflow<undefined, O>,
    input?: undefined,
    options?: StartOptions,
  ): Promise<Run<O>>;
  function start<I, O>(workflow: Workflow<I, O>, input: NoInfer<I>, options?: StartOptions): Promise<Run<O>>;
  function start(
    workflow: { name: string } | string,
    input?: unknown,
    options: StartOptions = {},
  ): Promise<Run> {
    const { idempotencyKey, waitSeconds, startAt, ...rest } = options;
    const name = typeof workflow === "string" ? workflow : workflow.name;
    return call({
      method: "POST",
      path: ["runs"],
      body: { ...rest, workflow: name, input, startAt: timeOf(startAt) },
      headers: { "idempotency-key": idempotencyKey, prefer: preferOf(waitSeconds) },
    });
  }

  const get = <O = Json>(runId: string, { waitSeconds }: { waitSeconds?: number } = {}): Promise<Run<O>> =>
    call({ method: "GET", path: ["runs", runId], headers: { prefer: preferOf(waitSeconds) } });

  /** The run once it is finished, or the last one of those that it continued as, however long that takes; `signal` gives up. */
  async function wait<O = Json>(
    run: Run<O> | string,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Run<O>> {
    let current = typeof run === "string" ? await get<O>(run) : run;
    for (;;) {
      const { runId, status, continuedTo } = current;
      if (continuedTo === undefined && !unfinished.includes(status)) return current;
      signal?.throwIfAborted();
      const next = await get<O>(runId, { waitSeconds: WAIT_SECONDS });
      // A run that is still the end of its chain has a successor that is gone: asking for it tells so.
      const isGone = continuedTo !== undefined && next.runId === runId;
      current = isGone ? await get<O>(continuedTo) : next;
    }
  }

  /** The output that `wait` waits for. Fails with `RunFailed`, `RunCancelled` or `RunTimedOut`, its `data` the run's error. */
  async function result<O = Json>(run: Run<O> | string, options: { signal?: AbortSignal } = {}): Promise<O> {
    const { status, output, error, runId } = await wait<O>(run, options);
    if (status === "completed") return (isLink(output) ? await read(output.$blob) : output) as O;
    const code = `Run${status.charAt(0).toUpperCase()}${status.slice(1)}`;
    const detail = `The run ${runId} is ${status}${error === undefined ? "." : `: ${error.message}`}`;
    throw new StepfoldClientError({
      code,
      status: 200,
      detail,
      data: error === undefined ? {} : { error: error as unknown as Json },
    });
  }

  const list = (options: ListOptions = {}): Promise<Page<RunSummary>> =>
    call({ method: "GET", path: ["runs"], query: queryOf(options) });

  /** Starts the run that does it: its output, which `result` waits for, reports on each run. */
  const bulk = (
    action: BulkAction,
    filter: BulkFilter,
    { idempotencyKey, ...options }: BulkOptions = {},
  ): Promise<Run<BulkReport>> => {
    const { stalled, ...rest } = queryOf(filter);
    return call({
      method: "POST",
      path: ["runs", "bulk"],
      body: { ...options, action, filter: { ...rest, stalled: stalled?.toString() } },
      headers: { "idempotency-key": idempotencyKey },
    });
  };

  const remove = (runId: string, { ifMatch }: { ifMatch?: number } = {}): Promise<void> =>
    call({ method: "DELETE", path: ["runs", runId], headers: { "if-match": etagOf(ifMatch) } });

  const signal = <P = unknown>(
    runId: string,
    name: SignalName<P>,
    payload?: NoInfer<P>,
    { strict, ifMatch, idempotencyKey }: WriteOptions & { strict?: boolean } = {},
  ): Promise<{ signalId: string }> =>
    call({
      method: "POST",
      path: ["runs", runId, "signals", typeof name === "string" ? name : name.name],
      query: { mode: strict ? "strict" : undefined },
      body: payload,
      headers: { "if-match": etagOf(ifMatch), "idempotency-key": idempotencyKey },
    });

  const post = <T>(path: string[], { ifMatch, idempotencyKey, ...body }: WriteOptions & Body): Promise<T> =>
    call({
      method: "POST",
      path,
      body,
      headers: { "if-match": etagOf(ifMatch), "idempotency-key": idempotencyKey },
    });

  const patchState = (
    runId: string,
    patch: object,
    { step, ifMatch }: { step?: string; ifMatch?: number } = {},
  ): Promise<Run> =>
    call({
      method: "PATCH",
      path: ["runs", runId, "state"],
      query: { step },
      body: patch,
      headers: { "if-match": etagOf(ifMatch) },
    });

  const ofRun = <T>(
    runId: string,
    what: string,
    query: Record<string, string | number | undefined> = {},
  ): Promise<T> => call({ method: "GET", path: ["runs", runId, what], query });

  return {
    start,
    get,
    wait,
    result,
    list,
    bulk,
    remove,
    signal,
    /** `final` ends a managed or mirrored run. */
    cancel: (runId: string, options: WhyOptions & { final?: boolean } = {}) =>
      post<Run>(["runs", runId, "cancel"], options),
    pause: (runId: string, options: WhyOptions = {}) => post<Run>(["runs", runId, "pause"], options),
    resume: (runId: string, options: WhyOptions = {}) => post<Run>(["runs", runId, "resume"], options),
    /** Lets a failed, cancelled or timed-out run go on, `from` an operation's name; a stalled one is tried again. */
    redrive: (runId: string, options: WriteOptions & { from?: string } = {}) =>
      post<Run>(["runs", runId, "redrive"], options),
    /** `gate` is a name, for the one that waits now, or an operation's id. */
    gate: (runId: string, gate: string): Promise<Gate> =>
      call({ method: "GET", path: ["runs", runId, "gates", gate] }),
    approve: (runId: string, gate: string, options: DecisionOptions = {}) =>
      post<OperationView>(["runs", runId, "gates", gate, "approve"], options),
    reject: (runId: string, gate: string, options: DecisionOptions = {}) =>
      post<OperationView>(["runs", runId, "gates", gate, "reject"], options),
    succeedCallback: (token: string, output?: unknown, options: WriteOptions = {}) =>
      post<OperationView>(["callbacks", token, "succeed"], { ...options, output }),
    failCallback: (
      token: string,
      error: string | { message: string; code?: string; name?: string; data?: unknown },
      options: WriteOptions = {},
    ) => post<OperationView>(["callbacks", token, "fail"], { ...options, error }),
    beatCallback: (token: string, { ifMatch, idempotencyKey }: WriteOptions = {}): Promise<OperationView> =>
      call({
        method: "POST",
        path: ["callbacks", token, "heartbeat"],
        headers: { "if-match": etagOf(ifMatch), "idempotency-key": idempotencyKey },
      }),
    patchState,
    ...drivenMethods(call),
    journal: (runId: string, range: AfterOptions = {}) =>
      ofRun<Page<JournalEvent>>(runId, "journal", { ...range }),
    operations: (runId: string, page: { limit?: number; cursor?: string } = {}) =>
      ofRun<Page<OperationView>>(runId, "operations", { ...page }),
    signals: (runId: string, range: AfterOptions = {}) =>
      ofRun<Page<SignalView>>(runId, "signals", { ...range }),
    cancelled: (runId: string) => ofRun<{ cancelled: boolean; reason?: string }>(runId, "cancelled"),
    workflows: (page: { limit?: number; cursor?: string } = {}): Promise<Page<WorkflowView>> =>
      call({ method: "GET", path: ["workflows"], query: { ...page } }),
    workflow: (name: string): Promise<WorkflowView> => call({ method: "GET", path: ["workflows", name] }),
    health: (): Promise<{ status: "ok" }> => call({ method: "GET", path: ["health"] }),
  };
}

const queryOf = ({ status, tag, createdAfter, createdBefore, ...rest }: ListOptions) => ({
  ...rest,
  status: typeof status === "string" ? status : status?.join(","),
  tag: tag && `${tag.key}:${tag.value}`,
  createdAfter: timeOf(createdAfter),
  createdBefore: timeOf(createdBefore),
});

const timeOf = (time: Date | string | undefined): string | undefined =>
  time instanceof Date ? time.toISOString() : time;
const preferOf = (seconds: number | undefined): string | undefined =>
  seconds === undefined ? undefined : `wait=${seconds}`;
const etagOf = (revision: number | undefined): string | undefined =>
  revision === undefined ? undefined : `"${revision}"`;

const isLink = (value: unknown): value is { $blob: string } =>
  typeof value === "object" &&
  value !== null &&
  typeof (value as { $blob?: unknown }).$blob === "string" &&
  "bytes" in value;
