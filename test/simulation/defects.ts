/**
 * Defects, planted from outside of the code that they would be in: each is what an engine without one of the rules
 * would do, made by what stands between it and its ports.
 */
import type { PortsBehind } from "../../shared/adapters/simulated/index.ts";
import { StepfoldError } from "../../shared/core/errors.ts";
import type { Entry, RunEvent } from "../../shared/core/events.ts";
import { isOwners } from "../../shared/core/fold.ts";
import { CLOCK_SKEW_MS } from "../../shared/core/limits.ts";
import type { RunState } from "../../shared/core/state.ts";
import { perform } from "../../shared/engine/effects.ts";
import { eventIsThere, parseWake, type Wake } from "../../shared/engine/wake.ts";
import type { JournalStore } from "../../shared/ports/journal.ts";
import type { OutgoingMessage, Queue } from "../../shared/ports/queue.ts";
import type { Runners } from "../../shared/ports/runners.ts";
import type { Process } from "./process.ts";
import type { Defects } from "./world.ts";

type Append = JournalStore["append"];

/** The journal with another `append`. */
const appending = (ports: PortsBehind, append: Append): PortsBehind => ({
  ...ports,
  journal: bound(ports.journal, { append }),
});

/** A port with some of its methods replaced. */
function bound<Port extends object>(port: Port, own: Partial<Port>): Port {
  return new Proxy(port, {
    get(target, key) {
      const member: unknown = Reflect.get(key in own ? own : target, key);
      return typeof member === "function" ? member.bind(key in own ? own : target) : member;
    },
  });
}

/** The work queue with another way to send wakes. */
const sending = (
  ports: PortsBehind,
  send: (message: OutgoingMessage, wake: Wake) => Promise<void>,
): PortsBehind => {
  const queue: Partial<Queue> = {
    async send(name, messages) {
      if (name === "signals") return ports.queue.send(name, messages);
      for (const message of messages) await send(message, parseWake(message.body)!);
    },
  };
  return { ...ports, queue: bound(ports.queue, queue) };
};

const isClaim = (entry: Entry): boolean => entry.events.some(({ type }) => type === "LegStarted");

/** J6: a message is acknowledged before what it asked for is in the journal. */
export const acknowledgesFirst: Defects = { acknowledgesFirst: true };

export const forgetsOnce: Defects = { forgetsOnce: true };

/** J9: a wake that meets a live lease is dropped, instead of sent again for the lease's end. */
export const dropsAtLease: Defects = {
  ports: (ports, _process, { checker }) =>
    sending(ports, async (message, { runId, at }) => {
      const lease = checker.runs.get(runId)?.state.lease;
      if (at === undefined || at !== (lease?.until ?? 0) + CLOCK_SKEW_MS)
        await ports.queue.send("work", [message]);
    }),
};

/** J8: the wake goes after the append, and names nothing. */
export const wakesAfter: Defects = {
  ports(ports, _process, { checker }) {
    const held = new Map<string, OutgoingMessage>();
    const release = async (runId: string) => {
      const message = held.get(runId);
      held.delete(runId);
      if (message !== undefined) await ports.queue.send("work", [message]);
    };
    const journal: Partial<JournalStore> = {
      async append(key, entry, expiresAt) {
        const result = await ports.journal.append(key, entry, expiresAt);
        if (result.stored) await release(key.runId);
        return result;
      },
      async create(run) {
        const result = await ports.journal.create(run);
        await release(run.runId);
        return result;
      },
    };
    const late = sending(ports, async (message, { event, until: _until, ...wake }) => {
      const run = checker.runs.get(wake.runId);
      const isThere = run !== undefined && eventIsThere(run.state, event);
      if (event === undefined || isThere) await ports.queue.send("work", [message]);
      else held.set(wake.runId, { ...message, body: JSON.stringify(wake) });
    });
    return { ...late, journal: bound(ports.journal, journal) };
  },
};

/** J4: an owner writes on after another's claim. */
export const ignoresClaims: Defects = {
  ports: (ports) =>
    appending(ports, async (key, entry, expiresAt) => {
      let result = await ports.journal.append(key, entry, expiresAt);
      while (!result.stored && !result.own && isOwners(entry) && !isClaim(entry) && isOwners(result.winner))
        result = await ports.journal.append(key, behind(entry, result.winner), expiresAt);
      return result;
    }),
};

/** An outside writer that loses a race goes behind the winner, without deciding again. */
export const overtakes: Defects = {
  ports: (ports) =>
    appending(ports, async (key, entry, expiresAt) => {
      let result = await ports.journal.append(key, entry, expiresAt);
      while (!result.stored && !result.own && entry.usage !== undefined)
        result = await ports.journal.append(key, behind(entry, result.winner), expiresAt);
      return result;
    }),
};

/** What is asked of a driven run is answered, and not stored, or stored twice. */
const told = (times: 0 | 2): Defects => ({
  ports: (ports) =>
    appending(ports, async (key, entry, expiresAt) => {
      const isTold = entry.events.some(
        ({ type }) => type === "StepUpdated" || (times === 2 && type === "Continued"),
      );
      if (isTold && times === 0) return { stored: true };
      const result = await ports.journal.append(key, entry, expiresAt);
      if (isTold && result.stored) {
        const { sequence, nonce } = entry;
        await ports.journal.append(key, { ...entry, sequence: sequence + 1, nonce: `${nonce}2` }, expiresAt);
      }
      return result;
    }),
});
export const forgetsReports = told(0);
export const doublesReports = told(2);

/** Refused, and written all the same. */
export const refusesInVain: Defects = {
  ports: (ports) =>
    appending(ports, async (key, entry, expiresAt) => {
      const result = await ports.journal.append(key, entry, expiresAt);
      if (result.stored && entry.events.some(({ type }) => type === "StepReported"))
        throw new StepfoldError("LeaseLost", "Its lease is over.");
      return result;
    }),
};

/** A worker's clock stands still: no lease is ever over for it. */
export const neverExpires: Defects = {
  ports: (ports, process) => {
    if (!process.name.startsWith("api")) return ports;
    const began = ports.clock.now();
    return { ...ports, clock: bound(ports.clock, { now: () => began }) };
  },
};

const behind = (entry: Entry, winner: Entry): Entry => ({
  ...entry,
  sequence: winner.sequence + 1,
  at: Math.max(entry.at, winner.at),
});

/** J3: a put that is made again takes its own entry for another's. */
export const disownsItself: Defects = {
  ports: (ports) =>
    appending(ports, async (key, entry, expiresAt) => {
      const result = await ports.journal.append(key, entry, expiresAt);
      return result.stored ? result : { ...result, own: false };
    }),
};

/** J5: children are started, and parents told, before the entry that decides it is stored. */
export const actsFirst: Defects = {
  ports: (ports, process, world) =>
    appending(ports, async (key, entry, expiresAt) => {
      const state = world.checker.runs.get(key.runId)?.state;
      if (state !== undefined) await effectsOf(process, state, entry);
      return ports.journal.append(key, entry, expiresAt);
    }),
};

async function effectsOf(process: Process, state: RunState, entry: Entry): Promise<void> {
  const { parent } = state.created;
  for (const event of entry.events) {
    if (event.type === "ChildStarted")
      await perform(process.engine, state, { id: "", kind: "startChild", command: event });
    if (event.type === "RunCompleted" && parent !== undefined) {
      const finished = {
        status: "completed" as const,
        at: entry.at,
        sequence: entry.sequence,
        output: event.output,
      };
      await perform(process.engine, { ...state, finished }, { id: "", kind: "tellParent", ...parent });
    }
  }
}

/** J5: a runner is asked for a turn once more when its answer is stored. */
export const asksAgain: Defects = {
  ports(ports) {
    const asked = new Map<string, Parameters<Runners["ask"]>>();
    const runners: Runners = {
      ask(...question) {
        asked.set(question[1].runId, question);
        return ports.runners.ask(...question);
      },
    };
    const again = appending(ports, async (key, entry, expiresAt) => {
      const result = await ports.journal.append(key, entry, expiresAt);
      const question = asked.get(key.runId);
      const isAnswered = entry.events.some(({ type }) => type === "TurnAnswered");
      if (result.stored && isAnswered && question !== undefined)
        void ports.runners.ask(...question).catch(() => {});
      return result;
    });
    return { ...again, runners };
  },
};

/** J10: a run leaves the due index with its last entry, whatever it still has to do. */
export const leavesEarly: Defects = {
  ports: (ports) =>
    appending(ports, async (key, entry, expiresAt) => {
      const result = await ports.journal.append(key, entry, expiresAt);
      const ending = entry.events.find(({ type }) => type === "RunCompleted" || type === "RunCancelled");
      if (!result.stored || ending === undefined) return result;
      const status = ending.type === "RunCompleted" ? "completed" : "cancelled";
      await ports.journal.project(key, {
        headerSequence: entry.sequence,
        status,
        updatedAt: entry.at,
        dueAt: null,
      });
      return result;
    }),
};

/** J10: an end that could not be published counts as published. */
export const tellsOnce: Defects = {
  ports: (ports) => ({
    ...ports,
    publisher: {
      tells: (status) => ports.publisher.tells(status),
      publish: (changes) => ports.publisher.publish(changes).catch(() => {}),
    },
  }),
};

/** J4: the lease ends with the process's deadline, and no margin is left for clocks that differ. */
export const noMargin: Defects = { settings: { skewMs: 0 } };

/** R5: a run goes on as another, and leaves behind what it was sent and has not read. */
export const leavesSignals: Defects = {
  ports: (ports) => ({
    ...ports,
    journal: bound(ports.journal, {
      create: ({ created: { signals: _left, ...created }, ...run }) =>
        ports.journal.create({ ...run, created }),
    }),
  }),
};

/** R5: a run goes on as another, which is not told that it is to be cancelled. */
export const leavesCancels: Defects = {
  ports: (ports) => ({
    ...ports,
    journal: bound(ports.journal, {
      create: ({ created: { cancel: _left, ...created }, ...run }) =>
        ports.journal.create({ ...run, created }),
    }),
  }),
};

/** J6: of the signals of one batch the first is not stored. */
export const losesSignals: Defects = {
  ports: (ports) =>
    appending(ports, (key, entry, expiresAt) => {
      const signals = entry.events.filter(({ type }) => type === "SignalReceived");
      const events = signals.length > 1 ? entry.events.slice(1) : entry.events;
      return ports.journal.append(key, { ...entry, events }, expiresAt);
    }),
};

/** J6: a caller's cancel is accepted, and not recorded. */
export const ignoresCancels: Defects = {
  ports: (ports) =>
    appending(ports, (key, entry, expiresAt) => {
      const events = entry.events.map((event): RunEvent => {
        if (event.type !== "CancelRequested" || event.by !== undefined) return event;
        return { type: "StatePatched", requestId: event.requestId, patch: { v: {} } };
      });
      return ports.journal.append(key, { ...entry, events }, expiresAt);
    }),
};
