/**
 * Both queues in memory. A test host may pump them: `nextVisibleAt` tells when there will be something to receive,
 * `pending` what is there, and `onMessage` calls back when something may be received.
 */
import { MESSAGE_DELAY_MS_MAX } from "../../core/limits.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Meter } from "../../ports/meter.ts";
import type { OutgoingMessage, Queue, QueueName, ReceivedMessage } from "../../ports/queue.ts";
import { countSend } from "../common/billing.ts";
import { asMessage, type Letter, Mailbox } from "../common/mailbox.ts";

const DEDUPLICATION_MS = 5 * 60_000;

export class MemoryQueue implements Queue {
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #boxes: Record<QueueName, Mailbox>;
  readonly #dead: Record<QueueName, Letter[]> = { work: [], signals: [] };
  /** When each group and id was last accepted. */
  readonly #sentIds = new Map<string, number>();
  #position = 0;

  constructor(clock: Clock, meter: Meter, visibilityMs: number) {
    this.#clock = clock;
    this.#meter = meter;
    const box = (queue: QueueName) =>
      new Mailbox({ clock, visibilityMs, onTaken: (_taken, dead) => this.#dead[queue].push(...dead) });
    this.#boxes = { work: box("work"), signals: box("signals") };
  }

  async send(queue: QueueName, messages: OutgoingMessage[]): Promise<void> {
    countSend(this.#meter, messages);
    const fresh = messages.filter((message) => queue === "work" || !this.#isRepeated(message));
    this.#boxes[queue].add(fresh.map((message) => this.#letter(queue, message)));
  }

  async receive(
    queue: QueueName,
    options: { max: number; waitMs: number; signal?: AbortSignal },
  ): Promise<ReceivedMessage[]> {
    const letters = await this.#boxes[queue].receive(options);
    if (letters.length > 0) this.#meter.count(undefined, "queueRequests", 1);
    return letters.map(asMessage);
  }

  async acknowledge(queue: QueueName, receipts: string[]): Promise<void> {
    if (receipts.length > 0) this.#meter.count(undefined, "queueRequests", Math.ceil(receipts.length / 10));
    for (const receipt of receipts) {
      const letter = this.#boxes[queue].find(receipt);
      if (letter !== undefined) this.#boxes[queue].remove(letter);
    }
  }

  async release(queue: QueueName, receipt: string, delayMs: number): Promise<void> {
    this.#meter.count(undefined, "queueRequests", 1);
    const letter = this.#boxes[queue].find(receipt);
    if (letter !== undefined) this.#boxes[queue].release(letter, this.#clock.now() + delayMs);
  }

  /** When something may next be received: at or before now if it may be already. */
  nextVisibleAt(queue: QueueName): number | undefined {
    return this.#boxes[queue].nextVisibleAt();
  }

  /** What was sent and not acknowledged, hidden or not, in order of sending. */
  pending(queue: QueueName): Readonly<Letter>[] {
    return this.#boxes[queue].letters();
  }

  deadLetters(queue: QueueName): Readonly<Letter>[] {
    return this.#dead[queue];
  }

  /** Calls back whenever something may be received, until the answer is called: receive until nothing is left. */
  onMessage(queue: QueueName, listener: () => void): () => void {
    return this.#boxes[queue].onReady(listener);
  }

  #letter(queue: QueueName, message: OutgoingMessage): Letter {
    const { runId, body, group, id, delayMs } = message;
    const sentAt = this.#clock.now();
    const letter: Letter = {
      position: ++this.#position,
      runId,
      body,
      sentAt,
      visibleAt: sentAt,
      receiveCount: 0,
    };
    if (queue === "signals") return { ...letter, group: group ?? runId, ...(id === undefined ? {} : { id }) };
    return { ...letter, visibleAt: sentAt + Math.min(delayMs ?? 0, MESSAGE_DELAY_MS_MAX) };
  }

  #isRepeated(message: OutgoingMessage): boolean {
    if (message.id === undefined) return false;
    const now = this.#clock.now();
    for (const [key, at] of this.#sentIds) {
      if (at > now - DEDUPLICATION_MS) break;
      this.#sentIds.delete(key);
    }
    const key = `${message.group ?? message.runId} ${message.id}`;
    if (this.#sentIds.has(key)) return true;
    this.#sentIds.set(key, now);
    return false;
  }
}
