/**
 * Status changes for the outside: published once the entry that made them is stored (J5), each with an id of its own.
 *
 * 1. What a run ends as is owed: it leaves the due index only when that is published (J10), so it is at least once.
 * 2. Any other change is published by whoever stored it. A process that dies in that moment leaves a header that shows
 *    an older status: whoever finds it so tells the latest one, under the same id. What was before that is not made
 *    up for, and a failure of the bus is logged. So none costs a write.
 * 3. A pause is announced by whoever asked for it, not by the leg that it stops.
 */
import { toRunError } from "../core/errors.ts";
import type { RunStatus } from "../core/events.ts";
import { digest } from "../core/ids.ts";
import { type RunState, statusOf } from "../core/state.ts";
import type { StatusChange } from "../ports/publisher.ts";
import type { Engine } from "./settings.ts";

type Told = Pick<StatusChange, "status" | "previous" | "at" | "revision">;
type Telling = Pick<Engine, "publisher" | "log">;

/** Announces the status that a stored entry has brought, if it is another and not an end. */
export async function announce(engine: Telling, state: RunState, previous: RunStatus): Promise<void> {
  const status = statusOf(state);
  if (status === previous) return;
  await tell(engine, state, { status, previous, at: state.at, revision: state.sequence });
}

/** Announces the present status as it was announced first, by a process that may have died over it. */
export async function announceAgain(engine: Telling, state: RunState): Promise<void> {
  const { sequence: revision, ...became } = state.became;
  if (revision > 0) await tell(engine, state, { ...became, revision });
}

async function tell(engine: Telling, state: RunState, told: Told): Promise<void> {
  const { status } = told;
  if (state.finished !== undefined || !engine.publisher.tells(status)) return;
  const change = changeOf(state, told);
  try {
    await engine.publisher.publish([change]);
  } catch (error) {
    engine.log.warn("A change of a run's status was not published.", {
      runId: state.runId,
      status,
      error: toRunError(error, "Error"),
    });
  }
}

/** Announces a run's end. Throws what the port throws: it is owed. */
export async function announceEnd(engine: Telling, state: RunState): Promise<void> {
  const { status, at, sequence, error } = state.finished!;
  if (!engine.publisher.tells(status)) return;
  const change = changeOf(state, { status, at, revision: sequence });
  if (error !== undefined) change.error = error.code;
  await engine.publisher.publish([change]);
}

/** A leg's announcements: they hold nothing up, and are awaited at its end. */
export class Announcer {
  readonly #engine: Telling;
  readonly #under = new Set<Promise<void>>();
  #told: RunStatus;

  constructor(engine: Telling, state: RunState) {
    this.#engine = engine;
    this.#told = statusOf(state);
  }

  /** After each entry that the leg has stored. */
  stored(state: RunState): void {
    const status = statusOf(state);
    const previous = this.#told;
    this.#told = status;
    if (status === previous || status === "paused") return;
    const telling = announce(this.#engine, state, previous).finally(() => this.#under.delete(telling));
    this.#under.add(telling);
  }

  async settled(): Promise<void> {
    await Promise.all(this.#under);
  }
}

function changeOf(state: RunState, change: Told): StatusChange {
  const { runId, inc, created } = state;
  const whole: StatusChange = {
    id: digest("status", inc, change.revision),
    runId,
    workflow: created.workflow,
    version: created.version,
    ...change,
  };
  if (created.owner !== undefined) whole.owner = created.owner;
  if (created.tags !== undefined) whole.tags = created.tags;
  return whole;
}
