/**
 * What a driven run does by itself: its gates' and its own time come to an end. No leg runs for it; a wake or the
 * sweep brings it here, and any of them brings its header to where its journal is.
 */

import { runTimedOut } from "../../core/endings.ts";
import { StepfoldError } from "../../core/errors.ts";
import type { GateTimedOut, RunTimedOut } from "../../core/events.ts";
import { dueAtOf, type RunState, wakeAtOf } from "../../core/state.ts";
import { appendOutside } from "../outside.ts";
import type { Engine } from "../settings.ts";

/** Does what is due; answers the run as it is then. */
export async function tend(engine: Engine, state: RunState): Promise<RunState> {
  try {
    return await appendOutside(engine, state.runId, (present) => {
      const events = dueEvents(present, engine.clock.now());
      const changesStatus = events.some(({ type }) => type === "RunTimedOut");
      return { events, wake: undefined, changesStatus };
    });
  } catch (error) {
    // It was removed just now.
    if (error instanceof StepfoldError && error.code === "RunNotFound") return state;
    throw error;
  }
}

/** In the order of their times, up to the run's own end. */
export function dueEvents(state: RunState, now: number): (GateTimedOut | RunTimedOut)[] {
  if ((wakeAtOf(state) ?? Number.POSITIVE_INFINITY) > now) return [];
  const { deadline = Number.POSITIVE_INFINITY } = state.created;
  const isOver = deadline <= now && state.cancel === undefined;
  const until = isOver ? deadline : now;
  const events: (GateTimedOut | RunTimedOut)[] = [...state.timed.values()]
    .filter((gate) => dueAtOf(gate) <= until)
    .sort((left, right) => dueAtOf(left) - dueAtOf(right))
    .map(({ id }) => ({ type: "GateTimedOut", operation: id }));
  if (isOver) events.push({ type: "RunTimedOut", error: runTimedOut() });
  return events;
}
