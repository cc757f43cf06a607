/**
 * From a queue to a function, as an event source mapping does it: batches, many at once, partial failures.
 *
 * 1. What a batch's handler does not answer as failed is acknowledged; the rest comes back after a delay that grows
 *    with each receive.
 * 2. At most `invocationsMax` batches are out at once, so that a backlog stays in the queue.
 */
import type { Log } from "../../shared/core/context.ts";
import { toRunError } from "../../shared/core/errors.ts";
import { MESSAGES_PER_BATCH_MAX } from "../../shared/core/limits.ts";
import type { Clock } from "../../shared/ports/clock.ts";
import type { Queue, QueueName, ReceivedMessage } from "../../shared/ports/queue.ts";
import { type BatchHandler, contextOf, sqsEvent } from "./invocation.ts";

/** SQS's longest poll. */
const POLL_MS = 20_000;
const AGAIN_AFTER_MS = 250;
const AGAIN_AFTER_MS_MAX = 60_000;
const RECEIVE_AGAIN_AFTER_MS = 1_000;

export interface PumpOptions {
  queue: Queue;
  name: QueueName;
  handler: BatchHandler;
  clock: Clock;
  log: Log;
  invocationsMax: number;
  /** Receives under way at once: one where a receive costs nothing, more where it is a request. */
  receivers: number;
}

export class Pump {
  readonly #options: PumpOptions;
  readonly #stopping = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  #room: (() => void) | undefined;
  #roomMade: Promise<void> | undefined;

  constructor(options: PumpOptions) {
    this.#options = options;
    for (let count = 0; count < options.receivers; count++) void this.#receive();
  }

  /** Receives no more, and resolves when all that is under way is done. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#room?.();
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  async #receive(): Promise<void> {
    const { queue, name, clock, log } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#hasRoom();
      if (signal.aborted) return;
      try {
        const messages = await queue.receive(name, { max: MESSAGES_PER_BATCH_MAX, waitMs: POLL_MS, signal });
        if (messages.length > 0) this.#invoke(messages);
      } catch (error) {
        if (signal.aborted) return;
        log.error(`The queue ${name} could not be received.`, { error: toRunError(error, "Error") });
        await clock.sleep(RECEIVE_AGAIN_AFTER_MS, signal);
      }
    }
  }

  async #hasRoom(): Promise<void> {
    while (this.#underWay.size >= this.#options.invocationsMax && !this.#stopping.signal.aborted) {
      this.#roomMade ??= new Promise((resolve) => {
        this.#room = resolve;
      });
      await this.#roomMade;
    }
  }

  #invoke(messages: ReceivedMessage[]): void {
    const invocation = this.#handled(messages).finally(() => {
      this.#underWay.delete(invocation);
      this.#roomMade = undefined;
      this.#room?.();
    });
    this.#underWay.add(invocation);
  }

  async #handled(messages: ReceivedMessage[]): Promise<void> {
    const { queue, name, log } = this.#options;
    const failed = await this.#failuresOf(messages);
    const done = messages.filter(({ messageId }) => !failed.has(messageId));
    try {
      if (done.length > 0)
        await queue.acknowledge(
          name,
          done.map(({ receipt }) => receipt),
        );
      for (const message of messages) {
        if (failed.has(message.messageId)) await queue.release(name, message.receipt, againAfterMs(message));
      }
    } catch (error) {
      // They come again after the queue's own time, which is harmless.
      log.warn(`Messages of ${name} could not be acknowledged.`, { error: toRunError(error, "Error") });
    }
  }

  async #failuresOf(messages: ReceivedMessage[]): Promise<Set<string>> {
    const { handler, name, log } = this.#options;
    try {
      const { batchItemFailures } = await handler(
        sqsEvent(messages),
        contextOf(name, messages[0]!.messageId),
      );
      return new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    } catch (error) {
      log.error(`A batch of ${name} failed.`, { error: toRunError(error, "Error") });
      return new Set(messages.map(({ messageId }) => messageId));
    }
  }
}

const againAfterMs = ({ receiveCount }: ReceivedMessage): number =>
  Math.min(AGAIN_AFTER_MS * 2 ** (receiveCount - 1), AGAIN_AFTER_MS_MAX);
