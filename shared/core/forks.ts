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

/** Works through items with at most `concurrency` at once, until one failure too many. What fails once `isCut` is no
 * item's failure: it ends the whole. */
export async function mapped<R>(
  count: number,
  one: (index: number) => Promise<R>,
  concurrency = count,
  tolerated: number,
  name: string,
  isCut: () => boolean,
): Promise<{ results: R[]; failures: RunError[] }> {
  const results = new Array<R>(count);
  const failures: RunError[] = [];
  let begun = 0;
  const worker = async (): Promise<void> => {
    while (begun < count) {
      const index = begun++;
      try {
        results[index] = await one(index);
      } catch (thrown) {
        if (isCut()) throw thrown;
        failures.push(toRunError(thrown));
        results[index] = null as R;
        if (failures.length > tolerated)
          throw toleranceExceeded(name, failures.length, tolerated, failures.at(-1));
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker));
  return { results, failures };
}

export function toleranceExceeded(
  name: string,
  failed: number,
  tolerated: number,
  cause: RunError | undefined,
): OperationError {
  return new OperationError({
    code: "ToleranceExceeded",
    name: "ToleranceExceeded",
    message: `${failed} items of ${JSON.stringify(name)} failed, ${tolerated} are tolerated.`,
    data: { failed, tolerated },
    cause,
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
