/**
 * A chain of parts as a function over `run`: the only way in which a flow is ever run, by the one engine.
 *
 * 1. Each part is one operation, in order; its id is its place in the chain, as `graph.ts` draws it.
 * 2. A task is given a copy of the value at each attempt: neither a failed attempt nor a sibling branch can change
 *    what another sees, so that a replay, which reads the value anew, sees the same.
 */
import type { RunContext } from "../context.ts";
import { StepfoldError } from "../errors.ts";
import { toJson } from "../json.ts";
import type { AnyTask, Chain, Part, StepPart } from "./chain.ts";
import type { Tasks } from "./types.ts";

type Act = (run: RunContext, value: unknown) => Promise<unknown>;

/** Throws `TaskNotImplemented` with the name of every task that neither the chain nor `tasks` has a function for. */
export function compile(flow: string, chain: Chain, tasks: Tasks): Act {
  const missing = stepsOf(chain).filter((step) => taskOf(step, tasks) === undefined);
  const names = [...new Set(missing.map(({ name }) => name))];
  if (names.length > 0)
    throw new StepfoldError(
      "TaskNotImplemented",
      `Expected a function for each task of flow ${JSON.stringify(flow)}, got none for ${names.map((name) => JSON.stringify(name)).join(", ")}. Give it where the task is named, or in build({ tasks }).`,
      { flow, tasks: names },
    );
  return chained(chain, tasks);
}

const stepsOf = (chain: Chain): StepPart[] =>
  chain.flatMap((part) => {
    if (part.kind === "step") return [part];
    return part.kind === "all" ? part.branches.flatMap(([, branch]) => stepsOf(branch)) : [];
  });

function taskOf({ name, task }: StepPart, tasks: Tasks): AnyTask | undefined {
  if (task !== undefined) return task;
  const given: unknown = Object.hasOwn(tasks, name) ? tasks[name] : undefined;
  return typeof given === "function" ? (given as AnyTask) : undefined;
}

function chained(chain: Chain, tasks: Tasks): Act {
  const acts = chain.map((part) => actOf(part, tasks));
  return async (run, input) => {
    let value = input;
    for (const act of acts) value = await act(run, value);
    return value;
  };
}

function actOf(part: Part, tasks: Tasks): Act {
  switch (part.kind) {
    case "step": {
      const task = taskOf(part, tasks)!;
      const what = `the value before step ${JSON.stringify(part.name)}`;
      return (run, value) => run.step(part.name, (step) => task(toJson(value, what), step), part.options);
    }
    case "timer":
      return async (run, value) => {
        await run.sleep(part.name, part.duration);
        return value;
      };
    case "signal":
      return (run) => run.waitForSignal(part.name, part.options);
    case "all": {
      const acts = part.branches.map(([name, branch]) => [name, chained(branch, tasks)] as const);
      return (run, value) =>
        run.all(
          part.name,
          Object.fromEntries(acts.map(([name, act]) => [name, (inner: RunContext) => act(inner, value)])),
        );
    }
  }
}
