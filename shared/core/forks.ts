/**
 * How branches and items come together: the rules of `all`, `any`, `race` and `map`, over promises alone.
 */
import { OperationError, type RunError, StepfoldError, toRunError } from "./errors.ts";
import type { Json } from "./json.ts";

export type ForkKind = "all" | "any" | "race";

/** The outcome of a fork, from its running branches. A cancel or the deadline is no branch's failure: it passes through
 * `any`. */
export async function joined(
  kind: ForkKind,
  name: string,
  keys: string[],
  running: Promise<unknown>[],
): Promise<unknown> {
  if (kind === "race") return Promise.race(running);
  if (kind === "all") {
    const results = await Promise.all(running);
    return Object.fromEntries(keys.map((key, index) => [key, results[index]]));
  }
  try {
    return await Promise.any(running);
  } catch (thrown) {
    const errors: unknown[] = thrown instanceof AggregateError ? thrown.errors : [];
    const interruption = errors.find(isInterruption);
    if (interruption !== undefined) throw interruption;
    const causes = errors.map((error) => toRunError(error));
    const data = Object.fromEntries(keys.map((key, index) => [key, { ...causes[index] } as unknown as Json]));
    throw new OperationError({
      code: "AllFailed",
      name: "AllFailed",
      message: `Every branch of ${JSON.stringify(name)} failed.`,
      data,
    });
  }
}

const isInterruption = (error: unknown): boolean =>
  error instanceof OperationError && (error.code === "RunCancelled" || error.code === "RunTimedOut");

/** Works through items with at most `concurrency` at once, until one failure too many. What fails once `isInterrupted`
 * is no item's failure: it ends the whole. */
export async function mapped<R>(
  count: number,
  one: (index: number) => Promise<R>,
  concurrency = count,
  tolerated: number,
  name: string,
  isInterrupted: () => boolean,
): Promise<R[]> {
  if (!(Number.isInteger(concurrency) && concurrency >= 1) && count > 0)
    throw new StepfoldError(
      "InvalidOptions",
      `Expected the concurrency of map ${JSON.stringify(name)} to be a whole number from 1, got ${concurrency}.`,
    );
  const results = new Array<R>(count);
  const failures: RunError[] = [];
  let begun = 0;
  const worker = async (): Promise<void> => {
    while (begun < count) {
      const index = begun++;
      try {
        results[index] = await one(index);
      } catch (thrown) {
        if (isInterrupted()) throw thrown;
        failures.push(toRunError(thrown));
        results[index] = null as R;
        if (failures.length > tolerated) throw toleranceExceeded(name, failures, tolerated);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker));
  return results;
}

function toleranceExceeded(name: string, failures: RunError[], tolerated: number): OperationError {
  return new OperationError({
    code: "ToleranceExceeded",
    name: "ToleranceExceeded",
    message: `${failures.length} items of ${JSON.stringify(name)} failed, ${tolerated} are tolerated.`,
    cause: failures.at(-1),
  });
}

/** How many failed items a map takes. */
export function toleratedOf(name: string, count: number, tolerate: number | string): number {
  const share = typeof tolerate === "string" ? /^(\d+(?:\.\d+)?)%$/.exec(tolerate)?.[1] : undefined;
  const tolerated = share === undefined ? tolerate : Math.floor((count * Number(share)) / 100);
  if (typeof tolerated === "number" && tolerated >= 0) return tolerated;
  throw new StepfoldError(
    "InvalidOptions",
    `Expected map ${JSON.stringify(name)} to tolerate a count or a share such as "5%", got ${String(tolerate)}.`,
  );
}
