/**
 * The function that a remote run is advanced by: ask the runner for the next action, do it, ask again. The engine
 * runs it as it runs any workflow function, so a remote run parks, replays, pauses and is cancelled like any other.
 *
 * 1. What it sends follows from the journal alone: a turn that is asked again is asked with the same words.
 * 2. What was decided of an answer (whether a failed step is tried again, and when) is in the journal's
 *    `TurnAnswered`; nothing of it is decided here.
 * 3. Each report is put into words once, so a turn costs its request's length and not more.
 */
import type { RunContext, StepContext } from "../context.ts";
import { durationMs } from "../duration.ts";
import { OperationError } from "../errors.ts";
import type { TurnAnswered } from "../events.ts";
import type { Execution } from "../execution.ts";
import type { Json } from "../json.ts";
import { STEP_TIMEOUT_MS } from "../limits.ts";
import { retryPolicy } from "../retry.ts";
import { ScopedRun } from "../run.ts";
import type { Scope } from "../scope.ts";
import { checkStepTimeout, type Handler } from "../workflow.ts";
import { type StepReport, stepErrorOf } from "./protocol.ts";

/** The name of the operation that asks; the steps that its answer reports have their own. */
export const TURN = "turn";

/** Puts a question to the run's runner; answers what `parseAnswer` made of the answer. */
export type Ask = (turn: { operation: string; body: string }, step: StepContext) => Promise<Json>;

/** An answer as the driver is told it. */
export type Turned = Omit<TurnAnswered, "type" | "output"> & { output?: Json };

export function turnedOf({ type: _type, output: _output, ...said }: TurnAnswered, output?: Json): Turned {
  return output === undefined ? said : { ...said, output };
}

/** What the driver is given as `run`. */
export class RemoteRun {
  readonly runId: string;
  readonly #execution: Execution;
  readonly #scope: Scope;
  readonly #run: RunContext;

  constructor(execution: Execution, scope: Scope) {
    this.runId = execution.options.runId;
    this.#execution = execution;
    this.#scope = scope;
    this.#run = new ScopedRun(execution, scope);
  }

  now(): number {
    return this.#execution.now;
  }

  /** Asks once `notBefore` is over. `body` is called for each try, which all say the same. */
  turn(body: () => string, notBefore?: number): Promise<Turned> {
    const operation = this.#scope.next();
    const { options } = this.#execution;
    const work = (step: StepContext) => options.ask!({ operation, body: body() }, step);
    this.#execution.steps.set(operation, { name: TURN, work, ...this.#rules(), isTurn: true });
    const after = notBefore === undefined ? {} : { nextAttemptAt: notBefore };
    this.#execution.issue({ type: "TurnStarted", operation, name: TURN, ...after });
    return this.#execution.pend<Turned>(operation, this.#scope);
  }

  #rules() {
    const { maxRetries, stepTimeout } = this.#execution.definition.options;
    const { legMs } = this.#execution.options;
    const policy = retryPolicy(maxRetries === undefined ? undefined : { maxAttempts: maxRetries + 1 });
    if (stepTimeout === undefined) return { policy, timeoutMs: Math.min(STEP_TIMEOUT_MS, legMs) };
    return { policy, timeoutMs: checkStepTimeout(durationMs(stepTimeout), legMs, "of a turn") };
  }

  /** A suspended run that holds much is not kept in memory for long. */
  hold(bytes: number): void {
    this.#execution.heldBytes += bytes;
  }

  sleep(ms: number): Promise<void> {
    return this.#run.sleep("sleep", `${ms} ms`);
  }

  event(name: string): Promise<Json> {
    return this.#run.waitForSignal(name);
  }
}

export const drive =
  (workflow: string): Handler<unknown, never> =>
  (run, input) =>
    // A remote definition's function is given a `RemoteRun` (`Execution.start`).
    new Driver(workflow, run as unknown as RemoteRun, (input ?? null) as Json).run() as Promise<never>;

/** A failed step that the runner has not completed since. */
interface Failed {
  id: string;
  startedAt: number;
  attempts: number;
}

class Driver {
  readonly #run: RemoteRun;
  readonly #before: string;
  readonly #reports: string[] = [];
  readonly #failed = new Map<string, Failed>();
  #currentStep = 0;
  #notBefore: number | undefined;

  constructor(workflow: string, run: RemoteRun, input: Json) {
    this.#run = run;
    const begin = { workflow_id: run.runId, workflow_name: workflow, name: workflow, input };
    this.#before = JSON.stringify(begin).slice(0, -1);
  }

  async run(): Promise<Json | undefined> {
    for (;;) {
      const startedAt = this.#notBefore ?? this.#run.now();
      const turned = await this.#run.turn(() => this.#body(), this.#notBefore);
      this.#notBefore = undefined;
      if (turned.action === "complete") return turned.output;
      await this.#act(turned, startedAt);
    }
  }

  async #act(turned: Turned, startedAt: number): Promise<void> {
    switch (turned.action) {
      case "fail":
        return this.#hasFailed(turned, startedAt);
      case "sleep":
        await this.#run.sleep(turned.durationMs!);
        break;
      case "wait_event":
        await this.#awaitEvent(turned);
        break;
      default:
        this.#hasCompleted(turned, startedAt);
    }
    this.#currentStep++;
  }

  #hasCompleted({ operation, step, output, durationMs }: Turned, startedAt: number): void {
    const failed = this.#failed.get(step!);
    this.#failed.delete(step!);
    this.#report({
      step_id: failed?.id ?? operation,
      name: step!,
      status: "completed",
      ...(output === undefined ? {} : { output }),
      ...this.#times(failed?.startedAt ?? startedAt, durationMs),
      retry_count: failed?.attempts ?? 0,
    });
  }

  #hasFailed({ operation, step, failure, nextAttemptAt }: Turned, startedAt: number): void {
    const { attempts, ...before } = this.#failed.get(step!) ?? { id: operation, startedAt, attempts: 0 };
    if (nextAttemptAt === undefined) throw new OperationError(stepErrorOf(failure!, step!, attempts + 1));
    this.#failed.set(step!, { ...before, attempts: attempts + 1 });
    this.#report({
      step_id: before.id,
      name: step!,
      status: "failed",
      error: failure!,
      ...this.#times(startedAt, undefined),
      retry_count: attempts,
    });
    this.#notBefore = nextAttemptAt;
  }

  async #awaitEvent({ operation, signal }: Turned): Promise<void> {
    const startedAt = this.#run.now();
    const output = await this.#run.event(signal!);
    this.#report({
      step_id: operation,
      name: `event:${signal}`,
      status: "completed",
      ...(output === undefined ? {} : { output }),
      ...this.#times(startedAt, undefined),
      retry_count: 0,
    });
  }

  #times(startedAt: number, durationMs: number | undefined) {
    const completedAt = this.#run.now();
    return {
      started_at: new Date(startedAt).toISOString(),
      completed_at: new Date(completedAt).toISOString(),
      duration_ms: durationMs ?? Math.max(0, completedAt - startedAt),
    };
  }

  #report(report: StepReport): void {
    const text = JSON.stringify(report);
    this.#reports.push(text);
    this.#run.hold(text.length);
  }

  #body(): string {
    const steps = this.#reports.join(",");
    return `${this.#before},"current_step":${this.#currentStep},"completed_steps":[${steps}]}`;
  }
}
