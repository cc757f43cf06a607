/**
 * What a flow is made of: plain data, a chain of parts, each of the kind of operation that it becomes in a run.
 * Nothing here runs anything.
 */
import type { SignalOptions, StepOptions } from "../context.ts";
import { type Duration, durationMs } from "../duration.ts";
import { StepfoldError } from "../errors.ts";
import { checkName } from "../ids.ts";
import { NAME_LENGTH_MAX } from "../limits.ts";
import { retryPolicy } from "../retry.ts";
import { checkSchema } from "../schema.ts";
import type { Task } from "./types.ts";

// biome-ignore lint/suspicious/noExplicitAny: what a task is given is checked where the flow is written
export type AnyTask = Task<any, unknown>;

/** `joins`: it is given what the branches before it gave. Without a task, it is one of `build({ tasks })`. */
export interface StepPart {
  kind: "step";
  name: string;
  task: AnyTask | undefined;
  options: StepOptions;
  joins: boolean;
}
export interface TimerPart {
  kind: "timer";
  name: string;
  duration: Duration;
}
export interface SignalPart {
  kind: "signal";
  name: string;
  options: SignalOptions<unknown>;
}
export interface ForkPart {
  kind: "all";
  name: string;
  branches: readonly (readonly [name: string, chain: Chain])[];
}
export type Part = StepPart | TimerPart | SignalPart | ForkPart;
export type Chain = readonly Part[];

export function stepPart(name: string, task: unknown, options: StepOptions = {}, joins = false): StepPart {
  checkName(name, "a step's name");
  if (task !== undefined && typeof task !== "function")
    throw new StepfoldError(
      "InvalidOptions",
      `Expected step ${JSON.stringify(name)} to have a function, or none where build({ tasks }) has it, got ${typeof task}.`,
    );
  retryPolicy(options.retry);
  if (options.timeout !== undefined) durationMs(options.timeout);
  return { kind: "step", name, task: task as AnyTask | undefined, options, joins };
}

export function timerPart(name: string, duration: Duration): TimerPart {
  checkName(name, "a delay's name");
  durationMs(duration);
  return { kind: "timer", name, duration };
}

export function signalPart(name: string, options: SignalOptions<unknown> = {}): SignalPart {
  checkName(name, "a signal's name");
  checkSchema(options.schema, `the schema of signal ${JSON.stringify(name)}`);
  if (options.timeout !== undefined) durationMs(options.timeout);
  return { kind: "signal", name, options };
}

export function forkPart(branches: ForkPart["branches"]): ForkPart {
  if (branches.length === 0)
    throw new StepfoldError("InvalidFlow", "Expected branches to be at least one, got none.");
  const listed = branches.map(([name]) => checkName(name, "a branch's name")).join(", ");
  const name = listed.length <= NAME_LENGTH_MAX ? listed : `${branches.length} branches`;
  return { kind: "all", name, branches };
}

/** `chain` with `part` after it. Throws `InvalidFlow` for a second step or delay of one name: `redrive` goes by names.
 * A signal's name is its address, so one chain may wait for it twice. */
export function appended(chain: Chain, part: Part): Chain {
  const isNamed = ({ kind }: Part): boolean => kind === "step" || kind === "timer";
  if (isNamed(part) && chain.some((other) => isNamed(other) && other.name === part.name))
    throw new StepfoldError(
      "InvalidFlow",
      `Expected the steps and delays of a chain to have names of their own, got ${JSON.stringify(part.name)} twice.`,
      { name: part.name },
    );
  return [...chain, part];
}

/** Whether the chain's value is what branches gave: delays pass it on. */
export const isForked = (chain: Chain): boolean =>
  chain.findLast(({ kind }) => kind !== "timer")?.kind === "all";
