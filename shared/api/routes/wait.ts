/**
 * `Prefer: wait`: it watches the run, and does not run it.
 *
 * Whoever waits for a run that continues as another waits for that one: the answer is the last of the chain, as far
 * as it has come.
 */

import type { Entry } from "../../core/events.ts";
import { applyEntry } from "../../core/fold.ts";
import type { RunState } from "../../core/state.ts";
import { isRedrive, loadOutline, loadRun } from "../../engine/load.ts";
import { forgetTold, settledBy } from "../../engine/residents.ts";
import type { Engine } from "../../engine/settings.ts";
import type { Header } from "../../ports/journal.ts";

/** How often a successor that is about to be is looked for. */
const SUCCESSOR_POLL_MS = 100;

interface Watched {
  state: RunState;
  header?: Header;
}

/** The run once it is finished, or when the seconds are over. Its `state` is given up to this call. */
export async function untilFinished(engine: Engine, run: Watched, seconds: number): Promise<Watched> {
  const until = engine.clock.now() + seconds * 1_000;
  let last = run;
  forgetTold(run.state, run.state.operations.values());
  for (;;) {
    const { state } = last;
    const page = await engine.journal.tail(state, state.sequence);
    if (page.entries.some(isRedrive)) {
      const anew = await loadRun(engine, state.runId, { consistent: true });
      if (anew === undefined) return last;
      last = anew;
      continue;
    }
    for (const entry of page.entries) follow(state, entry);
    if (page.more) continue;
    if (state.continuedTo !== undefined) {
      const next = await successorOf(engine, state, state.continuedTo, until);
      if (next === undefined) return last;
      last = next;
      continue;
    }
    const leftMs = until - engine.clock.now();
    if (state.finished !== undefined || leftMs <= 0) return last;
    await engine.journal.changed(state.runId, state.sequence, leftMs);
  }
}

/** What a replay would need is nothing to who waits for the end: a long run is not held twice. */
const follow = (state: RunState, entry: Entry): void =>
  forgetTold(applyEntry(state, entry), settledBy(state, entry.events));

/** It comes a moment after its predecessor's end, and may have been removed since. */
async function successorOf(
  engine: Engine,
  { runId }: RunState,
  successor: string,
  until: number,
): Promise<Watched | undefined> {
  for (;;) {
    const isMade = (await engine.journal.header(runId, { consistent: true }))?.dueAt === undefined;
    const next = await loadOutline(engine, successor);
    const leftMs = until - engine.clock.now();
    if (next !== undefined || isMade || leftMs <= 0) return next;
    await engine.clock.sleep(Math.min(leftMs, SUCCESSOR_POLL_MS));
  }
}
