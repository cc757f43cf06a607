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
  CallbackOptions,
  ChildOptions,
  GateOptions,
  Log,
  MapOptions,
  MapResult,
  PollOptions,
  RunContext,
  SignalOptions,
  StepContext,
  StepOptions,
  Verdict,
} from "./context.ts";
import { type Duration, durationMs } from "./duration.ts";
import { Continuation } from "./endings.ts";
import { StepfoldError, toRunError } from "./errors.ts";
import type { Execution } from "./execution.ts";
import { type ForkKind, joined } from "./forks.ts";
import { callbackToken, checkName, childRunId, detachedRunId, digest } from "./ids.ts";
import type { Json, JsonObject } from "./json.ts";
import { toJson } from "./json.ts";
import { POLL_EVERY_MS_MAX, STEP_TIMEOUT_MS } from "./limits.ts";
import { type ItemWork, mapItems } from "./maps.ts";
import { checkBranches, checkFunctions, promptOf } from "./options.ts";
import { backedOff, type RetryPolicy, retryPolicy } from "./retry.ts";
import { checkSchema } from "./schema.ts";
import { Scope } from "./scope.ts";
import type { AnyWorkflow } from "./workflow.ts";
import { checkStepTimeout, isWorkflow } from "./workflow.ts";

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
    this.#execution.refuseIfFrozen(JSON.stringify(name));
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

  step<T>(
    name: string,
    work: (step: StepContext) => T | Promise<T>,
    options: StepOptions<T> = {},
  ): Promise<T> {
    return unwatched(() => this.#step(name, work, options));
  }

  #step<T>(name: string, work: (step: StepContext) => T | Promise<T>, options: StepOptions<T>): Promise<T> {
    if (typeof work !== "function")
      throw new StepfoldError(
        "InvalidOptions",
        `Expected step ${JSON.stringify(name)} to have a function, got ${typeof work}.`,
      );
    const { compensate, atMostOnce, dryRun } = options;
    checkFunctions(`step ${JSON.stringify(name)}`, { compensate, dryRun });
    const { policy, timeoutMs } = this.#rules(options, name);
    const begun = this.#begin(name);
    const skipped = this.dryRun && dryRun !== undefined;
    this.#execution.steps.set(begun.operation, {
      name,
      work: skipped ? () => dryRun() : work,
      policy: atMostOnce ? { ...policy, maxAttempts: 1 } : policy,
      timeoutMs,
      ...(atMostOnce ? { atMostOnce } : {}),
    });
    if (compensate !== undefined && !skipped)
      this.#execution.compensations.set(begun.operation, {
        name,
        compensate: compensate as (output: never, step: StepContext) => unknown,
        policy,
        timeoutMs,
      });
    this.#execution.issue({
      type: "StepStarted",
      ...begun,
      ...(compensate !== undefined && !skipped ? { compensable: true } : {}),
      ...(skipped ? { skipped } : {}),
    });
    return this.#execution.pend<T>(begun.operation, this.#scope);
  }

  /** A step's own rules over its workflow's. */
  #rules(
    options: Pick<StepOptions, "retry" | "timeout">,
    name: string,
  ): { policy: RetryPolicy; timeoutMs: number } {
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
    return { policy, timeoutMs };
  }

  gate(name: string, options: GateOptions = {}): Promise<Verdict> {
    return unwatched(async () => {
      const dueInMs = timeoutMsOf(options.timeout);
      const prompt = options.prompt === undefined ? {} : { prompt: promptOf(name, options.prompt) };
      const begun = this.#begin(name);
      this.#execution.issue({ type: "GateOpened", ...begun, ...prompt }, dueInMs);
      return this.#execution.pend<Verdict>(begun.operation, this.#scope);
    });
  }

  callback<T = Json>(
    name: string,
    send: (token: string) => unknown,
    options: CallbackOptions = {},
  ): Promise<T> {
    return unwatched(async () => {
      if (typeof send !== "function")
        throw new StepfoldError(
          "InvalidOptions",
          `Expected callback ${JSON.stringify(name)} to have a function that sends the token, got ${typeof send}.`,
        );
      const dueInMs = timeoutMsOf(options.timeout);
      const heartbeat = options.heartbeat === undefined ? {} : { heartbeatMs: durationMs(options.heartbeat) };
      const { policy, timeoutMs } = this.#rules({}, name);
      const begun = this.#begin(name);
      const { runId, inc, redrivesOf } = this.#execution.options;
      const { operation } = begun;
      const work = async () =>
        void (await send(callbackToken(runId, inc, { operation, redrives: redrivesOf?.(operation) ?? 0 })));
      this.#execution.steps.set(begun.operation, { name, work, policy, timeoutMs });
      this.#execution.issue({ type: "CallbackCreated", ...begun, ...heartbeat }, dueInMs);
      return this.#execution.pend<T>(begun.operation, this.#scope);
    });
  }

  poll<T>(
    name: string,
    check: (step: StepContext) => T | Promise<T>,
    options: PollOptions = {},
  ): Promise<Exclude<T, undefined | false>> {
    return unwatched(async () => {
      if (typeof check !== "function")
        throw new StepfoldError(
          "InvalidOptions",
          `Expected poll ${JSON.stringify(name)} to have a function that checks, got ${typeof check}.`,
        );
      const everyMs = durationMs(options.every ?? "1m");
      const backoff = options.backoff ?? 1;
      if (!(backoff >= 1))
        throw new StepfoldError(
          "InvalidOptions",
          `Expected the backoff of poll ${JSON.stringify(name)} to be at least 1, got ${backoff}.`,
        );
      const again = (attempt: number) =>
        Math.min(Math.round(backedOff(everyMs, backoff, attempt)), POLL_EVERY_MS_MAX);
      const dueInMs = timeoutMsOf(options.timeout);
      const { policy, timeoutMs } = this.#rules({}, name);
      const begun = this.#begin(name);
      this.#execution.steps.set(begun.operation, { name, work: check, policy, timeoutMs, again });
      this.#execution.issue({ type: "ConditionStarted", ...begun }, dueInMs);
      return this.#execution.pend<Exclude<T, undefined | false>>(begun.operation, this.#scope);
    });
  }

  continueAsNew(input?: unknown): never {
    throw new Continuation(toJson(input, "the input of continueAsNew"));
  }

  patched(name: string): boolean {
    return this.#execution.patched(checkName(name, "a version gate's name"));
  }

  map<T, R, O extends MapOptions = MapOptions>(
    name: string,
    items: readonly T[],
    work: (run: RunContext, item: T, index: number) => R | Promise<R>,
    options?: O,
  ): Promise<MapResult<R, O>> {
    return unwatched(() => this.#map(name, items, work, options ?? {})) as Promise<MapResult<R, O>>;
  }

  async #map(name: string, items: readonly unknown[], work: ItemWork, options: MapOptions): Promise<unknown> {
    if (!Array.isArray(items) || typeof work !== "function")
      throw new StepfoldError(
        "InvalidOptions",
        `Expected map ${JSON.stringify(name)} to have an array and a function, got ${typeof items} and ${typeof work}.`,
      );
    const begun = this.#begin(name);
    const scoped = (scope: Scope): ScopedRun => new ScopedRun(this.#execution, scope);
    // A copy has no holes, and is not changed under way.
    return mapItems(this.#execution, begun, { name, items: Array.from(items), work, options }, scoped);
  }

  sleep(name: string, duration: Duration): Promise<void> {
    return unwatched(() => {
      const dueInMs = durationMs(duration);
      const begun = this.#begin(name);
      this.#execution.issue({ type: "TimerStarted", ...begun }, dueInMs);
      return this.#execution.pend<void>(begun.operation, this.#scope);
    });
  }

  sleepUntil(name: string, date: Date | string | number): Promise<void> {
    return unwatched(() => {
      const isDate = date instanceof Date || typeof date === "string" || typeof date === "number";
      const dueAt = isDate ? new Date(date).getTime() : Number.NaN;
      if (Number.isNaN(dueAt))
        throw new StepfoldError(
          "InvalidDuration",
          `Expected ${JSON.stringify(name)} to sleep until a date, got ${String(date)}.`,
        );
      const begun = this.#begin(name);
      this.#execution.issue({ type: "TimerStarted", ...begun, dueAt });
      return this.#execution.pend<void>(begun.operation, this.#scope);
    });
  }

  waitForSignal<T = Json>(name: string, options: SignalOptions<T> = {}): Promise<T> {
    return unwatched(() => this.#waitForSignal(name, options));
  }

  #waitForSignal<T>(name: string, options: SignalOptions<T>): Promise<T> {
    const dueInMs = timeoutMsOf(options.timeout);
    const { schema, where } = options;
    checkFunctions(`signal ${JSON.stringify(name)}`, { where });
    checkSchema(schema, `the schema of signal ${JSON.stringify(name)}`);
    const begun = this.#begin(name);
    this.#execution.waits.set(begun.operation, { name, schema, where });
    this.#execution.issue({ type: "SignalAwaited", ...begun }, dueInMs);
    return this.#execution.pend<T>(begun.operation, this.#scope);
  }

  // biome-ignore lint/suspicious/noExplicitAny: what it answers follows from the overload that is called
  child(name: string, workflow: AnyWorkflow, input?: unknown, options: ChildOptions = {}): Promise<any> {
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
    const { inc } = this.#execution.options;
    const runId = options.detached
      ? detachedRunId(inc, begun.operation, name)
      : childRunId(inc, begun.operation, 0);
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
    checkBranches(name, keys);
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
      this.#execution.closeScopes(begun.operation, scopes);
      return result;
    } catch (thrown) {
      this.#execution.closeScopes(begun.operation, scopes, toRunError(thrown));
      throw thrown;
    }
  }

  setState(patch: object): void {
    const json = toJson(patch, "a state patch");
    if (typeof json !== "object" || json === null || Array.isArray(json))
      throw new StepfoldError(
        "InvalidOptions",
        `Expected a state patch to be an object, got ${JSON.stringify(json)?.slice(0, 100)}.`,
      );
    this.#execution.refuseIfFrozen("a state patch");
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
    this.#execution.refuseIfFrozen("a random value");
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

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

const timeoutMsOf = (timeout: Duration | undefined): number | undefined =>
  timeout === undefined ? undefined : durationMs(timeout);
