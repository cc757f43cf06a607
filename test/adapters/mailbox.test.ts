/** Who waits for a letter gets it at its time, wherever the clock's next millisecond falls. */
import { expect, test } from "vitest";
import { type Letter, Mailbox } from "../../shared/adapters/common/mailbox.ts";
import type { Clock } from "../../shared/ports/clock.ts";

const NEVER_MS = 1_000_000;

const letterAt = (visibleAt: number): Letter => ({
  position: 1,
  runId: "r",
  body: "wake",
  sentAt: 0,
  visibleAt,
  receiveCount: 0,
});

/** A clock of which every second look is a millisecond later, and whose timers may fire one too early, as Node's do. */
function tickingClock() {
  let looks = 0;
  let passed = 0;
  const timers = new Set<{ at: number; callback: () => void }>();
  const now = () => passed + (looks++ >> 1);
  const after = (ms: number, callback: () => void) => {
    const timer = { at: now() + ms, callback };
    if (ms < NEVER_MS) timers.add(timer);
    return () => timers.delete(timer);
  };
  const fireNext = (): boolean => {
    const [timer] = [...timers].sort((left, right) => left.at - right.at);
    if (timer === undefined) return false;
    timers.delete(timer);
    passed += Math.max(0, timer.at - 1 - now());
    timer.callback();
    return true;
  };
  const clock: Clock = { now, after, sleep: async () => {}, random: () => 0, id: () => "id" };
  return { clock, fireNext };
}

test.each(Array.from({ length: 24 }, (_, ms) => ms + 1))(
  "a letter for %i ms from now is given",
  async (ms) => {
    const { clock, fireNext } = tickingClock();
    const box = new Mailbox({ clock, visibilityMs: NEVER_MS, onTaken: () => {} });
    let given: Letter[] | undefined;
    void box.receive({ max: 1, waitMs: NEVER_MS }).then((letters) => {
      given = letters;
    });
    box.add([letterAt(ms)]);
    do await new Promise(setImmediate);
    while (given === undefined && fireNext());
    expect(given).toHaveLength(1);
  },
);
