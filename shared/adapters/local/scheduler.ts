/**
 * One-off schedules as rows, with one timer for the next. A schedule fires by becoming a message of the work queue in
 * one transaction: neither lost nor doubled by a crash. What was due while the process was down fires at its start.
 */
import type { StatementSync } from "node:sqlite";
import type { Clock } from "../../ports/clock.ts";
import type { Meter } from "../../ports/meter.ts";
import type { Schedule, Scheduler } from "../../ports/scheduler.ts";
import { assertScheduleName, scheduleConflict } from "../common/schedules.ts";
import type { LocalQueue } from "./queue.ts";
import type { Store } from "./store.ts";

const FIRED_TOGETHER_MAX = 500;
const RETRY_MS = 1_000;

interface ScheduleColumns {
  name: string;
  run_id: string;
  at: number;
  body: string;
}

export class LocalScheduler implements Scheduler {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #queue: LocalQueue;
  readonly #get: StatementSync;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #due: StatementSync;
  readonly #next: StatementSync;
  #armedFor = Number.POSITIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;
  #isClosed = false;

  constructor(store: Store, clock: Clock, meter: Meter, queue: LocalQueue) {
    this.#store = store;
    this.#clock = clock;
    this.#meter = meter;
    this.#queue = queue;
    this.#get = store.statement("SELECT at, body FROM schedules WHERE name = ?");
    this.#insert = store.statement("INSERT INTO schedules (name, run_id, at, body) VALUES (?, ?, ?, ?)");
    this.#delete = store.statement("DELETE FROM schedules WHERE name = ?");
    this.#due = store.statement(
      "SELECT name, run_id, at, body FROM schedules WHERE at <= ? ORDER BY at LIMIT ?",
    );
    this.#next = store.statement("SELECT min(at) AS at FROM schedules");
    this.#armForNext();
  }

  async schedule(schedule: Schedule): Promise<void> {
    assertScheduleName(schedule);
    const { name, runId, at, body } = schedule;
    this.#meter.count(runId, "schedules", 1);
    await this.#store.write(() => {
      const existing = this.#get.get(name) as unknown as { at: number; body: string } | undefined;
      const conflict =
        existing === undefined ? undefined : scheduleConflict(existing, { name, runId, at, body });
      if (conflict !== undefined) throw conflict;
      if (existing === undefined) this.#insert.run(name, runId, at, body);
    });
    this.#arm(at);
  }

  async unschedule(name: string, _runId: string): Promise<void> {
    await this.#store.write(() => this.#delete.run(name));
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTimer?.();
  }

  #armForNext(): void {
    const next = this.#store.read(() => this.#next.get())?.at;
    if (next !== null && next !== undefined) this.#arm(Number(next));
  }

  #arm(at: number): void {
    if (this.#isClosed || at >= this.#armedFor) return;
    this.#cancelTimer?.();
    this.#armedFor = at;
    this.#cancelTimer = this.#clock.after(Math.max(0, at - this.#clock.now()), () => void this.#fire());
  }

  async #fire(): Promise<void> {
    this.#armedFor = Number.POSITIVE_INFINITY;
    try {
      const letters = await this.#store.write(() => {
        const due = this.#due.all(this.#clock.now(), FIRED_TOGETHER_MAX) as unknown as ScheduleColumns[];
        for (const { name } of due) this.#delete.run(name);
        return this.#queue.insert(
          "work",
          due.map(({ run_id, body }) => ({ runId: run_id, body })),
        );
      });
      this.#queue.announce("work", letters);
      if (!this.#isClosed) this.#armForNext();
    } catch {
      // Nothing was moved: what is due stays due, and is tried again.
      this.#arm(this.#clock.now() + RETRY_MS);
    }
  }
}
