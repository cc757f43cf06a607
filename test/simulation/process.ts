/**
 * One process: an engine of its own, with its own clock, residents and owner, on ports that fail. It handles
 * messages as a host does, and is watched while it calls users' code.
 */
import { Life, simulatedPorts } from "../../shared/adapters/simulated/index.ts";
import { never } from "../../shared/adapters/simulated/life.ts";
import type { Branches, RunContext, StepContext, StepOptions } from "../../shared/core/context.ts";
import { durationMs } from "../../shared/core/duration.ts";
import { PortError, StepfoldError } from "../../shared/core/errors.ts";
import { CLOCK_SKEW_MS, STEP_TIMEOUT_MS } from "../../shared/core/limits.ts";
import { mapLimits } from "../../shared/core/maps.ts";
import type { AnyWorkflow } from "../../shared/core/workflow.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import type { Invocation } from "./checker.ts";
import { definitionsOf } from "./definitions.ts";
import { observedJournal, observedPublisher, observedWakes } from "./observed.ts";
import type { World } from "./world.ts";

/** What may come out of a handler when ports fail or many write to one run. Anything else is a defect. */
const EXPECTED = new Set(["Simulated", "WriteConflict"]);

export class Process {
  readonly name: string;
  readonly life: Life;
  readonly engine: Engine;
  readonly #world: World;
  readonly #skewMs: number;

  constructor(world: World, name: string, skewMs: number) {
    this.name = name;
    this.#world = world;
    this.#skewMs = skewMs;
    const { memory, plan, checker, defects } = world;
    this.life = new Life(memory.clock);
    const behind = {
      ...memory,
      journal: observedJournal(memory.journal, this, checker),
      publisher: observedPublisher(memory.publisher, checker),
    };
    const ports = observedWakes(
      simulatedPorts(behind, { process: name, life: this.life, faults: plan, skewMs }),
      checker,
    );
    ports.runners = world.remotes.observed(ports.runners, this);
    const { services } = world;
    const busy = (step: StepContext, ms: number) => this.#busy(step, ms);
    const workflows = definitionsOf(
      {
        busy,
        kill: () => this.#die(),
        handOut: (name, value) => services.handOut(name, value),
        isHealed: (runId) => services.healed.has(runId),
      },
      world.attendants.stagehand(busy),
    );
    const { pages, residentRunsMax } = world.profile;
    const behindDefects = defects.ports?.(ports, this, world) ?? ports;
    this.engine = createEngine(pages === undefined ? behindDefects : { ...behindDefects, pages }, {
      workflows: workflows.map((workflow) => this.#watched(workflow)),
      log: world.logOf(name),
      settings: {
        owner: name,
        codeHash: "simulated",
        maps: { ...mapLimits, fanOut: 2 },
        ...(pages === undefined ? {} : { packAfter: 0 }),
        ...defects.settings,
      },
      residentRunsMax,
    });
    this.#watchBusyLoops();
  }

  now(): number {
    return this.#world.memory.clock.now() + this.#skewMs;
  }

  /** It writes as the owner that another has succeeded. */
  comesTooLate(): void {
    this.#world.plan.note("staleOwnerFenced");
  }

  /** Whether it may hold what another has claimed, and not know: it stood still, or clocks differ too much. */
  get mayBeStale(): boolean {
    return this.life.thawedAt > 0 || this.#world.profile.skewMs > CLOCK_SKEW_MS / 2;
  }

  /** Whether an error of a handler is one that the faults explain. */
  expects(error: unknown): boolean {
    if (error instanceof PortError) return error.code === "Simulated";
    return error instanceof StepfoldError && EXPECTED.has(error.code);
  }

  /** A leg that asks for the same moment again and again holds virtual time up, as it would burn a processor. */
  #watchBusyLoops(): void {
    const { clock } = this.engine;
    const { after } = clock;
    let [at, calls] = [0, 0];
    clock.after = (ms, callback) => {
      if (this.now() !== at) [at, calls] = [this.now(), 0];
      if (++calls > 2_000) {
        if (!this.life.isOver)
          this.#world.checker.violate("progress", "?", `${this.name} spins without time passing`);
        this.life.crash();
      }
      return after.call(clock, ms, callback);
    };
  }

  #die(): Promise<never> {
    this.life.crash();
    return never();
  }

  async #busy(step: StepContext, ms: number): Promise<void> {
    await this.engine.clock.sleep(ms, step.signal);
    step.signal.throwIfAborted();
  }

  #watched(workflow: AnyWorkflow): AnyWorkflow {
    const { handler } = workflow;
    return { ...workflow, handler: (run, input) => handler(this.#watchedRun(workflow, run), input) };
  }

  #watchedRun(workflow: AnyWorkflow, run: RunContext): RunContext {
    const { name: ofWorkflow, options: defaults } = workflow;
    const stepMs = durationMs(defaults.stepTimeout ?? `${STEP_TIMEOUT_MS}ms`);
    const step = <T>(name: string, work: (step: StepContext) => T | Promise<T>, options?: StepOptions<T>) => {
      const timeoutMs = options?.timeout === undefined ? stepMs : durationMs(options.timeout);
      const replacement = this.#world.services.replacements[`${ofWorkflow}/${name}`] as
        | typeof work
        | undefined;
      const how = { timeoutMs, isOnce: options?.atMostOnce };
      return run.step(
        name,
        (context) => this.#invoke(name, replacement ?? work, context, how),
        this.#watchedUndoing(name, {
          ...options,
          ...(this.#world.defects.forgetsOnce ? { atMostOnce: false } : {}),
        }),
      );
    };
    const branched = (branches: Branches): Branches =>
      Object.fromEntries(
        Object.entries(branches).map(([name, branch]) => [
          name,
          (inner: RunContext) => branch(this.#watchedRun(workflow, inner)),
        ]),
      );
    const own: Partial<RunContext> = {
      step,
      poll: (name, check, options) =>
        run.poll(name, (step) => this.#invoke(name, check, step, { timeoutMs: stepMs }), options),
      map: (name, items, work, options) =>
        run.map(
          name,
          items,
          (inner, item, index) => work(this.#watchedRun(workflow, inner), item, index),
          options,
        ),
      all: (name, branches) => run.all(name, branched(branches) as typeof branches),
      any: (name, branches) => run.any(name, branched(branches) as typeof branches),
      race: (name, branches) => run.race(name, branched(branches) as typeof branches),
    };
    return new Proxy(run, {
      get(target, key) {
        const member: unknown = Reflect.get(key in own ? own : target, key);
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
  }

  #watchedUndoing<T>(name: string, options: StepOptions<T> = {}): StepOptions<T> {
    const { compensate } = options;
    if (compensate === undefined) return options;
    const undo = (output: T, step: StepContext) => {
      const { checker } = this.#world;
      checker.invoked(this, step.idempotencyKey, step.attempt, `undo ${name}`, { timeoutMs: 0 });
      return compensate(output, step);
    };
    return { ...options, compensate: undo };
  }

  async #invoke<T>(
    name: string,
    work: (step: StepContext) => T | Promise<T>,
    step: StepContext,
    how: Invocation,
  ): Promise<T> {
    const { checker } = this.#world;
    checker.invoked(this, step.idempotencyKey, step.attempt, name, how);
    this.#world.trace(this.name, `calls ${name}, attempt ${step.attempt}`);
    this.#world.callers.set(step.idempotencyKey, this);
    const value = await work(step);
    checker.returned(step.idempotencyKey, JSON.stringify(value));
    return value;
  }
}
