/**
 * What a workflow function is given as `run`: every durable thing that it can do. The name comes first and is
 * mandatory: with the operation's place in the code it is what a replay recognises it by.
 */
import type { Duration } from "./duration.ts";
import type { Json, JsonObject } from "./json.ts";
import type { RetryOptions } from "./retry.ts";
import type { Schema } from "./schema.ts";
import type { Workflow } from "./workflow.ts";

/** What a step's work is given. */
export interface StepContext {
  /** The same for every attempt of this step, and for no other: hand it to services that know such keys. */
  idempotencyKey: string;
  /** From 1. */
  attempt: number;
  /** Aborts at the step's timeout, and when its result no longer matters. */
  signal: AbortSignal;
  log: Log;
}

export interface StepOptions {
  retry?: RetryOptions;
  /** One attempt's longest time. Default 1 minute, or the workflow's `stepTimeout`. */
  timeout?: Duration;
}

export interface SignalOptions<T> {
  /** What the payload must hold; a signal that does not is dropped and noted, and the wait goes on. */
  schema?: Schema<T>;
  /** Which signals of that name this wait takes; others stay buffered for other waits. */
  where?: (payload: T) => boolean;
  /** Then the wait fails with `SignalTimeout`. */
  timeout?: Duration;
}

export interface ChildOptions {
  /** Do not wait for it: the answer is its run id, and it lives on when this run ends. */
  detached?: boolean;
}

export interface Log {
  debug(message: string, data?: object): void;
  info(message: string, data?: object): void;
  warn(message: string, data?: object): void;
  error(message: string, data?: object): void;
}

export type Branches = Record<string, (run: RunContext) => unknown>;
export type BranchResults<B extends Branches> = { [K in keyof B]: Awaited<ReturnType<B[K]>> };
export type BranchResult<B extends Branches> = BranchResults<B>[keyof B];

export interface RunContext {
  readonly runId: string;
  /** The published state: an own copy at each read. */
  readonly state: JsonObject;
  readonly dryRun: boolean;
  /** Silent on replay. */
  readonly log: Log;
  /** Runs `work` at least once, and keeps what it returned, as JSON. Fails with its error after the last attempt, or
   * `StepTimeout`. */
  step<T>(name: string, work: (step: StepContext) => T | Promise<T>, options?: StepOptions): Promise<T>;
  /** Waits; costs nothing while it does. */
  sleep(name: string, duration: Duration): Promise<void>;
  sleepUntil(name: string, date: Date | string | number): Promise<void>;
  /** The payload of the next signal of that name, buffered ones first. Fails with `SignalTimeout`. */
  waitForSignal<T = Json>(name: string, options?: SignalOptions<T>): Promise<T>;
  /** Each branch's result, by its name. The first failure fails it, and cancels the others. */
  all<B extends Branches>(name: string, branches: B): Promise<BranchResults<B>>;
  /** The first result; `AllFailed` when there is none. Losers are cancelled. */
  any<B extends Branches>(name: string, branches: B): Promise<BranchResult<B>>;
  /** The first outcome, result or failure. Losers are cancelled. */
  race<B extends Branches>(name: string, branches: B): Promise<BranchResult<B>>;
  /** The output of a run that this one starts, cancels with itself, and waits for. Fails with `ChildFailed`. */
  child<I, O>(
    name: string,
    workflow: Workflow<I, O>,
    input: I,
    options: ChildOptions & { detached: true },
  ): Promise<string>;
  child<I, O>(name: string, workflow: Workflow<I, O>, input: I, options?: ChildOptions): Promise<O>;
  /** Merges `patch` into the published state, shallowly. */
  setState(patch: object): void;
  /** The time of the last thing that happened to the run: the same on replay. */
  now(): Date;
  /** Uniform in [0, 1), the same on replay. */
  random(): number;
  uuid(): string;
}
