/** Another publisher, called under faults. */
import type { RunStatus } from "../../core/events.ts";
import type { Publisher, StatusChange } from "../../ports/publisher.ts";
import type { Caller } from "./caller.ts";

export class SimulatedPublisher implements Publisher {
  readonly #publisher: Publisher;
  readonly #caller: Caller;

  constructor(publisher: Publisher, caller: Caller) {
    this.#publisher = publisher;
    this.#caller = caller;
  }

  tells(status: RunStatus): boolean {
    return this.#publisher.tells(status);
  }

  publish(changes: readonly StatusChange[]): Promise<void> {
    const runId = changes[0]?.runId;
    return this.#caller.call({ port: "publisher", method: "publish", runId }, () =>
      this.#publisher.publish(changes),
    );
  }
}
