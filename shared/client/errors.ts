/** What a client's calls fail with. */
import type { Json } from "../core/json.ts";

/** A problem that the API answered, an answer that is none of its own, or no answer at all (`status` 0). */
export class StepfoldClientError extends Error {
  /** Stable, and safe to branch on: the API's code, `Unreachable`, `UnknownAnswer`, or how a run ended. */
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  /** What else the problem says. */
  readonly data: Record<string, Json>;

  constructor(
    problem: { code: string; status: number; detail: string; data?: Record<string, Json> },
    options?: ErrorOptions,
  ) {
    super(`${problem.code}: ${problem.detail}`, options);
    this.name = "StepfoldClientError";
    this.code = problem.code;
    this.status = problem.status;
    this.detail = problem.detail;
    this.data = problem.data ?? {};
  }
}
