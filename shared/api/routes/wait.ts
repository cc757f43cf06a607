/** `Prefer: wait`: it watches the run, and does not run it. */
import { applyEntry } from "../../core/fold.ts";
import type { RunState } from "../../core/state.ts";
import type { Engine } from "../../engine/settings.ts";

/** The run once it is finished, or when the seconds are over. `state` is given up to this call. */
export async function untilFinished(
  engine: Engine,
  state: RunState,
  seconds: number,
): Promise<{ state: RunState }> {
  const until = engine.clock.now() + seconds * 1_000;
  for (;;) {
    for (const entry of await engine.journal.tail(state, state.sequence)) applyEntry(state, entry);
    const leftMs = until - engine.clock.now();
    if (state.finished !== undefined || leftMs <= 0) return { state };
    await engine.journal.changed(state.runId, state.sequence, leftMs);
  }
}
