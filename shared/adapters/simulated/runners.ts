/** Other runners, called under faults: turns are asked twice, and answers lost. */
import type { Json } from "../../core/json.ts";
import type { Runner } from "../../core/remote/remote.ts";
import type { Runners, Turn } from "../../ports/runners.ts";
import type { Caller } from "./caller.ts";

export class SimulatedRunners implements Runners {
  readonly #runners: Runners;
  readonly #caller: Caller;

  constructor(runners: Runners, caller: Caller) {
    this.#runners = runners;
    this.#caller = caller;
  }

  ask(runner: Runner, turn: Turn, signal: AbortSignal): Promise<Json> {
    return this.#caller.call({ port: "runners", method: "ask", runId: turn.runId }, () =>
      this.#runners.ask(runner, turn, signal),
    );
  }
}
