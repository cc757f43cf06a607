/**
 * A workflow function in flight: it takes deliveries, one at a time, and gives commands.
 *
 * 1. A delivery settles one operation's promise; user code then runs until it waits again (`quiet`), before the
 *    next is delivered (R1). Nothing here takes a macrotask between a delivery and user code.
 * 2. The same deliveries give the same commands, whether live or on replay (R4): this class cannot tell them apart,
 *    but for the silence of `run.log`.
 * 3. Values go in and out by copy: what user code does to them reaches neither the journal nor another reader.
 * It knows no journal, no clock and no ports; `context.ts` is what user code sees of it.
 */
import type { Log, RunContext, StepContext } from "./context.ts";
import { OperationError, type RunError, StepfoldError, toRunError } from "./errors.ts";
import type { Command, Delivery, Ending } from "./events.ts";
import { successorRunId } from "./ids.ts";
import type { Json, JsonObject } from "./json.ts";
import { toJson } from "./json.ts";
import { type Ask, RemoteRun } from "./remote/driver.ts";
import type { RetryPolicy } from "./retry.ts";
import { ScopedRun } from "./run.ts";
import { type Schema, validate } from "./schema.ts";
import { Scope } from "./scope.ts";
import type { AnyWorkflow } from "./workflow.ts";

/** A step's code and rules: they live in the code, never in the journal. */
export interface StepWork {
  name: string;
  work: (step: StepContext) => unknown;
  policy: RetryPolicy;
  timeoutMs: number;
  atMostOnce?: boolean;
  /** It asks a remote run's runner. */
  isTurn?: boolean;
  /** A condition: how long after a check that does not hold the next is made. */
  again?: (attempt: number) => number;
}

/** How a completed step is undone. */
export interface Compensation {
  name: string;
  compensate: (output: never) => unknown;
  policy: RetryPolicy;
  timeoutMs: number;
}

/** Thrown through user code by `continueAsNew`. */
export class Continuation extends Error {
  readonly input: Json | undefined;
  constructor(input: Json | undefined) {
    super("The run goes on as another: let this pass.");
    this.input = input;
  }
}

/** What decides which signal a wait takes. */
export interface SignalWait {
  name: string;
  schema?: Schema;
  where?: (payload: never) => boolean;
}

export interface ExecutionOptions {
  runId: string;
  inc: string;
  dryRun: boolean;
  input: Json | undefined;
  state: JsonObject;
  /** Version gates that the journal holds. */
  markers: ReadonlySet<string>;
  /** The longest that a step's attempt may take. */
  legMs: number;
  log: Log;
  /** Asks the runner of a remote workflow. Not needed where nothing new is asked: in a mere replay. */
  ask?: Ask;
}

/** What a settled operation hands to the code. */
export type Outcome = { value?: Json } | { error: RunError };

interface Pending {
  scope: Scope;
  resolve(value: unknown): void;
  reject(reason: Error): void;
}

export class Execution {
  readonly definition: AnyWorkflow;
  readonly options: ExecutionOptions;
  readonly steps = new Map<string, StepWork>();
  readonly waits = new Map<string, SignalWait>();
  /** By step; what has completed is in `#undoable`, in order. */
  readonly compensations = new Map<string, Compensation>();
  readonly #undoable: { operation: string; output: Json | undefined }[] = [];
  readonly #patched = new Map<string, boolean>();
  /** False while replaying: `run.log` is silent. */
  live = false;
  started = false;
  /** The time that `run.now()` shows, epoch ms. */
  now = 0;
  draws = 0;
  /** The published state as the code sees it. */
  visible: JsonObject;
  ended = false;
  /** What was done is being undone. */
  undoing = false;
  /** What its driver keeps in memory, beside what users' code does. */
  heldBytes = 0;
  /** Called when a command is issued, or the function ends, outside of a delivery. */
  onIssued: (() => void) | undefined;
  readonly #pending = new Map<string, Pending>();
  readonly #forks = new Set<string>();
  /** Compensations in flight: neither a cancel nor the deadline touches them. */
  readonly #shielded = new Map<string, () => void>();
  #issued: Command[] = [];
  #taken = 0;
  #interruption: "cancelled" | "timedOut" | undefined;
  #interruptions = 0;
  #isAbandoned = false;

  constructor(definition: AnyWorkflow, options: ExecutionOptions) {
    this.definition = definition;
    this.options = options;
    this.visible = options.state;
  }

  /** Calls the workflow function. */
  async start(now: number): Promise<void> {
    this.started = true;
    this.now = now;
    const scope = new Scope("", undefined);
    // Only its own driver is given a `RemoteRun`.
    const isRemote = this.definition.driver === "remote";
    void this.#call(
      isRemote ? (new RemoteRun(this, scope) as unknown as RunContext) : new ScopedRun(this, scope),
    );
    await quiet();
  }

  async #call(run: RunContext): Promise<void> {
    const { handler, options } = this.definition;
    try {
      const returned: unknown = await handler(run, copyOf(this.options.input));
      const checked =
        options.output === undefined
          ? returned
          : await validate(
              options.output as Schema,
              returned,
              `the output of workflow ${JSON.stringify(this.definition.name)}`,
            );
      const output = toJson(checked, `the output of workflow ${JSON.stringify(this.definition.name)}`);
      if (this.#isAbandoned) return;
      const ending = endingOf(this.#interruption, undefined, output);
      if (this.#interruption !== undefined) await this.#compensate();
      this.#end(ending);
    } catch (thrown) {
      if (this.#isAbandoned) return;
      if (thrown instanceof Continuation && this.#interruption === undefined)
        return this.#end(continued(this.options.inc, thrown.input));
      const error = thrown instanceof Continuation ? undefined : toRunError(thrown);
      const ending = endingOf(this.#interruption, error, undefined);
      await this.#compensate();
      this.#end(ending);
    }
  }

  /** Undoes what has completed, last first. What cannot be undone stops nothing else from being undone. */
  async #compensate(): Promise<void> {
    this.undoing = true;
    this.cancelUnder("");
    for (let done = this.#undoable.pop(); done !== undefined; done = this.#undoable.pop()) {
      const { operation: of, output } = done;
      const { name, compensate, policy, timeoutMs } = this.compensations.get(of)!;
      const operation = `${of}~`;
      this.steps.set(operation, { name, work: () => compensate(copyOf(output) as never), policy, timeoutMs });
      this.issue({ type: "CompensationStarted", operation, name, of });
      await this.#undone(operation);
    }
  }

  #undone(operation: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#shielded.set(operation, resolve);
    return promise;
  }

  #end(ending: Ending): void {
    this.ended = true;
    this.issue(ending);
    const over = new StepfoldError(
      "RunFinished",
      "The workflow function has returned: nothing more can be started.",
    );
    for (const pending of this.#pending.values()) pending.reject(over);
    this.#pending.clear();
  }

  /** Hands one event to the code and lets it run until it waits again. */
  async deliver(event: Delivery, now: number, outcome: Outcome): Promise<void> {
    this.now = now;
    switch (event.type) {
      case "CancelDelivered":
        this.#interrupt("cancelled", {
          code: "RunCancelled",
          name: "RunCancelled",
          message: "The run was cancelled.",
        });
        break;
      case "DeadlineReached":
        this.#interrupt("timedOut", runTimedOut());
        break;
      case "HistoryLimitReached":
        this.#abandon(historyLimitExceeded(this.definition.name, event.limit));
        break;
      case "PatchDelivered":
        this.visible = ("value" in outcome ? outcome.value : {}) as JsonObject;
        break;
      default:
        this.#settle(event.operation, outcome);
    }
    await quiet();
  }

  /** A result that came after its operation was settled: the code is not told, but it can be undone (J12). */
  late(operation: string, output: Json | undefined): void {
    if (this.compensations.has(operation)) this.#undoable.push({ operation, output });
  }

  /** Whether the run is on the new side of a version gate. */
  patched(name: string): boolean {
    const known = this.#patched.get(name);
    if (known !== undefined) return known;
    const isNew = this.live || this.options.markers.has(name);
    this.#patched.set(name, isNew);
    if (isNew) this.issue({ type: "PatchMarked", name });
    return isNew;
  }

  #settle(operation: string, outcome: Outcome): void {
    const shielded = this.#shielded.get(operation);
    if (shielded !== undefined) {
      this.#shielded.delete(operation);
      return shielded();
    }
    if (!("error" in outcome) && this.compensations.has(operation))
      this.#undoable.push({ operation, output: outcome.value });
    const pending = this.#pending.get(operation);
    if (pending === undefined) return;
    this.#forget(operation);
    if ("error" in outcome) pending.reject(new OperationError(outcome.error));
    else pending.resolve(copyOf(outcome.value));
  }

  /** Settled, it is never attempted, matched or settled again. How it is undone is kept. */
  #forget(operation: string): void {
    this.#pending.delete(operation);
    this.steps.delete(operation);
    this.waits.delete(operation);
  }

  /** Ends the run without its code, which might go on for ever if it were told. */
  #abandon(error: RunError): void {
    this.ended = true;
    this.#isAbandoned = true;
    this.#pending.clear();
    void this.#compensate().then(() => this.#end({ type: "RunFailed", error }));
  }

  #interrupt(how: "cancelled" | "timedOut", error: RunError): void {
    this.#interruption ??= how;
    this.#interruptions++;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(new OperationError(error));
  }

  /** Whether a cancel or the deadline has cut in since this was called. */
  watchInterruption(): () => boolean {
    const before = this.#interruptions;
    return () => this.#interruptions > before;
  }

  /** Takes the next command that the code has issued. */
  take(): Command | undefined {
    const command = this.#issued[this.#taken];
    if (command === undefined) return undefined;
    if (++this.#taken === this.#issued.length) {
      this.#issued = [];
      this.#taken = 0;
    }
    return command;
  }

  peek(): Command | undefined {
    return this.#issued[this.#taken];
  }

  issue(command: Command): void {
    this.#issued.push(command);
    this.onIssued?.();
  }

  /** A promise for an operation, settled by a delivery. Nobody need wait for it. */
  pend<T>(operation: string, scope: Scope): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#pending.set(operation, { scope, resolve: resolve as (value: unknown) => void, reject });
    promise.catch(() => {});
    return promise;
  }

  openFork(operation: string): void {
    this.#forks.add(operation);
  }

  closeFork(operation: string): boolean {
    return this.#forks.delete(operation);
  }

  /** Cancels what is open in the scopes under `prefix`: their results no longer matter. */
  cancelUnder(prefix: string): void {
    const error = new StepfoldError(
      "OperationCancelled",
      "Another branch has decided: this operation's result no longer matters.",
    );
    for (const [operation, pending] of [...this.#pending]) {
      if (!operation.startsWith(prefix)) continue;
      this.#pending.delete(operation);
      this.issue({ type: "OperationCancelled", operation });
      pending.reject(error);
    }
    for (const fork of [...this.#forks]) {
      if (!fork.startsWith(prefix)) continue;
      this.#forks.delete(fork);
      this.issue({ type: "OperationCancelled", operation: fork });
    }
  }
}

const continued = (inc: string, input: Json | undefined): Ending => ({
  type: "RunContinued",
  nextRunId: successorRunId(inc),
  ...(input === undefined ? {} : { input: { v: input } }),
});

const historyLimitExceeded = (workflow: string, limit: number): RunError => ({
  code: "HistoryLimitExceeded",
  name: "HistoryLimitExceeded",
  message: `The run's journal has ${limit} entries, the most that the workflow ${JSON.stringify(workflow)} allows (historyLimit). Let it go on as a new run before that, by run.continueAsNew; or raise historyLimit and redrive the run.`,
  data: { limit },
});

export const runTimedOut = (): RunError => ({
  code: "RunTimedOut",
  name: "RunTimedOut",
  message: "The run's deadline has passed.",
});

function endingOf(
  interruption: "cancelled" | "timedOut" | undefined,
  error: RunError | undefined,
  output: Json | undefined,
): Ending {
  if (interruption === "timedOut") return { type: "RunTimedOut", error: error ?? runTimedOut() };
  if (interruption === "cancelled")
    return error === undefined || error.code === "RunCancelled"
      ? { type: "RunCancelled" }
      : { type: "RunCancelled", error };
  if (error !== undefined) return { type: "RunFailed", error };
  return output === undefined ? { type: "RunCompleted" } : { type: "RunCompleted", output: { v: output } };
}

/** A copy of a JSON value. */
export function copyOf<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf) as T;
  const copy: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    if (key === "__proto__")
      Object.defineProperty(copy, key, {
        value: copyOf(inner),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    else copy[key] = copyOf(inner);
  }
  return copy as T;
}

/** Resolves when every microtask has run: user code waits, or does what no engine sees. A next-tick callback that is
 * queued from a microtask runs once the microtask queue is empty (nodejs.org/api/process.html#processnexttickcallback-args). */
export function quiet(): Promise<void> {
  return new Promise((resolve) => queueMicrotask(() => process.nextTick(resolve)));
}
