/** Other queues, called under faults: messages of `work` come late, twice, out of order, or not at all. */
import type { OutgoingMessage, Queue, QueueName, ReceivedMessage } from "../../ports/queue.ts";
import type { Caller } from "./caller.ts";
import type { Fault } from "./faults.ts";

export class SimulatedQueue implements Queue {
  readonly #queue: Queue;
  readonly #caller: Caller;

  constructor(queue: Queue, caller: Caller) {
    this.#queue = queue;
    this.#caller = caller;
  }

  send(queue: QueueName, messages: OutgoingMessage[]): Promise<void> {
    const [runId, count] = [messages[0]?.runId, messages.length];
    return this.#caller.call({ port: "queue", method: "send", runId, count }, async (fault) => {
      const taken = partOf(messages, fault);
      const stored = queue === "signals" ? taken : taken.flatMap((message) => this.#copies(message));
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
    return this.#caller.call({ port: "queue", method: "acknowledge", count: receipts.length }, (fault) =>
      this.#queue.acknowledge(queue, partOf(receipts, fault)),
    );
  }

  release(queue: QueueName, receipt: string, delayMs: number): Promise<void> {
    return this.#caller.call({ port: "queue", method: "release" }, () =>
      this.#queue.release(queue, receipt, delayMs),
    );
  }
}

/** What of a batch is done. */
const partOf = <Item>(batch: Item[], fault: Fault | undefined): Item[] =>
  fault?.kind === "halfDone" ? batch.slice(0, Math.floor(batch.length / 2)) : batch;
