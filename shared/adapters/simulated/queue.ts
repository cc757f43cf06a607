/** Other queues, called under faults: messages of `work` come late, twice, out of order, or not at all. */
import type { OutgoingMessage, Queue, QueueName, ReceivedMessage } from "../../ports/queue.ts";
import type { Caller } from "./caller.ts";

export class SimulatedQueue implements Queue {
  readonly #queue: Queue;
  readonly #caller: Caller;

  constructor(queue: Queue, caller: Caller) {
    this.#queue = queue;
    this.#caller = caller;
  }

  send(queue: QueueName, messages: OutgoingMessage[]): Promise<void> {
    const runId = messages[0]?.runId;
    return this.#caller.call({ port: "queue", method: "send", runId }, async () => {
      const stored = queue === "signals" ? messages : messages.flatMap((message) => this.#copies(message));
      if (stored.length > 0) await this.#queue.send(queue, stored);
    });
  }

  #copies(message: OutgoingMessage): OutgoingMessage[] {
    const { process, faults } = this.#caller;
    const { runId, body, delayMs = 0 } = message;
    return faults
      .onMessage({ process, runId, body })
      .map((lateMs) => ({ ...message, delayMs: delayMs + lateMs }));
  }

  receive(
    queue: QueueName,
    options: { max: number; waitMs: number; signal?: AbortSignal },
  ): Promise<ReceivedMessage[]> {
    return this.#caller.call({ port: "queue", method: "receive" }, () => this.#queue.receive(queue, options));
  }

  acknowledge(queue: QueueName, receipts: string[]): Promise<void> {
    return this.#caller.call({ port: "queue", method: "acknowledge" }, () =>
      this.#queue.acknowledge(queue, receipts),
    );
  }

  release(queue: QueueName, receipt: string, delayMs: number): Promise<void> {
    return this.#caller.call({ port: "queue", method: "release" }, () =>
      this.#queue.release(queue, receipt, delayMs),
    );
  }
}
