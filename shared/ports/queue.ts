/**
 * Messages to the engine. `work` is unordered and takes delays; `signals` is FIFO within a group (the run id).
 *
 * 1. `send` resolves when every message is stored, and otherwise rejects with a `PortError` (part of them may have
 *    been stored: every message is safe to send twice). More than a batch is split; a message over
 *    `MESSAGE_BYTES_MAX` is refused by `MessageTooLarge` before anything is sent.
 * 2. Delivery is at least once, and not in order on `work`. On `signals`, a group's messages come in the order in
 *    which they were sent, and none while an earlier one of its group is unacknowledged; a repeated `id` within
 *    five minutes is dropped.
 * 3. A delay over `MESSAGE_DELAY_MS_MAX` is cut to it: the receiver looks at what it was meant for. AWS rounds
 *    delays up to whole seconds.
 * 4. `receive`, `acknowledge` and `release` are for hosts; in Lambda the event source mapping does them. A message
 *    that is neither acknowledged nor released is seen again after the queue's visibility timeout; one received
 *    more than `maxReceives` times goes to the dead-letter queue.
 */
export type QueueName = "work" | "signals";

export interface OutgoingMessage {
  /** Whose cost it is. */
  runId: string;
  body: string;
  /** `work` only. */
  delayMs?: number;
  /** `work` only: the worker group that takes it; absent or unknown, the default one. */
  workers?: string;
  /** `signals` only: the FIFO group. */
  group?: string;
  /** `signals` only: the deduplication id. */
  id?: string;
}

export interface ReceivedMessage {
  messageId: string;
  receipt: string;
  body: string;
  group?: string;
  id?: string;
  receiveCount: number;
  sentAt: number;
}

export interface Queue {
  send(queue: QueueName, messages: OutgoingMessage[]): Promise<void>;
  /** Up to `max` messages; waits up to `waitMs` for the first. `signal` ends the wait with an empty answer. */
  receive(
    queue: QueueName,
    options: { max: number; waitMs: number; signal?: AbortSignal },
  ): Promise<ReceivedMessage[]>;
  acknowledge(queue: QueueName, receipts: string[]): Promise<void>;
  /** Makes a received message visible again after `delayMs`. */
  release(queue: QueueName, receipt: string, delayMs: number): Promise<void>;
}
