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
import { Continuation, continued, endingOf, historyLimitExceeded, runTimedOut } from "./endings.ts";
import { OperationError, type RunError, StepfoldError, toRunError } from "./errors.ts";
import type { Command, Delivery, Ending, MapNode, MapTree } from "./events.ts";
import { Issued, type Timed } from "./issued.ts";
import type { Json, JsonObject } from "./json.ts";
import { copyOf, toJson } from "./json.ts";
import { type MapLimits, type MapSite, workNode } from "./maps.ts";
import { type Ask, RemoteRun } from "./remote/driver.ts";
import type { RetryPolicy } from "./retry.ts";
import { ScopedRun } from "./run.ts";
import { type Schema, validate } from "./schema.ts";
import { Scope } from "./scope.ts";
import { endingAfterUndo, Ledger } from "./undo.ts";
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
  compensate: (output: never, step: StepContext) => unknown;
  policy: RetryPolicy;
  timeoutMs: number;
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
  /** After how many redrives a callback was asked for. Not needed where no token is handed out: in a mere replay. */
  redrivesOf?(operation: string): number;
  /** Asks the runner of a remote workflow. Not needed where nothing new is asked: in a mere replay. */
  ask?: Ask;
  mapLimits?: MapLimits;
  /** How a map that the journal holds was spread; undefined for one that it does not hold. */
  recordedMap?: (operation: string) => MapTree | "inLeg" | undefined;
  /** Whether an item has its result from before a redrive. */
  isKept?: (operation: string) => boolean;
  /** The run is a node of a map's tree; a leaf has the map's site. */
  node?: { node: MapNode; site?: MapSite };
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
  /** Maps that are spread over other runs, by operation. */
  readonly sites = new Map<string, MapSite>();
  /** Replayed only for one of its maps: it takes no more operations. */
  frozen = false;
  /** By step; what has completed is in the ledger. */
  readonly compensations = new Map<string, Compensation>();
  readonly ledger = new Ledger();
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
  readonly #issued = new Issued();
  #interruption: "cancelled" | "timedOut" | undefined;
  #interruptions = 0;
  #isAbandoned = false;

  constructor(definition: AnyWorkflow, options: ExecutionOptions) {
    this.definition = definition;
    this.options = options;
    this.visible = options.node?.site?.state ?? options.state;
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
    try {
      const output = toJson(
        await this.#returned(run),
        `the output of workflow ${JSON.stringify(this.definition.name)}`,
      );
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

  async #returned(run: RunContext): Promise<unknown> {
    const { node } = this.options;
    if (node !== undefined)
      return workNode(this, node.node, node.site, (scope) => new ScopedRun(this, scope));
    const { handler, options, name } = this.definition;
    const returned: unknown = await handler(run, copyOf(this.options.input));
    return options.output === undefined
      ? returned
      : validate(options.output as Schema, returned, `the output of workflow ${JSON.stringify(name)}`);
  }

  /** Undoes what has completed, last first. What cannot be undone stops nothing else from being undone. */
  async #compensate(): Promise<void> {
    // A node undoes when its parent says so.
    if (this.options.node !== undefined && !this.undoing) return;
    this.undoing = true;
    this.cancelUnder("");
    await this.ledger.undoAll(this, (operation) => this.#undone(operation));
  }

  /** A node that has ended undoes what it has done, and ends again. */
  async undo(): Promise<void> {
    const ending = this.take() as Ending;
    this.undoing = true;
    this.#forks.clear();
    void this.#compensate().then(() => this.#end(endingAfterUndo(ending)));
    await quiet();
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
    if (this.compensations.has(operation)) this.ledger.step(operation, output);
  }

  /** Whether the run is on the new side of a version gate. */
  patched(name: string): boolean {
    const known = this.#patched.get(name);
    if (known !== undefined) return known;
    this.refuseIfFrozen(`the version gate ${JSON.stringify(name)}`);
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
    this.ledger.end(operation, outcome);
    if (!("error" in outcome) && this.compensations.has(operation))
      this.ledger.step(operation, outcome.value);
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
    for (const operation of this.#pending.keys()) this.ledger.end(operation);
    this.#pending.clear();
    for (const { reject } of pending) reject(new OperationError(error));
  }

  /** Whether a cancel or the deadline has cut in since this was called. */
  watchInterruption(): () => boolean {
    const before = this.#interruptions;
    return () => this.#interruptions > before;
  }

  /** Also when what a fork holds was cut off, or the fork itself has lost. */
  watchFork(operation: string): () => boolean {
    const isInterrupted = this.watchInterruption();
    return () => isInterrupted() || this.ended || !this.#forks.has(operation);
  }

  /** An item of a map in another run has reached for the `run` around it. */
  refuseIfFrozen(what: string): void {
    if (!this.frozen) return;
    throw new StepfoldError(
      "OutsideItem",
      `Expected an item's callback to use the run that it is given, got ${what} asked of the run around the map. Take the callback's own run.`,
    );
  }

  /** Takes the next command that the code has issued. */
  take(): Command | undefined {
    return this.#issued.take();
  }

  peek(): Command | undefined {
    return this.#issued.peek();
  }

  issue(command: Command): void;
  /** What is due so long after now, or never. */
  issue(command: Timed, dueInMs: number | undefined): void;
  issue(command: Command | Timed, dueInMs?: number): void {
    this.#issued.add(command, this.now, dueInMs);
    this.onIssued?.();
  }

  /** What the journal lacks of what the code has asked for is asked for again by a redrive. */
  redriven(now: number): void {
    this.now = now;
    this.#issued.askAgain(now);
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

  /** Ends a fork: what its branches have left open is cancelled, and they can begin nothing more. */
  closeScopes(operation: string, scopes: readonly Scope[], error?: RunError): void {
    for (const scope of scopes) {
      scope.closed = true;
      this.cancelUnder(scope.prefix);
    }
    this.#settleFork(operation, error);
  }

  /** As `closeScopes`, for all that is under the operation. */
  closeTree(operation: string, error?: RunError): void {
    this.cancelUnder(`${operation}/`);
    this.#settleFork(operation, error);
  }

  #settleFork(operation: string, error: RunError | undefined): void {
    if (!this.#forks.delete(operation) || this.ended) return;
    this.issue({ type: "BranchesSettled", operation, ...(error === undefined ? {} : { error }) });
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
      this.ledger.end(operation);
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

/** Resolves when every microtask has run: user code waits, or does what no engine sees. A next-tick callback that is
 * queued from a microtask runs once the microtask queue is empty (nodejs.org/api/process.html#processnexttickcallback-args). */
export function quiet(): Promise<void> {
  return new Promise((resolve) => queueMicrotask(() => process.nextTick(resolve)));
}
