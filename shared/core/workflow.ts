/**
 * `workflow(name, options?, handler)`: a definition. It does nothing by itself; hosts register what an entry module
 * exports.
 */
import type { RunContext } from "./context.ts";
import { type Duration, durationMs } from "./duration.ts";
import { StepfoldError } from "./errors.ts";
import type { FlowGraph } from "./flow/graph.ts";
import { checkName } from "./ids.ts";
import { LEG_MS_MAX } from "./limits.ts";
import type { Runner } from "./remote/remote.ts";
import { type RetryOptions, retryPolicy } from "./retry.ts";
import { checkSchema, type Schema } from "./schema.ts";

/** `G` is what callers give, `I` what the input schema makes of it, and what the function is given. */
export interface WorkflowOptions<I = unknown, O = unknown, G = unknown> {
  /** A whole number from 1. Default 1. */
  version?: number;
  description?: string;
  /** Checked when a run is started: what does not hold it is refused with the paths that are wrong. */
  input?: Schema<I, G>;
  /** Checked when the function returns. */
  output?: Schema<O>;
  /** The run's deadline, counted from its creation, or its `startAt`: then it ends `timedOut`. */
  timeout?: Duration;
  /** How long a finished run is kept. Default 30 days. */
  retention?: Duration;
  /** The most entries that a run's journal may have: at that the run fails, and what it did is undone. Default: any
   * number. A run that goes on for ever goes on as a new one by `continueAsNew`. */
  historyLimit?: number;
  /** The default of each step: attempts = `maxRetries` + 1. */
  maxRetries?: number;
  /** The default timeout of each step's attempt. Default 1 minute. */
  stepTimeout?: Duration;
  /** The default retry policy of each step. */
  retry?: RetryOptions;
}

export type Handler<I, O> = (run: RunContext, input: I) => Promise<O> | O;

declare const types: unique symbol;

/** A workflow that callers give an `I`, and that gives them an `O`. */
export interface Workflow<I = unknown, O = unknown> {
  readonly kind: "workflow";
  readonly name: string;
  readonly version: number;
  readonly options: WorkflowOptions<unknown, O>;
  // biome-ignore lint/suspicious/noExplicitAny: what it is given is the schema's output, if there is a schema
  readonly handler: Handler<any, O>;
  /** Only types look at it. */
  readonly [types]?: (input: I) => O;
  /** Of a declared flow: its structure, as a hash and to draw. */
  readonly definitionHash?: string;
  readonly graph?: FlowGraph;
  /** Of a remote workflow: who does its steps, and where that one's source is. */
  readonly driver?: "remote";
  readonly runner?: Runner;
  readonly file?: string;
}

/** What callers give a workflow, and what it gives them. */
export type InputOf<W extends AnyWorkflow> = W extends Workflow<infer I, unknown> ? I : never;
export type OutputOf<W extends AnyWorkflow> = W extends Workflow<never, infer O> ? O : never;

/** Any workflow, whatever its input and output. */
// biome-ignore lint/suspicious/noExplicitAny: input and output are in- and covariant at once
export type AnyWorkflow = Workflow<any, any>;

export function workflow<I, O>(name: string, handler: Handler<I, O>): Workflow<I, O>;
/** With a schema, that says what the function is given. */
export function workflow<I, O, G = I>(
  name: string,
  options: WorkflowOptions<I, O, G> & { input: Schema<I, G> },
  handler: Handler<NoInfer<I>, O>,
): Workflow<G, O>;
/** Without one, the function's parameter says it. */
export function workflow<I, O>(
  name: string,
  options: WorkflowOptions<unknown, O> & { input?: undefined },
  handler: Handler<I, O>,
): Workflow<I, O>;
export function workflow<I, O, G = I>(
  name: string,
  options: WorkflowOptions<I, O, G>,
  handler: Handler<NoInfer<I>, O>,
): Workflow<G, O>;
export function workflow<I, O>(
  name: string,
  ...rest: [Handler<I, O>] | [WorkflowOptions<I, O>, Handler<I, O>]
): Workflow<I, O> {
  const [options, handler] = rest.length === 1 ? [{}, rest[0]] : rest;
  checkName(name, "a workflow's name");
  if (typeof handler !== "function")
    throw new StepfoldError(
      "InvalidOptions",
      `Expected workflow ${JSON.stringify(name)} to have a function, got ${typeof handler}.`,
    );
  checkOptions(name, options);
  return { kind: "workflow", name, version: options.version ?? 1, options, handler };
}

function checkOptions(name: string, options: WorkflowOptions): void {
  const where = `of workflow ${JSON.stringify(name)}`;
  const { version, maxRetries, historyLimit } = options;
  if (historyLimit !== undefined && !(Number.isInteger(historyLimit) && historyLimit >= 10))
    throw new StepfoldError(
      "InvalidOptions",
      `Expected historyLimit ${where} to be a whole number from 10, got ${historyLimit}.`,
    );
  if (version !== undefined && !(Number.isInteger(version) && version >= 1))
    throw new StepfoldError(
      "InvalidOptions",
      `Expected the version ${where} to be a whole number from 1, got ${version}.`,
    );
  if (maxRetries !== undefined && !(Number.isInteger(maxRetries) && maxRetries >= 0))
    throw new StepfoldError(
      "InvalidOptions",
      `Expected maxRetries ${where} to be a whole number from 0, got ${maxRetries}.`,
    );
  for (const duration of [options.timeout, options.retention])
    if (duration !== undefined) durationMs(duration);
  if (options.stepTimeout !== undefined) checkStepTimeout(durationMs(options.stepTimeout), LEG_MS_MAX, where);
  retryPolicy(options.retry);
  checkSchema(options.input, `the input ${where}`);
  checkSchema(options.output, `the output ${where}`);
}

/** A step must fit into a leg (J11). */
export function checkStepTimeout(timeoutMs: number, legMs: number, where: string): number {
  if (timeoutMs <= legMs) return timeoutMs;
  throw new StepfoldError(
    "StepTimeoutTooLong",
    `Expected the step timeout ${where} to fit into a leg of ${legMs} ms, got ${timeoutMs} ms. Give its group a longer leg, or let the work be a child run or an outside worker.`,
    { timeoutMs, legMs },
  );
}

export const isWorkflow = (value: unknown): value is AnyWorkflow =>
  typeof value === "object" &&
  value !== null &&
  (value as { kind?: unknown }).kind === "workflow" &&
  typeof (value as { handler?: unknown }).handler === "function";

/** The workflows of a process, by name and version. */
export class Registry {
  readonly #byName = new Map<string, AnyWorkflow[]>();
  readonly #groups = new Map<AnyWorkflow, string>();
  readonly #own = new Map<string, AnyWorkflow>();

  /** What a group has, the default one has no longer, whether or not its module exports it too. */
  constructor(workflows: Iterable<unknown>, groups: Record<string, Iterable<unknown>> = {}) {
    for (const [group, members] of Object.entries(groups))
      for (const member of new Set(members)) if (isWorkflow(member)) this.#addTo(group, member);
    for (const candidate of new Set(workflows))
      if (isWorkflow(candidate) && !this.#groups.has(candidate)) this.add(candidate);
  }

  #addTo(group: string, added: AnyWorkflow): void {
    const other = this.#groups.get(added);
    if (other !== undefined)
      throw new StepfoldError(
        "DuplicateWorkflow",
        `Expected workflow ${JSON.stringify(added.name)} to be in one group, got ${other} and ${group}. Export it from one group's module only.`,
      );
    this.add(added);
    this.#groups.set(added, group);
  }

  add(added: AnyWorkflow): void {
    const versions = this.#byName.get(added.name) ?? [];
    if (versions.some((other) => other.version === added.version))
      throw new StepfoldError(
        "DuplicateWorkflow",
        `Expected one workflow ${JSON.stringify(added.name)} of version ${added.version}, got two. Give one another name or version.`,
      );
    versions.push(added);
    versions.sort((left, right) => right.version - left.version);
    this.#byName.set(added.name, versions);
  }

  /** A workflow of the engine's own: it runs like any other, but is not listed, and nobody starts it by its name. */
  addOwn(definition: AnyWorkflow): void {
    if (this.#byName.has(definition.name))
      throw new StepfoldError(
        "DuplicateWorkflow",
        `Expected no workflow to have the name ${JSON.stringify(definition.name)}, got one. It is the engine's own: give yours another name.`,
      );
    this.#own.set(definition.name, definition);
  }

  /** The given version, or the latest. */
  find(name: string, version?: number): AnyWorkflow | undefined {
    const own = this.#own.get(name);
    if (own !== undefined) return own;
    const versions = this.#byName.get(name);
    return version === undefined
      ? versions?.[0]
      : versions?.find((candidate) => candidate.version === version);
  }

  isOwn(definition: AnyWorkflow): boolean {
    return this.#own.get(definition.name) === definition;
  }

  /** The worker group that runs it; `undefined` is the default one. */
  groupOf(definition: Pick<AnyWorkflow, "name">): string | undefined {
    return this.#groups.get(definition as AnyWorkflow);
  }

  /** Throws `StepTimeoutTooLong` if a step of this group's workflows may take longer than its legs (J11). */
  checkSteps(group: string | undefined, legMs: number): void {
    for (const definition of [...this.#byName.values()].flat()) {
      const { name, options } = definition;
      if (options.stepTimeout === undefined || this.groupOf(definition) !== group) continue;
      checkStepTimeout(durationMs(options.stepTimeout), legMs, `of workflow ${JSON.stringify(name)}`);
    }
  }

  /** Throws `RetentionTooLong` if a run would be kept for longer than its blobs are. */
  checkRetention(retentionMsMax: number): void {
    const days = (ms: number) => Math.floor(ms / 86_400_000);
    for (const { name, options } of [...this.#byName.values()].flat()) {
      const retentionMs = options.retention === undefined ? 0 : durationMs(options.retention);
      if (retentionMs <= retentionMsMax) continue;
      throw new StepfoldError(
        "RetentionTooLong",
        `Expected the retention of workflow ${JSON.stringify(name)} to be at most ${days(retentionMsMax)} days, so that no blob goes before its run, got ${days(retentionMs)} days. Deploy with a longer blobExpiration.`,
        { workflow: name, retentionMs, retentionMsMax },
      );
    }
  }

  versions(name: string): AnyWorkflow[] {
    return this.#byName.get(name) ?? [];
  }

  names(): string[] {
    return [...this.#byName.keys()].sort();
  }
}
