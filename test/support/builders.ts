/** Builders for what the ports carry. They need no test runner. */
import type { Entry, RunEvent } from "../../shared/core/events.ts";
import type { Clock } from "../../shared/ports/clock.ts";
import type { NewRun } from "../../shared/ports/journal.ts";

/** Text that hardly compresses, the same for the same seed. */
export function noise(characters: number, seed = 1): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  let state = seed * 2654435769;
  let text = "";
  for (let index = 0; index < characters; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    text += alphabet[(state >>> 9) & 63];
  }
  return text;
}

const DAY_MS = 86_400_000;
let drawn = 0;

/** A run id that no other case uses. */
export const freshRunId = (): string => `run-${process.pid}-${++drawn}`;

export function aNewRun(clock: Clock, change: Partial<NewRun> = {}): NewRun {
  const now = clock.now();
  return {
    runId: freshRunId(),
    inc: clock.id(),
    created: { type: "RunCreated", workflow: "order", version: 1, driver: "code", input: { v: { id: 7 } } },
    createdAt: now,
    requestHash: "3f5a",
    nonce: clock.id(),
    dueAt: now + 60_000,
    expiresAt: Math.ceil(now / 1000) * 1000 + 60 * DAY_MS,
    ...change,
  };
}

export function anEntry(clock: Clock, sequence: number, events: RunEvent[] = [{ type: "LegParked" }]): Entry {
  return { sequence, at: clock.now() + sequence, generation: 1, nonce: clock.id(), events };
}
