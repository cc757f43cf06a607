/** The client's methods for runs that no code of Stepfold's advances: their owner's, their workers', their mirror's. */
import type { Duration } from "../core/duration.ts";
import type { RunError } from "../core/errors.ts";
import type { WriteOptions } from "./index.ts";
import type { Call, Transport } from "./transport.ts";
import type { ItemView, Lease, OperationView, Page, Run, StepView } from "./views.ts";

/** A text, or any part of what a run's error has. */
export type GivenError = string | (Partial<RunError> & { message: string });
export type ReportedStatus = OperationView["status"];

export interface WorkerOptions extends WriteOptions {
  /** Of the worker's lease. */
  generation: number;
}

export interface NewStep {
  name: string;
  role?: string;
  position?: number;
  iteration?: number;
  canCommit?: boolean;
  /** With it the step is running already; without it, it is pending. */
  retryCount?: number;
}

export interface StepChange {
  status: ReportedStatus;
  /** Of a failed step by default its error. */
  output?: unknown;
  structuredOutput?: unknown;
  markers?: unknown;
  context?: unknown;
  error?: GivenError;
  retryCount?: number;
  childRunId?: string;
}

export interface NewItem {
  type: string;
  id: string;
  ref?: unknown;
  context?: unknown;
}

export interface ItemChange {
  itemId: string;
  status: ItemView["status"];
  output?: unknown;
  error?: GivenError;
  childRunId?: string;
}

export interface Observation {
  name: string;
  status: ReportedStatus;
  output?: unknown;
  error?: GivenError;
  sessionKey?: string;
  at?: Date | string;
}

type Condition = Pick<WriteOptions, "ifMatch">;

export function drivenMethods(call: Transport["call"]) {
  const write = <T>(
    method: Call["method"],
    path: string[],
    body: unknown,
    { ifMatch, idempotencyKey, generation }: WriteOptions & { generation?: number },
  ): Promise<T> =>
    call({
      method,
      path: ["runs", ...path],
      body,
      headers: {
        "if-match": ifMatch === undefined ? undefined : `"${ifMatch}"`,
        "idempotency-key": idempotencyKey,
        "stepfold-generation": generation === undefined ? undefined : String(generation),
      },
    });

  const tell = (
    runId: string,
    what: string,
    { ifMatch, idempotencyKey, ...body }: WriteOptions,
  ): Promise<Run> => write("POST", [runId, what], body, { ifMatch, idempotencyKey });

  return {
    /** A managed or mirrored run waits for something outside. */
    beginWait: (runId: string, wait: unknown, options: WriteOptions & { step?: string } = {}) =>
      tell(runId, "wait", { ...options, wait } as WriteOptions),
    continueRun: (runId: string, options: WriteOptions & { patch?: object; step?: string } = {}) =>
      tell(runId, "continue", options),
    finishRun: (runId: string, options: WriteOptions & { patch?: object; output?: unknown } = {}) =>
      tell(runId, "finish", options),
    failRun: (runId: string, error: GivenError, options: WriteOptions & { patch?: object } = {}) =>
      tell(runId, "fail", { ...options, error } as WriteOptions),
    openGate: (
      runId: string,
      name: string,
      { ifMatch, idempotencyKey, ...body }: WriteOptions & { prompt?: string; timeout?: Duration } = {},
    ): Promise<OperationView> =>
      write("POST", [runId, "gates"], { name, ...body }, { ifMatch, idempotencyKey }),
    /** What a step of another system does, by that system's id for it. */
    observe: (
      runId: string,
      externalId: string,
      { at, ...observation }: Observation,
      options: Condition = {},
    ): Promise<OperationView> => {
      const body = { ...observation, at: at instanceof Date ? at.toISOString() : at };
      return write("PUT", [runId, "observations", externalId], body, options);
    },
    /** Takes the lease of a managed run, or renews it. */
    takeLease: (runId: string, token: string, ttl: Duration, options: WriteOptions = {}): Promise<Lease> =>
      write("POST", [runId, "lease"], { token, ttl }, options),
    releaseLease: (runId: string, token: string, { ifMatch }: Condition = {}): Promise<void> =>
      call({
        method: "DELETE",
        path: ["runs", runId, "lease"],
        query: { token },
        headers: { "if-match": ifMatch === undefined ? undefined : `"${ifMatch}"` },
      }),
    addStep: (runId: string, step: NewStep, options: WorkerOptions): Promise<StepView> =>
      write("POST", [runId, "steps"], step, options),
    updateStep: (
      runId: string,
      stepId: string,
      change: StepChange,
      options: Omit<WorkerOptions, "idempotencyKey">,
    ): Promise<StepView> => write("PATCH", [runId, "steps", stepId], change, options),
    addItems: (
      runId: string,
      stepId: string,
      items: readonly NewItem[],
      options: WorkerOptions,
    ): Promise<{ items: ItemView[] }> => write("POST", [runId, "steps", stepId, "items"], items, options),
    /** Changes all of them or, where one is refused, none. */
    updateItems: (
      runId: string,
      stepId: string,
      changes: readonly ItemChange[],
      options: Omit<WorkerOptions, "idempotencyKey">,
    ): Promise<{ items: ItemView[] }> => write("PATCH", [runId, "steps", stepId, "items"], changes, options),
    items: (
      runId: string,
      stepId: string,
      { status, ...page }: { status?: readonly ItemView["status"][]; limit?: number; cursor?: string } = {},
    ): Promise<Page<ItemView>> =>
      call({
        method: "GET",
        path: ["runs", runId, "steps", stepId, "items"],
        query: { ...page, status: status?.join(",") },
      }),
  };
}
