/**
 * `flow(name, options?)`: a workflow said as a chain of tasks, delays, signals and branches. `build` compiles it to a
 * `Workflow` over the same `run` as a function's, with its graph and definition hash.
 *
 * 1. A flow never changes: each call gives another one.
 * 2. What is wrong with a part is thrown where that part is written; what is missing, at `build`.
 */
import type { SignalOptions, StepOptions } from "../context.ts";
import type { Duration } from "../duration.ts";
import { StepfoldError } from "../errors.ts";
import { checkName } from "../ids.ts";
import { type AnyWorkflow, type WorkflowOptions, workflow } from "../workflow.ts";
import {
  appended,
  type Chain,
  forkPart,
  isForked,
  type Part,
  signalPart,
  stepPart,
  timerPart,
} from "./chain.ts";
import { compile } from "./compile.ts";
import { definitionHashOf, graphOf } from "./graph.ts";
import type { Flow, Open, Tasks } from "./types.ts";

export function flow<I = Open, O = unknown, G = I>(
  name: string,
  options: WorkflowOptions<I, O, G> = {},
): Flow<G, I, O> {
  checkName(name, "a flow's name");
  return new Builder(name, options as WorkflowOptions, []) as unknown as Flow<G, I, O>;
}

class Builder {
  readonly kind = "flow";
  readonly name: string;
  readonly options: WorkflowOptions;
  readonly chain: Chain;

  constructor(name: string, options: WorkflowOptions, chain: Chain) {
    this.name = name;
    this.options = options;
    this.chain = chain;
  }

  // biome-ignore lint/suspicious/noThenProperty: the builder's word; awaiting a flow is refused with a reason
  then(name: string, task?: unknown, options?: StepOptions): Builder {
    if (typeof name === "function")
      throw invalidFlow(this.name, "to be built before it is awaited or returned from async code");
    return this.#and(stepPart(name, task, options));
  }

  delay(name: string, duration: Duration): Builder {
    return this.#and(timerPart(name, duration));
  }

  awaitSignal(name: string, options?: SignalOptions<unknown>): Builder {
    return this.#and(signalPart(name, options));
  }

  branches(branches: Record<string, unknown>): Builder {
    const entries = Object.entries(branches ?? {});
    return this.#and(forkPart(entries.map(([name, branch]) => [name, branchChain(name, branch)])));
  }

  join(name: string, task?: unknown, options?: StepOptions): Builder {
    if (!isForked(this.chain))
      throw invalidFlow(this.name, `to have branches right before join ${JSON.stringify(name)}`);
    return this.#and(stepPart(name, task, options, true));
  }

  build({ tasks = {} }: { tasks?: Tasks } = {}): AnyWorkflow {
    if (this.chain.length === 0) throw invalidFlow(this.name, "to have at least one part");
    const built = workflow(this.name, this.options, compile(this.name, this.chain, tasks));
    return { ...built, definitionHash: definitionHashOf(this.chain), graph: graphOf(this.chain) };
  }

  #and(part: Part): Builder {
    return new Builder(this.name, this.options, appended(this.chain, part));
  }
}

function branchChain(name: string, branch: unknown): Chain {
  if (typeof branch === "function") return [stepPart(name, branch)];
  if (!isBuilder(branch))
    throw new StepfoldError(
      "InvalidOptions",
      `Expected branch ${JSON.stringify(name)} to be a function or a flow that is not built yet, got ${typeof branch}.`,
    );
  if (Object.values(branch.options).some((option) => option !== undefined))
    throw invalidFlow(
      branch.name,
      `to have no options as branch ${JSON.stringify(name)}: they are a workflow's`,
    );
  if (branch.chain.length === 0) throw invalidFlow(branch.name, "to have at least one part");
  return branch.chain;
}

const isBuilder = (value: unknown): value is Builder =>
  typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === "flow";

const invalidFlow = (flow: string, expected: string): StepfoldError =>
  new StepfoldError("InvalidFlow", `Expected flow ${JSON.stringify(flow)} ${expected}.`, { flow });
