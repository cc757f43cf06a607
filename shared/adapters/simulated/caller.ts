/**
 * How a process calls a port: the request takes its time, takes effect, and its answer takes its time. What goes
 * wrong on the way is for `Faults` to say.
 */
import { PortError } from "../../core/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Call, Fault, Faults } from "./faults.ts";
import { type Life, never } from "./life.ts";

export class Caller {
  readonly process: string;
  readonly faults: Faults;
  readonly #clock: Clock;
  readonly #life: Life;

  constructor(process: string, clock: Clock, life: Life, faults: Faults) {
    this.process = process;
    this.faults = faults;
    this.#clock = clock;
    this.#life = life;
  }

  now(): number {
    return this.#clock.now();
  }

  /** `perform` has its effect at once. It is given the fault, for those that are its own matter. */
  async call<Answer>(
    where: Omit<Call, "process">,
    perform: (fault: Fault | undefined) => Promise<Answer>,
  ): Promise<Answer> {
    await this.#life.awake();
    const { requestMs, answerMs, fault } = this.faults.onCall({ process: this.process, ...where });
    await this.#before(fault, where);
    if (requestMs > 0) await this.#clock.sleep(requestMs);
    if (this.#life.isOver && !this.faults.arrives()) return never();
    let answer = await perform(fault);
    if (fault?.kind === "lostAnswer") {
      await this.#clock.sleep(answerMs + requestMs);
      answer = await perform(fault);
    }
    if (fault?.kind === "crashAfter") this.#life.crash();
    if (fault?.kind === "freezeAfter") this.#life.freeze(fault.ms);
    if (answerMs > 0) await this.#clock.sleep(answerMs);
    await this.#life.awake();
    if (fault?.kind === "failed") throw unavailable(where, "it may have been done");
    if (fault?.kind === "halfDone") throw unavailable(where, "a part of it was done");
    return answer;
  }

  async #before(fault: Fault | undefined, where: Omit<Call, "process">): Promise<void> {
    if (fault?.kind === "crashBefore") this.#life.crash();
    if (fault?.kind === "freezeBefore") this.#life.freeze(fault.ms);
    await this.#life.awake();
    if (fault?.kind === "throttled") throw unavailable(where, "it was throttled");
  }
}

const unavailable = ({ port, method, runId }: Omit<Call, "process">, why: string): PortError =>
  new PortError("Simulated", `Could not ${method} on the ${port} for run ${runId ?? "of any id"}: ${why}.`, {
    retryable: true,
  });
