/**
 * What an operation is given beside its name, checked where it is written: what would be found wrong later, in the midst
 * of a leg, would hold the run up instead of failing the call.
 */
import { StepfoldError } from "./errors.ts";
import { checkName } from "./ids.ts";
import { BRANCHES_MAX, PROMPT_LENGTH_MAX } from "./limits.ts";

export function checkFunctions(what: string, options: Record<string, unknown>): void {
  for (const [option, given] of Object.entries(options))
    if (given !== undefined && typeof given !== "function")
      throw new StepfoldError(
        "InvalidOptions",
        `Expected ${option} of ${what} to be a function, got ${typeof given}.`,
      );
}

export function checkBranches(name: string, keys: readonly string[]): void {
  for (const key of keys) checkName(key, `a branch's name in ${JSON.stringify(name)}`);
  if (keys.length > BRANCHES_MAX)
    throw new StepfoldError(
      "InvalidOptions",
      `Expected ${JSON.stringify(name)} to have at most ${BRANCHES_MAX} branches, got ${keys.length}. Let run.map do the same over many items.`,
    );
}

export function promptOf(name: string, given: unknown): string {
  const prompt = String(given);
  if (prompt.length <= PROMPT_LENGTH_MAX) return prompt;
  throw new StepfoldError(
    "InvalidOptions",
    `Expected the prompt of gate ${JSON.stringify(name)} to be at most ${PROMPT_LENGTH_MAX} characters, got ${prompt.length}. Keep what is long elsewhere, and name it in the prompt.`,
  );
}
