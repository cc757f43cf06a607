/**
 * The `run` that user code holds: turns its calls into commands, under ids made of the place in the code.
 *
 * An operation's id is the path of its scope and a counter in it: `3`, `3/email/1`. Each branch of a fork has a
 * scope of its own, so that what one branch does never changes another's ids.
 */
import type {
  Branches,
  BranchResult,
  BranchResults,
  ChildOptions,
  Log,
  RunContext,
  SignalOptions,
  StepContext,
  StepOptions,
} from "./context.ts";
import { type Duration, durationMs } from "./duration.ts";
import { OperationError, type RunError, StepfoldError, toRunError } from "./errors.ts";
import type { Execution } from "./execution.ts";
import { checkName, childRunId, digest } from "./ids.ts";
import type { Json, JsonObject } from "./json.ts";
import { toJson } from "./json.ts";
import { STEP_TIMEOUT_MS } from "./limits.ts";
import { retryPolicy } from "./retry.ts";
import type { AnyWorkflow, Workflow } from "./workflow.ts";
import { checkStepTimeout, isWorkflow } from "./workflow.ts";

export class Scope {
  readonly prefix: string;
  /** The fork that this scope is a branch of. */
  readonly parent: string | undefined;
  closed = false;
  #count = 0;

  constructor(prefix: string, parent: string | undefined) {
    this.prefix = prefix;
    this.parent = parent;
  }

  next(): string {
    return `${this.prefix}${++this.#count}`;
  }
}

type ForkKind = "all" | "any" | "race";

export class ScopedRun implements RunContext {
  readonly #execution: Execution;
  readonly #scope: Scope;

  constructor(execution: Execution, scope: Scope) {
    this.#execution = execution;
    this.#scope = scope;
  }

  get runId(): string {
    return this.#execution.options.runId;
  }
  get dryRun(): boolean {
    return this.#execution.options.dryRun;
  }
  get state(): JsonObject {
    return JSON.parse(JSON.stringify(this.#execution.visible)) as JsonObject;
  }
  get log(): Log {
    return this.#execution.live ? this.#execution.options.log : silent;
  }

  #begin(name: string): { operation: string; name: string; parent?: string } {
    checkName(name, "an operation's name");
    if (this.#scope.closed || this.#execution.ended)
      throw new StepfoldError(
        "OperationCancelled",
        `${JSON.stringify(name)} was not started: its branch lost, or the function has returned.`,
      );
    const operation = this.#scope.next();
    return this.#scope.parent === undefined
      ? { operation, name }
      : { operation, name, parent: this.#scope.parent };
  }

  step<T>(name: string, work: (step: StepContext) => T | Promise<T>, options: StepOptions = {}): Promise<T> {
    return unwatched(() => this.#step(name, work, options));
  }

  #step<T>(name: string, work: (step: StepContext) => T | Promise<T>, options: StepOptions): Promise<T> {
    if (typeof work !== "function")
      throw new StepfoldError(
        "InvalidOptions",
        `Expected step ${JSON.stringify(name)} to have a function, got ${typeof work}.`,
      );
    const { options: defaults } = this.#execution.definition;
    const workflowRetry =
      defaults.maxRetries === undefined
        ? defaults.retry
        : { ...defaults.retry, maxAttempts: defaults.maxRetries + 1 };
    const policy = retryPolicy(options.retry, workflowRetry);
    const timeout = options.timeout ?? defaults.stepTimeout;
    const timeoutMs =
      timeout === undefined ? Math.min(STEP_TIMEOUT_MS, this.#execution.options.legMs) : durationMs(timeout);
    checkStepTimeout(timeoutMs, this.#execution.options.legMs, `of ${JSON.stringify(name)}`);
    const begun = this.#begin(name);
    this.#execution.steps.set(begun.operation, { name, work, policy, timeoutMs });
    this.#execution.issue({ type: "StepStarted", ...begun });
    return this.#execution.pend<T>(begun.operation, this.#scope);
  }

  sleep(name: string, duration: Duration): Promise<void> {
    return unwatched(() => this.#timer(name, this.#execution.now + durationMs(duration)));
  }

  sleepUntil(name: string, date: Date | string | number): Promise<void> {
    return unwatched(() => {
      const dueAt = new Date(date).getTime();
      if (Number.isNaN(dueAt))
        throw new StepfoldError(
          "InvalidDuration",
          `Expected ${JSON.stringify(name)} to sleep until a date, got ${String(date)}.`,
        );
      return this.#timer(name, dueAt);
    });
  }

  #timer(name: string, dueAt: number): Promise<void> {
    const begun = this.#begin(name);
    this.#execution.issue({ type: "TimerStarted", ...begun, dueAt });
    return this.#execution.pend(begun.operation, this.#scope);
  }

  waitForSignal<T = Json>(name: string, options: SignalOptions<T> = {}): Promise<T> {
    return unwatched(() => this.#waitForSignal(name, options));
  }

  #waitForSignal<T>(name: string, options: SignalOptions<T>): Promise<T> {
    const dueAt =
      options.timeout === undefined ? undefined : this.#execution.now + durationMs(options.timeout);
    const begun = this.#begin(name);
    this.#execution.waits.set(begun.operation, { name, schema: options.schema, where: options.where });
    this.#execution.issue({ type: "SignalAwaited", ...begun, ...(dueAt === undefined ? {} : { dueAt }) });
    return this.#execution.pend<T>(begun.operation, this.#scope);
  }

  child<I, O>(
    name: string,
    workflow: Workflow<I, O>,
    input: I,
    options: ChildOptions & { detached: true },
  ): Promise<string>;
  child<I, O>(name: string, workflow: Workflow<I, O>, input: I, options?: ChildOptions): Promise<O>;
  child(name: string, workflow: AnyWorkflow, input: unknown, options: ChildOptions = {}): Promise<unknown> {
    return unwatched(() => this.#child(name, workflow, input, options));
  }

  async #child(name: string, workflow: AnyWorkflow, input: unknown, options: ChildOptions): Promise<unknown> {
    if (!isWorkflow(workflow))
      throw new StepfoldError(
        "InvalidOptions",
        `Expected child ${JSON.stringify(name)} to be a workflow, got ${typeof workflow}.`,
      );
    const json = toJson(input, `the input of child ${JSON.stringify(name)}`);
    const begun = this.#begin(name);
    const runId = childRunId(this.#execution.options.inc, begun.operation);
    this.#execution.issue({
      type: "ChildStarted",
      ...begun,
      workflow: workflow.name,
      version: workflow.version,
      childRunId: runId,
      ...(json === undefined ? {} : { input: { v: json } }),
      ...(options.detached ? { detached: true } : {}),
    });
    return options.detached ? runId : this.#execution.pend(begun.operation, this.#scope);
  }

  all<B extends Branches>(name: string, branches: B): Promise<BranchResults<B>> {
    return unwatched(() => this.#fork("all", name, branches)) as Promise<BranchResults<B>>;
  }
  any<B extends Branches>(name: string, branches: B): Promise<BranchResult<B>> {
    return unwatched(() => this.#fork("any", name, branches)) as Promise<BranchResult<B>>;
  }
  race<B extends Branches>(name: string, branches: B): Promise<BranchResult<B>> {
    return unwatched(() => this.#fork("race", name, branches)) as Promise<BranchResult<B>>;
  }

  async #fork(kind: ForkKind, name: string, branches: Branches): Promise<unknown> {
    const keys = Object.keys(branches ?? {});
    if (keys.length === 0 || keys.some((key) => typeof branches[key] !== "function"))
      throw new StepfoldError(
        "InvalidOptions",
        `Expected ${kind} ${JSON.stringify(name)} to have branches, each a function of run, got ${keys.length === 0 ? "none" : "something else"}.`,
      );
    const begun = this.#begin(name);
    this.#execution.issue({ type: "BranchesStarted", ...begun, kind, branches: keys });
    this.#execution.openFork(begun.operation);
    const scopes = keys.map(
      (key) => new Scope(`${begun.operation}/${encodeURIComponent(key)}/`, begun.operation),
    );
    const running = keys.map(async (key, index) =>
      branches[key]!(new ScopedRun(this.#execution, scopes[index]!)),
    );
    for (const branch of running) branch.catch(() => {});
    try {
      const result = await joined(kind, name, keys, running);
      this.#closeFork(begun.operation, scopes);
      return result;
    } catch (thrown) {
      this.#closeFork(begun.operation, scopes, toRunError(thrown));
      throw thrown;
    }
  }

  #closeFork(operation: string, scopes: Scope[], error?: RunError): void {
    for (const scope of scopes) {
      scope.closed = true;
      this.#execution.cancelUnder(scope.prefix);
    }
    if (this.#execution.closeFork(operation) && !this.#execution.ended)
      this.#execution.issue({
        type: "BranchesSettled",
        operation,
        ...(error === undefined ? {} : { error }),
      });
  }

  setState(patch: object): void {
    const json = toJson(patch, "a state patch");
    if (typeof json !== "object" || json === null || Array.isArray(json))
      throw new StepfoldError(
        "InvalidOptions",
        `Expected a state patch to be an object, got ${JSON.stringify(json)?.slice(0, 100)}.`,
      );
    if (this.#execution.ended) return;
    this.#execution.visible = { ...this.#execution.visible, ...json };
    this.#execution.issue({ type: "StateSet", patch: { v: json } });
  }

  now(): Date {
    return new Date(this.#execution.now);
  }

  random(): number {
    return Number.parseInt(this.#draw().slice(0, 8), 16) / 0x1_0000_0000;
  }

  uuid(): string {
    const hex = this.#draw();
    const variant = ((Number.parseInt(hex[16]!, 16) & 0x3) | 0x8).toString(16);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  }

  #draw(): string {
    return Buffer.from(
      digest("draw", this.#execution.options.inc, ++this.#execution.draws),
      "base64url",
    ).toString("hex");
  }
}

/** An operation that fails while nobody waits for it yet is no unhandled rejection: it can be awaited later. */
function unwatched<T>(start: () => Promise<T>): Promise<T> {
  const promise = (async () => start())();
  promise.catch(() => {});
  return promise;
}

async function joined(
  kind: ForkKind,
  name: string,
  keys: string[],
  running: Promise<unknown>[],
): Promise<unknown> {
  if (kind === "race") return Promise.race(running);
  if (kind === "all") {
    const results = await Promise.all(running);
    return Object.fromEntries(keys.map((key, index) => [key, results[index]]));
  }
  try {
    return await Promise.any(running);
  } catch (thrown) {
    const causes = thrown instanceof AggregateError ? thrown.errors.map((error) => toRunError(error)) : [];
    const data = Object.fromEntries(keys.map((key, index) => [key, { ...causes[index] } as unknown as Json]));
    throw new OperationError({
      code: "AllFailed",
      name: "AllFailed",
      message: `Every branch of ${JSON.stringify(name)} failed.`,
      data,
    });
  }
}

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
