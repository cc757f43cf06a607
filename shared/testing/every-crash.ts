/**
 * A scenario once without a crash, then again with one at each moment at which a process can die: before and after
 * every call of a port. Whenever it dies, the outcome must be the same.
 */
import { StepfoldError } from "../core/errors.ts";
import { canonicalJson, toJson } from "../core/json.ts";
import { type AnyWorkflow, isWorkflow } from "../core/workflow.ts";
import { TestHost, type TestHostOptions } from "./host.ts";

/** Takes a workflow, which brings the children that it starts, several, or a host's options. Answers how many crashes there were. Throws `CrashChangedOutcome`,
 * which names the moment, for `crashAt`. The scenario gets a host of its own each time, and answers the outcome as
 * JSON. A crash uses up an attempt, but no virtual time. */
export async function everyCrash(
  workflows: AnyWorkflow | readonly AnyWorkflow[] | TestHostOptions,
  scenario: (host: TestHost) => unknown,
): Promise<{ crashes: number }> {
  const options = optionsOf(workflows);
  const outcomeOf = async (host: TestHost): Promise<string> =>
    canonicalJson(toJson(await scenario(host), "a scenario's outcome"));
  const calm = new TestHost(options);
  const expected = await outcomeOf(calm);
  for (let crashAt = 1; crashAt <= calm.moments; crashAt++) {
    const found = await outcomeOf(new TestHost({ ...options, crashAt })).catch((error: unknown) => {
      throw changed(crashAt, expected, String(error), error);
    });
    if (found !== expected) throw changed(crashAt, expected, found);
  }
  return { crashes: calm.moments };
}

function optionsOf(given: AnyWorkflow | readonly AnyWorkflow[] | TestHostOptions): TestHostOptions {
  return !isWorkflow(given) && "workflows" in given ? given : { workflows: given };
}

const changed = (crashAt: number, expected: string, found: string, cause?: unknown): StepfoldError =>
  new StepfoldError(
    "CrashChangedOutcome",
    `Expected the outcome ${expected} also after a crash at moment ${crashAt}, got ${found}.`,
    { crashAt, expected, found },
    { cause },
  );
