/**
 * What the builder looks like to who writes with it. The type of the value flows from one part to the next: each
 * function is given what the part before it yields, and a whole flow knows its input and its output.
 */
import type { SignalOptions, StepContext, StepOptions } from "../context.ts";
import type { Duration } from "../duration.ts";
import type { Json } from "../json.ts";
import type { Workflow } from "../workflow.ts";

/** A step's work in a flow: it is given a copy of the value before it, and what it returns is the value after it. */
export type Task<V, T> = (value: V, step: StepContext) => T | Promise<T>;

/** Functions for the tasks that a flow names without one. */
export type Tasks = Record<string, Task<never, unknown>>;

declare const undecided: unique symbol;
/** The value of a flow whose input nothing has named yet: the first function's parameter names it. */
export interface Open {
  readonly [undecided]: never;
}

declare const types: unique symbol;
/** What is known of any flow: what it takes, and what it yields. Only types look at it. */
export interface Declared<in I, out V> {
  readonly [types]: (input: I) => V;
}

/** One branch: a task of that name, or a flow of its own. */
export type Branch<V, T = unknown> = Task<V, T> | Declared<V, T> | Declared<Open, T>;

type IsOpen<T> = 0 extends 1 & T ? false : [T] extends [never] ? false : [T] extends [Open] ? true : false;
type Closed<T, Else> = IsOpen<T> extends true ? Else : T;

/** What a branch yields of a value `V`: a flow of nothing but delays yields the value itself. */
type BranchValue<V, B> =
  B extends Declared<never, infer T> ? Closed<T, V> : B extends Task<never, infer T> ? Awaited<T> : never;
type BranchValues<V, B> = { [K in keyof B]: BranchValue<V, B[K]> };
type ClosedValues<V, T> = { [K in keyof T]: Closed<T[K], V> };

/** A flow so far: `I` is its input, `V` the value that the next part is given, `O` what its output schema gives.
 * No call changes it: each gives another flow, so that two may begin alike. */
export interface Flow<I, V, O = unknown> extends Declared<I, V> {
  /** A step: runs `task` on the value, and goes on with what it returned. */
  then<A, T>(
    this: Declared<Open, Open>,
    name: string,
    task: Task<A, T>,
    options?: StepOptions<NoInfer<T>>,
  ): Flow<A, T, O>;
  then<T>(name: string, task: Task<V, T>, options?: StepOptions<NoInfer<T>>): Flow<I, T, O>;
  /** Without a function it is taken from `build({ tasks })`; `T` says what it will return. */
  then<T = Json>(name: string, task?: undefined, options?: StepOptions<NoInfer<T>>): Flow<I, T, O>;

  /** Waits, and passes the value on. */
  delay(name: string, duration: Duration): Flow<I, V, O>;

  /** Waits for a signal of that name, buffered ones first, and goes on with its payload. */
  awaitSignal<T = Json>(name: string, options?: SignalOptions<T>): Flow<I, T, O>;

  /** Gives each branch the value, lets each go on at its own time, and goes on with `{ branch: output }` once the
   * last is done. The first branch that fails fails the fork, with its own error. */
  branches<A, B extends Record<string, unknown>>(
    this: Declared<Open, Open>,
    branches: { [K in keyof B]: Branch<A, B[K]> },
  ): ForkedFlow<A, ClosedValues<A, B>, O>;
  branches<B extends Record<string, Branch<V>>>(branches: B): ForkedFlow<I, BranchValues<V, B>, O>;

  /** The workflow. Throws `TaskNotImplemented`, naming every task that has no function here or in `tasks`. */
  build(options?: {
    tasks?: Tasks;
  }): Workflow<Closed<I, unknown>, unknown extends O ? Closed<V, unknown> : O>;
}

/** A flow whose value is what branches gave. */
export interface ForkedFlow<I, V, O = unknown> extends Flow<I, V, O> {
  /** A step that is given every branch's output. */
  join<T>(name: string, task: Task<V, T>, options?: StepOptions<NoInfer<T>>): Flow<I, T, O>;
  join<T = Json>(name: string, task?: undefined, options?: StepOptions<NoInfer<T>>): Flow<I, T, O>;
  delay(name: string, duration: Duration): ForkedFlow<I, V, O>;
}
