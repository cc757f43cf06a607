/** What SQS, Lambda and a rule do in AWS: messages go to processes, and what fails comes again; the sweep runs. */
import { RECEIVES_MAX } from "../../shared/core/limits.ts";
import { advance } from "../../shared/engine/advance.ts";
import { receiveSignals } from "../../shared/engine/intake.ts";
import { sweep } from "../../shared/engine/sweep.ts";
import type { QueueName, ReceivedMessage } from "../../shared/ports/queue.ts";
import type { Process } from "./process.ts";
import type { World } from "./world.ts";

const SWEEP_EVERY_MS = 60_000;

export class Host {
  readonly #world: World;
  readonly #isSweeping: boolean;
  readonly #closers: (() => void)[] = [];
  #sweptAt: number;
  #sweepAt: number | undefined;
  #cancelSweep: (() => void) | undefined;

  constructor(world: World, isSweeping: boolean) {
    this.#world = world;
    this.#isSweeping = isSweeping;
    this.#sweptAt = world.memory.clock.now();
  }

  open(): void {
    const { queue } = this.#world.memory;
    this.#closers.push(
      queue.onMessage("work", () => void this.#take("work", (message) => this.#advance(message))),
      queue.onMessage("signals", () => void this.#take("signals", (...batch) => this.#signals(batch))),
    );
  }

  close(): void {
    for (const close of this.#closers) close();
    this.#cancelSweep?.();
  }

  async #take(name: QueueName, handle: (...messages: ReceivedMessage[]) => void): Promise<void> {
    const { memory, random } = this.#world;
    while (!this.#world.isOver) {
      const max = name === "work" ? 1 : random.between(1, 10);
      const messages = await memory.queue.receive(name, { max, waitMs: 0 });
      if (messages.length === 0) return;
      handle(...messages);
    }
  }

  async #advance(message: ReceivedMessage): Promise<void> {
    const process = this.#world.aWorker();
    if (process === undefined) return this.#putBack("work", message);
    const { runId } = JSON.parse(message.body) as { runId: string };
    this.#world.trace(process.name, `gets ${message.body}`);
    const isFirst = this.#world.defects.acknowledgesFirst === true;
    const unspare = this.#spare(process, [message]);
    try {
      if (isFirst) await this.#acknowledge(process, "work", [message]);
      await advance(process.engine, message.body);
      if (!isFirst) await this.#acknowledge(process, "work", [message]);
    } catch (error) {
      this.#failed(process, runId, error);
      return this.#putBack("work", message);
    } finally {
      unspare();
    }
    this.#world.cover.check(runId);
  }

  async #signals(batch: ReceivedMessage[]): Promise<void> {
    const world = this.#world;
    const process = world.aWorker();
    if (process === undefined) return this.#putBackAll(batch);
    world.trace(process.name, `gets signals ${batch.map(({ body }) => body).join(" ")}`);
    let failed: string[] = [];
    const { runs } = world.checker;
    const before = new Map([...runs].map(([runId, { state }]) => [runId, state.redrives]));
    const unspare = this.#spare(process, batch);
    const answer = await world.answered(process, async () => {
      if (world.defects.acknowledgesFirst) await this.#acknowledge(process, "signals", batch);
      failed = await receiveSignals(
        process.engine,
        batch.map(({ messageId, body }) => ({ id: messageId, body })),
      );
      const taken = batch.filter(({ messageId }) => !failed.includes(messageId));
      this.#areStored(taken, before);
      await this.#acknowledge(process, "signals", taken);
    });
    unspare();
    if (answer === "silence") return;
    if (answer !== "done") this.#failed(process, "?", answer);
    const again = batch.filter(({ messageId }) => answer !== "done" || failed.includes(messageId));
    await this.#putBackAll(again);
    for (const { group } of batch) world.cover.check(group!);
  }

  /** A queue gives a message up after so many tries: whatever has hit the others, nothing hits the last. */
  #spare({ name }: Process, messages: readonly ReceivedMessage[]): () => void {
    const { spared } = this.#world.plan;
    if (messages.every(({ receiveCount }) => receiveCount < RECEIVES_MAX - 1)) return () => {};
    spared.add(name);
    return () => spared.delete(name);
  }

  /** A signal is acknowledged only when it is in the journal, or never can be. */
  #areStored(taken: readonly ReceivedMessage[], before: ReadonlyMap<string, number>): void {
    const { checker } = this.#world;
    for (const { body } of taken) {
      const { runId, signalId } = JSON.parse(body) as { runId: string; signalId: string };
      const run = checker.runs.get(runId);
      // It was finished when it was looked at, and is redriven since.
      const isTooLate = run !== undefined && run.state.redrives > (before.get(runId) ?? 0);
      if (run?.state.finished !== undefined || isTooLate) continue;
      if (run !== undefined && !run.state.signals.has(signalId))
        checker.violate("J6", runId, `Signal ${signalId} is acknowledged, and not in the journal`);
    }
  }

  async #acknowledge(process: Process, name: QueueName, messages: readonly ReceivedMessage[]): Promise<void> {
    if (messages.length === 0) return;
    await process.engine.queue.acknowledge(
      name,
      messages.map(({ receipt }) => receipt),
    );
  }

  #failed(process: Process, runId: string, error: unknown): void {
    this.#world.trace(process.name, `FAILS: ${String(error)}`);
    if (!process.expects(error) && !this.#world.isOver)
      this.#world.checker.violate("errors", runId, `${process.name}: ${(error as Error).stack}`);
  }

  async #putBackAll(messages: readonly ReceivedMessage[]): Promise<void> {
    for (const message of messages) await this.#putBack("signals", message);
  }

  async #putBack(name: QueueName, { receipt }: ReceivedMessage): Promise<void> {
    await this.#world.memory.queue.release(name, receipt, this.#world.random.between(100, 10_000));
  }

  /** The rule invokes the sweep every minute; those times at which nothing is due are left out. */
  armSweep(): void {
    if (!this.#isSweeping || this.#world.isOver) return;
    const { memory, checker, profile } = this.#world;
    const dueAt = Math.min(...[...checker.runs.values()].map((run) => run.dueAt ?? Number.POSITIVE_INFINITY));
    const at = Math.max(this.#sweptAt + SWEEP_EVERY_MS, dueAt + profile.skewMs);
    if (at === this.#sweepAt) return;
    this.#sweepAt = at;
    this.#cancelSweep?.();
    if (at < Number.POSITIVE_INFINITY)
      this.#cancelSweep = memory.clock.after(at - memory.clock.now(), () => void this.#sweep());
  }

  async #sweep(): Promise<void> {
    this.#sweptAt = this.#world.memory.clock.now();
    this.armSweep();
    const process = this.#world.aWorker();
    if (process === undefined) return;
    const answer = await this.#world.answered(process, () => sweep(process.engine), 30_000);
    if (answer !== "done" && answer !== "silence") this.#failed(process, "?", answer);
  }
}
