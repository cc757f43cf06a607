/**
 * The users' own work in flight: what virtual time waits for, because it happens in the real world.
 *
 * 1. Only steps count. A step that is still going after `patienceMs` of real time is taken to hang: it is not
 *    waited for again, so that virtual time can reach its timeout.
 * 2. The workflows that a host registers are the users', with each step's function wrapped; nothing else changes.
 */
import { setTimeout as realTime } from "node:timers/promises";
import type { Branches, ChildOptions, RunContext, StepContext, StepOptions } from "../core/context.ts";
import { type AnyWorkflow, isWorkflow } from "../core/workflow.ts";

export class Work {
  readonly #patienceMs: number;
  readonly #inFlight = new Map<Promise<unknown>, { isSlow: boolean }>();
  readonly #toFail = new Map<string, { error: unknown }[]>();

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  get isGoing(): boolean {
    return this.#inFlight.size > 0;
  }

  /** Waits until some of it has settled; false if there is none that is worth waiting for. */
  async settledOne(): Promise<boolean> {
    const waited = [...this.#inFlight].filter(([, { isSlow }]) => !isSlow);
    if (waited.length === 0) return false;
    const patience = new AbortController();
    const isSettled = await Promise.race([
      ...waited.map(([work]) => work.then(() => true)),
      realTime(this.#patienceMs, false, { signal: patience.signal }).catch(() => false),
    ]);
    patience.abort();
    if (!isSettled) for (const [, state] of waited) state.isSlow = true;
    return isSettled;
  }

  /** The next attempt of a step of that name throws `error` instead of doing its work. */
  failNext(step: string, error: unknown): void {
    this.#toFail.set(step, [...(this.#toFail.get(step) ?? []), { error }]);
  }

  /** What a dead process was doing concerns nobody any more. */
  forget(): void {
    this.#inFlight.clear();
  }

  /** Called with each workflow that a run starts as its child, before it does. */
  onChild: ((workflow: AnyWorkflow) => void) | undefined;

  watched(workflow: AnyWorkflow): AnyWorkflow {
    const { handler } = workflow;
    return { ...workflow, handler: (run, input) => handler(this.#watchedRun(run), input) };
  }

  #watchedRun(run: RunContext): RunContext {
    const step = <T>(
      name: string,
      work: (step: StepContext) => T | Promise<T>,
      options?: StepOptions<T>,
    ): Promise<T> => {
      const compensate = options?.compensate;
      const watched =
        compensate === undefined
          ? options
          : {
              ...options,
              compensate: ifFunction(compensate, (output: T, context: StepContext) =>
                this.#watch(`${name}~`, () => compensate(output, context)),
              ),
            };
      return run.step(
        name,
        ifFunction(work, (context) => this.#watch(name, () => work(context))),
        watched,
      );
    };
    const rest: Pick<RunContext, "callback" | "poll" | "map"> = {
      callback: (name, send, options) =>
        run.callback(
          name,
          ifFunction(send, (token) => this.#watch(name, () => send(token))),
          options,
        ),
      poll: (name, check, options) =>
        run.poll(
          name,
          ifFunction(check, (context) => this.#watch(name, () => check(context))),
          options,
        ),
      map: (name, items, work, options) =>
        run.map(
          name,
          items,
          ifFunction(work, (inner, item, index) => work(this.#watchedRun(inner), item, index)),
          options,
        ),
    };
    const branched = (branches: Branches): Branches =>
      Object.fromEntries(
        Object.entries(branches ?? {}).map(([name, branch]) => [
          name,
          ifFunction(branch, (inner: RunContext) => branch(this.#watchedRun(inner))),
        ]),
      );
    const forks: Pick<RunContext, "all" | "any" | "race"> = {
      all: (name, branches) => run.all(name, branched(branches) as typeof branches),
      any: (name, branches) => run.any(name, branched(branches) as typeof branches),
      race: (name, branches) => run.race(name, branched(branches) as typeof branches),
    };
    const child = (...call: [string, AnyWorkflow, unknown?, ChildOptions?]): Promise<unknown> => {
      if (isWorkflow(call[1])) this.onChild?.(call[1]);
      return (run.child as (...call: unknown[]) => Promise<unknown>).apply(run, call);
    };
    const own = { step, child, ...rest, ...forks };
    return new Proxy(run, {
      get(target, key) {
        const member: unknown = Reflect.get(key in own ? own : target, key);
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
  }

  /** Work that no step's function does: a runner's. */
  done<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    return this.#watch(name, work);
  }

  async #watch<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    const failure = this.#toFail.get(name)?.shift();
    if (failure !== undefined) throw failure.error;
    const doing = (async () => work())();
    const settled = doing.then(
      () => {},
      () => {},
    );
    this.#inFlight.set(settled, { isSlow: false });
    void settled.then(() => this.#inFlight.delete(settled));
    return doing;
  }
}

/** What is given in place of a function is refused by `run` itself. */
const ifFunction = <F>(given: F, watched: F): F => (typeof given === "function" ? watched : given);
