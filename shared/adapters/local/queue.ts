/**
 * Both queues on the data file. A message is a row from when it was sent until it is acknowledged; who may see which
 * is kept in memory, filled from the rows at start.
 *
 * 1. What was out when the process ended is visible again at the next start: nobody else can hold it.
 * 2. A receive is given at once, and written down in the same turn: before anything that its receiver stores.
 *    So a message that kills the process still counts its receives.
 * 3. Nothing is polled: a send wakes a waiting receiver, and a timer the one that waits for a delay.
 */
import type { StatementSync } from "node:sqlite";
import { MESSAGE_DELAY_MS_MAX } from "../../core/limits.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Meter } from "../../ports/meter.ts";
import type { OutgoingMessage, Queue, QueueName, ReceivedMessage } from "../../ports/queue.ts";
import { countSend } from "../common/billing.ts";
import { asMessage, type Letter, Mailbox } from "../common/mailbox.ts";
import type { Store } from "./store.ts";

const DEDUPLICATION_MS = 5 * 60_000;
/** SQS keeps messages for at most this long, dead ones too. */
const DEAD_LETTER_MS = 14 * 86_400_000;

interface MessageColumns {
  position: number;
  queue: QueueName;
  run_id: string;
  body: string;
  message_group: string | null;
  id: string | null;
  sent_at: number;
  visible_at: number;
  receive_count: number;
}

const COLUMNS = "position, queue, run_id, body, message_group, id, sent_at, visible_at, receive_count";

export class LocalQueue implements Queue {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #boxes: Record<QueueName, Mailbox>;
  readonly #insert: StatementSync;
  readonly #acceptId: StatementSync;
  readonly #delete: StatementSync;
  readonly #setVisible: StatementSync;
  readonly #setReceived: StatementSync;
  readonly #bury: StatementSync;
  readonly #dead: StatementSync;
  readonly #forgetIds: StatementSync;
  readonly #forgetDead: StatementSync;
  #position: number;

  constructor(store: Store, clock: Clock, meter: Meter, visibilityMs: number) {
    this.#store = store;
    this.#clock = clock;
    this.#meter = meter;
    this.#insert =
      store.statement(`INSERT INTO messages (position, queue, run_id, body, message_group, id, sent_at,
      visible_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#acceptId = store.statement(`INSERT INTO sent_ids VALUES (?, ?)
      ON CONFLICT DO UPDATE SET sent_at = excluded.sent_at WHERE sent_at <= excluded.sent_at - ${DEDUPLICATION_MS}`);
    this.#delete = store.statement("DELETE FROM messages WHERE position = ?");
    this.#setVisible = store.statement("UPDATE messages SET visible_at = ? WHERE position = ?");
    this.#setReceived = store.statement("UPDATE messages SET receive_count = ? WHERE position = ?");
    this.#bury = store.statement(
      `INSERT INTO dead_letters SELECT ${COLUMNS}, ? FROM messages WHERE position = ?`,
    );
    this.#dead = store.statement(`SELECT ${COLUMNS} FROM dead_letters WHERE queue = ? ORDER BY position`);
    this.#forgetIds = store.statement("DELETE FROM sent_ids WHERE sent_at <= ?");
    this.#forgetDead = store.statement("DELETE FROM dead_letters WHERE died_at <= ?");
    const box = () =>
      new Mailbox({ clock, visibilityMs, onTaken: (taken, dead) => this.#noteTaken(taken, dead) });
    this.#boxes = { work: box(), signals: box() };
    this.#position = this.#load();
  }

  async send(queue: QueueName, messages: OutgoingMessage[]): Promise<void> {
    countSend(this.#meter, messages);
    if (messages.length === 0) return;
    const copies = messages.map((message) => ({ ...message }));
    this.announce(queue, await this.#store.write(() => this.insert(queue, copies)));
  }

  /** Stores messages; part of a write. What it answers must be announced once that is committed. */
  insert(queue: QueueName, messages: OutgoingMessage[]): Letter[] {
    const letters: Letter[] = [];
    for (const message of messages) {
      if (queue === "signals" && this.#isRepeated(message)) continue;
      const letter = this.#letter(queue, message);
      const { position, runId, body, group, id, sentAt, visibleAt } = letter;
      this.#insert.run(position, queue, runId, body, group ?? null, id ?? null, sentAt, visibleAt);
      letters.push(letter);
    }
    return letters;
  }

  announce(queue: QueueName, letters: Letter[]): void {
    this.#boxes[queue].add(letters);
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
    const box = this.#boxes[queue];
    const letters = receipts.map((receipt) => box.find(receipt)).filter((letter) => letter !== undefined);
    if (receipts.length > 0) this.#meter.count(undefined, "queueRequests", Math.ceil(receipts.length / 10));
    if (letters.length === 0) return;
    await this.#store.write(() => {
      for (const letter of letters) this.#delete.run(letter.position);
    });
    for (const letter of letters) box.remove(letter);
  }

  async release(queue: QueueName, receipt: string, delayMs: number): Promise<void> {
    this.#meter.count(undefined, "queueRequests", 1);
    const letter = this.#boxes[queue].find(receipt);
    if (letter === undefined) return;
    const visibleAt = this.#clock.now() + delayMs;
    await this.#store.write(() => this.#setVisible.run(visibleAt, letter.position));
    this.#boxes[queue].release(letter, visibleAt);
  }

  /** When something may next be received: at or before now if it may be already. */
  nextVisibleAt(queue: QueueName): number | undefined {
    return this.#boxes[queue].nextVisibleAt();
  }

  /** How many messages were sent and not acknowledged, hidden ones too. */
  pendingCount(queue: QueueName): number {
    return this.#boxes[queue].size;
  }

  deadLetters(queue: QueueName): Readonly<Letter>[] {
    return this.#store
      .read(() => this.#dead.all(queue))
      .map((row) => letterOf(row as unknown as MessageColumns));
  }

  /** Calls back whenever something may be received, until the answer is called: receive until nothing is left. */
  onMessage(queue: QueueName, listener: () => void): () => void {
    return this.#boxes[queue].onReady(listener);
  }

  /** Deletes what is kept only for a time and has outlived it. */
  async deleteExpired(): Promise<void> {
    const now = this.#clock.now();
    await this.#store.write(() => {
      this.#forgetIds.run(now - DEDUPLICATION_MS);
      this.#forgetDead.run(now - DEAD_LETTER_MS);
    });
  }

  /** Ends every wait with an empty answer. */
  close(): void {
    for (const box of Object.values(this.#boxes)) box.close();
  }

  /** Positions begin at the time of the start, so that no process uses one of an earlier one. */
  #load(): number {
    const rows = this.#store.read(() =>
      this.#store.statement(`SELECT ${COLUMNS} FROM messages ORDER BY position`).all(),
    );
    const columns = rows as unknown as MessageColumns[];
    for (const queue of ["work", "signals"] as const) {
      this.#boxes[queue].add(columns.filter((row) => row.queue === queue).map(letterOf));
    }
    return Math.max(this.#clock.now() * 1_000, columns.at(-1)?.position ?? 0);
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
    const key = `${message.group ?? message.runId} ${message.id}`;
    return Number(this.#acceptId.run(key, this.#clock.now()).changes) === 0;
  }

  /** Not awaited: if it fails, the receives are not counted, and the receiver's own writes fail as well. */
  #noteTaken(taken: Letter[], dead: Letter[]): void {
    const counts = taken.map(({ position, receiveCount }) => ({ position, receiveCount }));
    const now = this.#clock.now();
    this.#store
      .write(() => {
        for (const { position, receiveCount } of counts) this.#setReceived.run(receiveCount, position);
        for (const { position } of dead) {
          this.#bury.run(now, position);
          this.#delete.run(position);
        }
      })
      .catch(() => {});
  }
}

function letterOf(columns: MessageColumns): Letter {
  return {
    position: columns.position,
    runId: columns.run_id,
    body: columns.body,
    sentAt: columns.sent_at,
    visibleAt: columns.visible_at,
    receiveCount: columns.receive_count,
    ...(columns.message_group === null ? {} : { group: columns.message_group }),
    ...(columns.id === null ? {} : { id: columns.id }),
  };
}
