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
  /** The same for every attempt of this step, and for no other: hand it to services that know such keys. What was
   * undone and is done again, after a redrive, has another. */
  idempotencyKey: string;
  /** From 1. */
  attempt: number;
  /** Aborts at the step's timeout, and when its result no longer matters. */
  signal: AbortSignal;
  log: Log;
}

export interface StepOptions<T = unknown> {
  retry?: RetryOptions;
  /** One attempt's longest time. Default 1 minute, or the workflow's `stepTimeout`. */
  timeout?: Duration;
  /** Undoes it: called with its result, in reverse order of completion, when the run fails, is cancelled or times
   * out. Retried like the step, under an idempotency key of its own. What could not be undone is listed in the run's
   * `uncompensated`. */
  compensate?: (output: T, step: StepContext) => unknown;
  /** Never begin a second attempt of it, also not after a crash, which then fails it with `StepInterrupted`. */
  atMostOnce?: boolean;
  /** What a dry run takes for its result, in place of its work; without it the work is done. */
  dryRun?: () => T;
}

export interface GateOptions {
  /** The question, for whoever decides. */
  prompt?: string;
  /** Then the gate fails with `GateTimeout`. */
  timeout?: Duration;
}

/** What was decided at a gate. */
export interface Verdict {
  approved: boolean;
  feedback?: Json;
  selections?: Json;
  by?: string;
}

export interface CallbackOptions {
  /** Then it fails with `CallbackTimeout`. */
  timeout?: Duration;
  /** The longest silence: without a heartbeat for so long it fails with `CallbackTimeout`. */
  heartbeat?: Duration;
}

export interface PollOptions {
  /** Between two checks. Default 1 minute. */
  every?: Duration;
  /** Each wait is the one before times this. Default 1. */
  backoff?: number;
  /** Then it fails with `PollTimeout`. */
  timeout?: Duration;
}

/** A map over more than 100 items, or one with `batch` or `checkpoint`, is spread over child runs. */
export interface MapOptions {
  /** Items in work at once, over all child runs. Default: all. */
  concurrency?: number;
  /** Failed items that are no failure: a count, or a share such as `"5%"`. Default 0. Their results are `null`. */
  tolerate?: number | `${number}%`;
  /** Items a child run, up to 1,000. Default 100. */
  batch?: number;
  /** How many finished steps a child run stores in one write: cheaper, but a crash does so many again. Default 1. */
  checkpoint?: number;
  /** `"counts"`: results are not kept, the answer is how many items completed and failed. Default `"inline"`. */
  result?: "inline" | "counts";
}

export type MapResult<R, O> = O extends { result: "counts" } ? MapCounts : R[];

/** What a map answers whose results are not kept. */
export interface MapCounts {
  completed: number;
  failed: number;
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
  step<T>(name: string, work: (step: StepContext) => T | Promise<T>, options?: StepOptions<T>): Promise<T>;
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
    input: NoInfer<I>,
    options: ChildOptions & { detached: true },
  ): Promise<string>;
  child<I, O>(
    name: string,
    workflow: Workflow<I, O>,
    input: NoInfer<I>,
    options?: ChildOptions & { detached?: false },
  ): Promise<O>;
  child<I, O>(
    name: string,
    workflow: Workflow<I, O>,
    input: NoInfer<I>,
    options: ChildOptions,
  ): Promise<O | string>;
  /** Of a workflow that needs no input. */
  child<O>(name: string, workflow: Workflow<undefined, O>): Promise<O>;
  /** A human decision. Fails with `GateTimeout`. */
  gate(name: string, options?: GateOptions): Promise<Verdict>;
  /** Hands a token out through `send`, and waits for it to be used. Fails with `CallbackFailed`, `CallbackTimeout`. */
  callback<T = Json>(name: string, send: (token: string) => unknown, options?: CallbackOptions): Promise<T>;
  /** The first value of `check` that is neither `undefined` nor `false`; a check that throws is made again. Fails
   * with `PollTimeout`. */
  poll<T>(
    name: string,
    check: (step: StepContext) => T | Promise<T>,
    options?: PollOptions,
  ): Promise<Exclude<T, undefined | false>>;
  /** `work` over each item, each in a scope of its own; results in order. Fails with `ToleranceExceeded`. */
  map<T, R, O extends MapOptions = MapOptions>(
    name: string,
    items: readonly T[],
    work: (run: RunContext, item: T, index: number) => R | Promise<R>,
    options?: O,
  ): Promise<MapResult<R, O>>;
  /** Ends this run `completed` and goes on as another with a fresh journal. Never returns. */
  continueAsNew(input?: unknown): never;
  /** Whether this run began after the code had this gate: lets old runs keep what they have done. */
  patched(name: string): boolean;
  /** Merges `patch` into the published state, shallowly. */
  setState(patch: object): void;
  /** The time of the last thing that happened to the run: the same on replay. */
  now(): Date;
  /** Uniform in [0, 1), the same on replay. */
  random(): number;
  uuid(): string;
}
