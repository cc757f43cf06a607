/**
 * A host for tests: the whole engine in memory, on virtual time. Days pass in milliseconds, chance is seeded, and
 * processes die on request.
 *
 * 1. After every call, all that was due has happened: the run has finished, sleeps, or waits. Time passes by `skip`
 *    alone.
 * 2. Steps do their real work, and are waited for. One that takes longer than `patienceMs` of real time is left
 *    behind until `skip` reaches its timeout.
 * 3. The same calls with the same seed give the same journal.
 */
import { type MemoryPorts, memoryPorts } from "../adapters/memory/index.ts";
import type { ScriptedRunner } from "../adapters/memory/runners.ts";
import type { Log } from "../core/context.ts";
import { type Duration, durationMs } from "../core/duration.ts";
import { OperationError, StepfoldError } from "../core/errors.ts";
import type { Decision } from "../core/events.ts";
import { type Json, toJson } from "../core/json.ts";
import { type MapLimits, mapLimits } from "../core/maps.ts";
import { type AnyWorkflow, isWorkflow, type Workflow } from "../core/workflow.ts";
import {
  beatCallback,
  decideGate,
  pause,
  redrive,
  requestCancel,
  resume,
  type StartRequest,
  sendSignal,
  start,
  useCallback,
} from "../engine/control.ts";
import { cancelFinally } from "../engine/drivers/managed.ts";
import { createEngine, type Engine } from "../engine/settings.ts";
import { sendWake, wakeOf } from "../engine/wake.ts";
import {
  type JournalEvent,
  journalOf,
  loaded,
  type OperationView,
  operationsOf,
  type RunView,
  retryAtOf,
  viewOf,
} from "./inspect.ts";
import { type Life, mortalPorts } from "./mortal.ts";
import { Pump } from "./pump.ts";
import { Work } from "./work.ts";

/** A run's id that remembers what the run will answer. */
export type RunId<O = unknown> = string & { readonly output?: O };

export type Workflows = AnyWorkflow | Iterable<unknown> | Readonly<Record<string, unknown>>;

export interface TestHostOptions {
  /** Workflows, in a list or by name, such as an entry module (`import * as`): what else that exports is left out. Or
   * one alone: the children that it starts come with it. */
  workflows: Workflows;
  /** Decides every id and random number. Default 1. */
  seed?: number;
  /** When virtual time begins. Default 2026-01-01. */
  now?: Date | string | number;
  /** The longest real time for which a step holds virtual time up. Default 1,000. */
  patienceMs?: number;
  /** Default: nothing is logged. */
  log?: Log;
  /** Who plays the runners of remote workflows, by the workflow's name. One that throws was not reached. */
  runners?: Record<string, ScriptedRunner>;
  /** From how many items on, and how, `run.map` is spread over child runs: small trees for tests. */
  maps?: Partial<MapLimits>;
  /** Crash once, at this moment of those that `moments` counts. What that cuts off is attempted again at once, so that
   * the crash costs no virtual time. */
  crashAt?: number;
}

export type StartOptions = Omit<StartRequest, "workflow" | "input">;

export function testHost(options: TestHostOptions): TestHost {
  return new TestHost(options);
}

export class TestHost {
  readonly ports: MemoryPorts;
  /** How many times the processes were about to call a port, or had just called one. */
  moments = 0;
  readonly #crashAt: number | undefined;
  readonly #maps: MapLimits;
  #workflows: AnyWorkflow[];
  readonly #log: Log;
  readonly #work: Work;
  readonly #pump: Pump;
  #life: Life | undefined;
  #processes = 0;
  #deployments = 0;
  #engine: Engine;

  constructor(options: TestHostOptions) {
    const { seed, now } = options;
    this.ports = memoryPorts({ seed, ...(now === undefined ? {} : { now: new Date(now).getTime() }) });
    this.#work = new Work(options.patienceMs ?? 1_000);
    for (const [workflow, runner] of Object.entries(options.runners ?? {})) this.runner(workflow, runner);
    this.#workflows = this.#watched(options.workflows);
    if (isWorkflow(options.workflows)) this.#work.onChild = (child) => this.#adopt(child);
    this.#log = options.log ?? silent;
    this.#crashAt = options.crashAt;
    this.#maps = { ...mapLimits, ...options.maps };
    this.#engine = this.#newProcess();
    this.#pump = new Pump(this.ports, this.#engine, this.#work);
  }

  /** The virtual time. */
  now(): Date {
    return new Date(this.ports.clock.now());
  }

  async start<I, O>(
    workflow: Workflow<I, O> | string,
    input?: NoInfer<I> | Json,
    options: StartOptions = {},
  ): Promise<RunId<O>> {
    const name = typeof workflow === "string" ? workflow : workflow.name;
    const json = toJson(input, `the input of workflow ${JSON.stringify(name)}`);
    const request = { workflow: name, ...options, ...(json === undefined ? {} : { input: json }) };
    const { state } = await this.#asked(start(this.#outside(), request));
    return state.runId;
  }

  /** Lets virtual time pass, and everything happen that is due by then. */
  skip(duration: Duration): Promise<void> {
    return this.#pump.skip(durationMs(duration));
  }

  async signal(
    runId: string,
    name: string,
    payload?: unknown,
    options: { signalId?: string } = {},
  ): Promise<{ signalId: string }> {
    const json = toJson(payload, `the payload of signal ${JSON.stringify(name)}`);
    return this.#asked(
      sendSignal(this.#outside(), {
        runId,
        name,
        ...options,
        ...(json === undefined ? {} : { payload: json }),
      }),
    );
  }

  async cancel(
    runId: string,
    { final, ...request }: { reason?: string; by?: string; final?: boolean } = {},
  ): Promise<void> {
    const cancelled = final ? cancelFinally : requestCancel;
    await this.#asked(cancelled(this.#outside(), runId, request));
  }

  /** Decides a gate, by its name or operation id. */
  async approve(runId: string, gate: string, decision: Omit<Decision, "approved"> = {}): Promise<void> {
    await this.#asked(decideGate(this.#outside(), runId, gate, { ...decision, approved: true }));
  }

  async reject(runId: string, gate: string, decision: Omit<Decision, "approved"> = {}): Promise<void> {
    await this.#asked(decideGate(this.#outside(), runId, gate, { ...decision, approved: false }));
  }

  async succeed(token: string, output?: unknown): Promise<void> {
    const json = toJson(output, "the output of a callback");
    await this.#asked(useCallback(this.#outside(), token, json === undefined ? {} : { output: json }));
  }

  async fail(token: string, message: string): Promise<void> {
    await this.#asked(useCallback(this.#outside(), token, { error: { message } }));
  }

  async heartbeat(token: string): Promise<void> {
    await this.#asked(beatCallback(this.#outside(), token));
  }

  async pause(runId: string, request: { reason?: string; by?: string } = {}): Promise<void> {
    await this.#asked(pause(this.#outside(), runId, request));
  }

  async resume(runId: string, request: { reason?: string; by?: string } = {}): Promise<void> {
    await this.#asked(resume(this.#outside(), runId, request));
  }

  async redrive(runId: string, request: { from?: string } = {}): Promise<void> {
    await this.#asked(redrive(this.#outside(), runId, request));
  }

  /** The next attempt of a step of that name throws `error` instead of doing its work. */
  failNext(step: string, error: unknown = new Error(`${step} fails, as asked.`)): void {
    this.#work.failNext(step, error);
  }

  /** From now on this function plays the runner of a remote workflow. */
  runner(workflow: AnyWorkflow | string, runner: ScriptedRunner): void {
    const name = typeof workflow === "string" ? workflow : workflow.name;
    this.ports.runners.script(name, (turn, call) => this.#work.done(name, () => runner(turn, call)));
  }

  /** Kills the process, as `kill -9` does, and starts another. A step may call it in the midst of its work. */
  crash(): void {
    if (this.#life !== undefined) this.#life.isOver = true;
    this.#work.forget();
    this.#engine = this.#newProcess();
    this.#pump.handOver(this.#engine);
  }

  /** Replaces the code, as a deployment does: the process ends, and another has these workflows. */
  deploy(workflows: Workflows): void {
    this.#workflows = this.#watched(workflows);
    this.#deployments++;
    this.crash();
  }

  /** Makes the process forget the run's suspended function: its next leg replays the journal. */
  evict(runId: string): void {
    this.#engine.residents.evict(runId);
  }

  /** Sends a wake that nothing asked for. */
  async wake(runId: string): Promise<void> {
    const { header } = await loaded(this.ports, runId);
    await this.#asked(sendWake(this.#outside(), wakeOf(header)));
  }

  async get(runId: string): Promise<RunView> {
    await this.#pump.rest();
    return viewOf(this.ports, runId);
  }

  async journal(runId: string): Promise<JournalEvent[]> {
    await this.#pump.rest();
    return journalOf(this.ports, runId);
  }

  async operations(runId: string): Promise<OperationView[]> {
    await this.#pump.rest();
    return operationsOf(this.ports, runId);
  }

  /** What the run answered, or the last one of those that it continued as. Lets its failed steps be attempted again,
   * which takes virtual time. Throws its error as `OperationError`, or `RunNotFinished`, which says what it waits
   * for. */
  async result<O>(runId: RunId<O>): Promise<O> {
    let run = await this.#retried(runId);
    while (run.continuedTo !== undefined) run = await this.#retried(run.continuedTo);
    switch (run.status) {
      case "completed":
        return run.output as O;
      case "failed":
      case "timedOut":
      case "cancelled":
        throw new OperationError(
          run.error ?? { code: "RunCancelled", name: "RunCancelled", message: "The run was cancelled." },
        );
      default:
        throw notFinished(run, this.now(), this.#pump.lastFailure);
    }
  }

  /** The run once none of its steps, or of its children's, is between two attempts, or has had very many. */
  async #retried(runId: string): Promise<RunView> {
    for (let retries = 0; ; retries++) {
      const run = await this.get(runId);
      const retryAt = await retryAtOf(this.ports, runId);
      if (retryAt === undefined || retries === RETRIES_MAX) return run;
      await this.#pump.skip(Math.max(0, retryAt - this.ports.clock.now()));
    }
  }

  #adopt(child: AnyWorkflow): void {
    const { name, version } = child;
    if (this.#workflows.some((known) => known.name === name && known.version === version)) return;
    const watched = this.#work.watched(child);
    this.#workflows.push(watched);
    this.#engine.registry.add(watched);
  }

  #watched(workflows: Workflows): AnyWorkflow[] {
    if (isWorkflow(workflows)) return [this.#work.watched(workflows)];
    const members = Symbol.iterator in workflows ? [...workflows] : Object.values(workflows);
    return members.filter(isWorkflow).map((workflow) => this.#work.watched(workflow));
  }

  /** A call from outside, then whatever it sets going. */
  async #asked<T>(call: Promise<T>): Promise<T> {
    const answer = await call;
    await this.#pump.rest();
    return answer;
  }

  /** The engine as the API has it: it outlives a crash of the process that runs legs. */
  #outside(): Engine {
    return { ...this.#engine, ...this.ports };
  }

  #pass(): void {
    if (++this.moments === this.#crashAt) this.crash();
  }

  #newProcess(): Engine {
    const life: Life = { isOver: false, onCall: () => this.#pass() };
    this.#life = life;
    const owner = `process-${++this.#processes}`;
    return createEngine(mortalPorts(this.ports, life), {
      workflows: this.#workflows,
      log: this.#log,
      settings: {
        owner,
        codeHash: `code-${this.#deployments}`,
        isDead: (other) => other !== owner,
        retriesCrashedAtOnce: this.#crashAt !== undefined,
        maps: this.#maps,
      },
    });
  }
}

function notFinished(run: RunView, now: Date, cause: unknown): StepfoldError {
  const waits = run.waitingFor.map(({ kind, name }) => `${kind} ${JSON.stringify(name)}`).join(", ");
  const parts = [
    `Expected run ${run.runId} to be finished at ${now.toISOString()}, but it is ${run.status}`,
    ...(waits === "" ? [] : [`it waits for ${waits}`]),
    ...(run.wakeAt === undefined
      ? []
      : [`it has something to do by itself at ${run.wakeAt.toISOString()}: skip there`]),
    ...(run.stalled === undefined ? [] : [`it is stalled: ${run.stalled.message}`]),
    ...(cause === undefined ? [] : [`a handler failed: ${String(cause)}`]),
  ];
  const data = { runId: run.runId, status: run.status, waitingFor: run.waitingFor.map(({ name }) => name) };
  return new StepfoldError("RunNotFinished", `${parts.join("; ")}.`, data, { cause });
}

/** So many retries pass while a result is waited for. */
const RETRIES_MAX = 1_000;

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
