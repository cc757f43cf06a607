/**
 * Attempts of steps in flight: the one place where user code with side effects runs.
 *
 * 1. An attempt ends once: with what it returned, what it threw, or its timeout, whichever comes first.
 * 2. Aborting one fires its signal; its late result is still answered, for the record (J12).
 * 3. An attempt is begun once: its end may not be stored yet.
 */

import type { Log } from "../core/context.ts";
import { type RunError, StepfoldError, toRunError } from "../core/errors.ts";
import type { StepWork } from "../core/execution.ts";
import { jsonText } from "../core/json.ts";
import type { Operation } from "../core/state.ts";
import type { Clock } from "../ports/clock.ts";

export interface Attempt {
  operation: string;
  attempt: number;
  work: StepWork;
}

export type AttemptResult = { attempt: Attempt } & (
  | { ok: true; text: string | undefined }
  | { ok: false; error: RunError; thrown: unknown }
);

interface InFlight {
  controller: AbortController | undefined;
  reason: Error | undefined;
}

export class Attempts {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #inFlight = new Map<string, InFlight>();
  /** By operation: its latest attempt that was begun here. */
  readonly #begun = new Map<string, number>();
  readonly #onResult: (result: AttemptResult) => void;

  constructor(clock: Clock, log: Log, onResult: (result: AttemptResult) => void) {
    this.#clock = clock;
    this.#log = log;
    this.#onResult = onResult;
  }

  get size(): number {
    return this.#inFlight.size;
  }

  hasBegun({ id, attempts }: Pick<Operation, "id" | "attempts">): boolean {
    return this.#begun.get(id) === attempts;
  }

  /** One that the owner before has begun. */
  took({ operation, attempt }: Attempt): void {
    this.#begun.set(operation, attempt);
  }

  begin(attempt: Attempt, idempotencyKey: string): void {
    const flight: InFlight = { controller: undefined, reason: undefined };
    this.#inFlight.set(attempt.operation, flight);
    this.took(attempt);
    let ended = false;
    const end = (result: AttemptResult): void => {
      if (ended) return;
      ended = true;
      cancelTimer();
      if (this.#inFlight.get(attempt.operation) === flight) this.#inFlight.delete(attempt.operation);
      this.#onResult(result);
    };
    const { name, timeoutMs, work } = attempt.work;
    const cancelTimer = this.#clock.after(timeoutMs, () => {
      const timeout = new StepfoldError(
        "StepTimeout",
        `The step ${JSON.stringify(name)} took longer than ${timeoutMs} ms.`,
        { timeoutMs },
      );
      abort(flight, timeout);
      end(failed(attempt, timeout));
    });
    const context = {
      idempotencyKey,
      attempt: attempt.attempt,
      log: this.#log,
      // Made when asked for: most steps never look at it.
      get signal(): AbortSignal {
        flight.controller ??= new AbortController();
        if (flight.reason !== undefined) flight.controller.abort(flight.reason);
        return flight.controller.signal;
      },
    };
    (async () => work(context))().then(
      (value) => end(succeeded(attempt, value)),
      (thrown: unknown) => end(failed(attempt, thrown)),
    );
  }

  /** Fires the signals of attempts whose result no longer matters. */
  abort(matters: (operation: string) => boolean, why: string): void {
    for (const [operation, flight] of this.#inFlight) {
      if (matters(operation)) continue;
      this.#inFlight.delete(operation);
      abort(flight, new StepfoldError("OperationCancelled", why));
    }
  }
}

function abort(flight: InFlight, reason: Error): void {
  flight.reason = reason;
  flight.controller?.abort(reason);
}

function succeeded(attempt: Attempt, value: unknown): AttemptResult {
  try {
    return {
      attempt,
      ok: true,
      text:
        value === undefined
          ? undefined
          : jsonText(value, `the result of step ${JSON.stringify(attempt.work.name)}`),
    };
  } catch (thrown) {
    return failed(attempt, thrown);
  }
}

function failed(attempt: Attempt, thrown: unknown): AttemptResult {
  const error = toRunError(thrown);
  return {
    attempt,
    ok: false,
    thrown,
    error: { ...error, operation: attempt.work.name, attempts: attempt.attempt },
  };
}
