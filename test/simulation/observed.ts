/** The ports with an ear: what takes effect behind the faults, and what a process asks for in front of them. */
import type { PortsBehind } from "../../shared/adapters/simulated/index.ts";
import { isOwners } from "../../shared/core/fold.ts";
import { parseWake } from "../../shared/engine/wake.ts";
import type { JournalStore } from "../../shared/ports/journal.ts";
import type { Publisher } from "../../shared/ports/publisher.ts";
import type { Queue } from "../../shared/ports/queue.ts";
import type { Checker } from "./checker.ts";
import type { Process } from "./process.ts";

/** Tells the checker what has taken effect. */
export function observedJournal(journal: JournalStore, process: Process, checker: Checker): JournalStore {
  return {
    async create(run) {
      checker.creating(run);
      const result = await journal.create(run);
      if (result.created) checker.created(run);
      return result;
    },
    async append(key, entry, expiresAt) {
      const result = await journal.append(key, entry, expiresAt);
      if (result.stored) checker.appended(process, key, entry);
      else if (isOwners(entry) && isOwners(result.winner) && !result.own) process.comesTooLate();
      return result;
    },
    async project(key, projection) {
      const isDone = await journal.project(key, projection);
      if (!isDone) return false;
      checker.projected(key, projection);
      checker.moved(key, projection.dueAt, projection.headerSequence);
      return isDone;
    },
    async reschedule(key, change) {
      const isDone = await journal.reschedule(key, change);
      if (isDone) checker.moved(key, change.dueAt);
      return isDone;
    },
    async extend(key, expiresAt) {
      await journal.extend(key, expiresAt);
      checker.extended(key, expiresAt);
    },
    read: (runId, options) => journal.read(runId, options),
    tail: (key, after, options) => journal.tail(key, after, options),
    putSegment: (key, segment, expiresAt) => journal.putSegment(key, segment, expiresAt),
    segments: (key, after) => journal.segments(key, after),
    header: (runId, options) => journal.header(runId, options),
    list: (query) => journal.list(query),
    due: (before, limit) => journal.due(before, limit),
    remove: (key) => journal.remove(key),
    changed: (runId, after, withinMs) => journal.changed(runId, after, withinMs),
  };
}

/** Tells the checker what is published. */
export const observedPublisher = (publisher: Publisher, checker: Checker): Publisher => ({
  tells: (status) => publisher.tells(status),
  publish: (changes) => {
    for (const { runId, revision } of changes) checker.published(runId, revision);
    return publisher.publish(changes);
  },
});

/** Tells the checker which wakes have been sent, those too that the queue has lost. */
export function observedWakes(ports: PortsBehind, checker: Checker): PortsBehind {
  const heard = (body: string) => {
    const wake = parseWake(body);
    if (wake !== undefined) checker.woken(wake);
  };
  const { queue, scheduler } = ports;
  const observed: Queue = {
    async send(name, messages) {
      await queue.send(name, messages);
      if (name === "work") for (const { body } of messages) heard(body);
    },
    receive: (name, options) => queue.receive(name, options),
    acknowledge: (name, receipts) => queue.acknowledge(name, receipts),
    release: (name, receipt, delayMs) => queue.release(name, receipt, delayMs),
  };
  return {
    ...ports,
    queue: observed,
    scheduler: {
      async schedule(schedule) {
        await scheduler.schedule(schedule);
        heard(schedule.body);
      },
      unschedule: (name, runId) => scheduler.unschedule(name, runId),
    },
  };
}
