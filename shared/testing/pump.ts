/**
 * What carries messages to the engine on virtual time: the part that SQS, Scheduler and Lambda have in AWS.
 *
 * 1. `rest` delivers all that is due and waits until nothing moves. It lets no time pass, but for the moments that
 *    a leg waits for by itself.
 * 2. `skip` goes from one time at which something is due to the next, and rests at each; what happens when is a
 *    matter of virtual time only.
 * 3. A message whose handler fails comes again after `RETRY_MS`, as often as the queue gives it.
 */
import type { MemoryPorts } from "../adapters/memory/index.ts";
import { advance } from "../engine/advance.ts";
import { receiveSignals } from "../engine/intake.ts";
import type { Engine } from "../engine/settings.ts";
import { sweep } from "../engine/sweep.ts";
import type { QueueName, ReceivedMessage } from "../ports/queue.ts";
import type { Work } from "./work.ts";

const RETRY_MS = 1_000;
const SWEEP_EVERY_MS = 60_000;
/** A leg that waits without users' work in flight waits for no longer than this: backoffs, short retries. */
const LEG_WAIT_MS = 5_000;
/** Turns of the event loop without a change after which a leg is taken to wait for time. A replay uses up to 20. */
const QUIET_TURNS = 40;

/** Messages that a handler has now. */
interface Handling {
  queue: QueueName;
  receipts: string[];
}

export class Pump {
  /** Why a handler failed last, if the message has not been handled since. */
  lastFailure: unknown;
  readonly #ports: MemoryPorts;
  readonly #work: Work;
  readonly #handling = new Set<Handling>();
  #engine: Engine;
  #sweptAt: number;

  constructor(ports: MemoryPorts, engine: Engine, work: Work) {
    this.#ports = ports;
    this.#engine = engine;
    this.#work = work;
    this.#sweptAt = ports.clock.now();
  }

  /** Gives further messages to another process. Those that the old one had are there again at once. */
  handOver(engine: Engine): void {
    const { queue } = this.#ports;
    for (const { queue: name, receipts } of this.#handling)
      for (const receipt of receipts) void queue.release(name, receipt, 0);
    this.#handling.clear();
    this.#engine = engine;
  }

  async rest(): Promise<void> {
    const { clock } = this.#ports;
    let untilMs = clock.now() + LEG_WAIT_MS;
    for (;;) {
      if (await this.#dispatch()) untilMs = clock.now() + LEG_WAIT_MS;
      else if (this.#handling.size === 0) return;
      else if (await this.#isMoving()) untilMs = clock.now() + LEG_WAIT_MS;
      else if (this.#work.isGoing) return;
      else {
        const next = clock.nextAt();
        if (next === undefined || next > untilMs) return;
        await clock.advanceTo(next);
      }
    }
  }

  async skip(ms: number): Promise<void> {
    const { clock } = this.#ports;
    const until = clock.now() + ms;
    for (;;) {
      await this.rest();
      const next = await this.#nextAt(until);
      if (next === undefined) break;
      await clock.advanceTo(Math.max(next, clock.now()));
      await this.#sweepIfDue();
    }
    await clock.advanceTo(Math.max(until, clock.now()));
    await this.rest();
  }

  /** Whether handlers in flight do anything but wait for virtual time. */
  async #isMoving(): Promise<boolean> {
    const before = this.#handling.size;
    for (let turn = 0; turn < QUIET_TURNS; turn++) {
      await this.#ports.clock.settle();
      if (this.#handling.size !== before || this.#isDue()) return true;
    }
    return this.#work.settledOne();
  }

  #isDue(): boolean {
    const { clock, queue } = this.#ports;
    return (["work", "signals"] as const).some(
      (name) => (queue.nextVisibleAt(name) ?? Number.POSITIVE_INFINITY) <= clock.now(),
    );
  }

  /** Hands every message that is there to a handler; false if there was none. */
  async #dispatch(): Promise<boolean> {
    await this.#ports.clock.settle();
    const { queue } = this.#ports;
    const work = await queue.receive("work", { max: 10, waitMs: 0 });
    for (const message of work)
      this.#handle("work", [message], () => advance(this.#engine, message.body).then(() => []));
    const signals = await queue.receive("signals", { max: 10, waitMs: 0 });
    if (signals.length > 0)
      this.#handle("signals", signals, () =>
        receiveSignals(
          this.#engine,
          signals.map(({ messageId, body }) => ({ id: messageId, body })),
        ),
      );
    return work.length + signals.length > 0;
  }

  #handle(name: QueueName, messages: ReceivedMessage[], handler: () => Promise<string[]>): void {
    const handling: Handling = { queue: name, receipts: receiptsOf(messages) };
    this.#handling.add(handling);
    const settle = async (failed: string[], failure: unknown): Promise<void> => {
      if (!this.#handling.has(handling)) return;
      this.lastFailure = failure;
      const again = messages.filter(({ messageId }) => failed.includes(messageId));
      const done = messages.filter((message) => !again.includes(message));
      await this.#ports.queue.acknowledge(name, receiptsOf(done));
      for (const receipt of receiptsOf(again)) await this.#ports.queue.release(name, receipt, RETRY_MS);
      this.#handling.delete(handling);
    };
    const all = messages.map(({ messageId }) => messageId);
    void handler().then(
      (failed) => settle(failed, undefined),
      (error: unknown) => settle(all, error),
    );
  }

  /** The next time at which anything is due, if that is by `until`. */
  async #nextAt(until: number): Promise<number | undefined> {
    const { clock, queue } = this.#ports;
    const times = [
      clock.nextAt(),
      queue.nextVisibleAt("work"),
      queue.nextVisibleAt("signals"),
      await this.#sweepAt(until),
    ];
    const next = Math.min(...times.map((time) => time ?? Number.POSITIVE_INFINITY));
    return next <= until ? next : undefined;
  }

  async #sweepAt(until: number): Promise<number | undefined> {
    const due = await this.#ports.journal.due(until, 1);
    const first = Math.min(...due.map(({ dueAt }) => dueAt));
    return due.length === 0 ? undefined : Math.max(first, this.#sweptAt + SWEEP_EVERY_MS);
  }

  async #sweepIfDue(): Promise<void> {
    const { clock } = this.#ports;
    const at = await this.#sweepAt(clock.now());
    if (at === undefined || at > clock.now()) return;
    this.#sweptAt = clock.now();
    this.#handle("work", [], () => sweep(this.#engine).then(() => []));
  }
}

const receiptsOf = (messages: ReceivedMessage[]): string[] => messages.map(({ receipt }) => receipt);
