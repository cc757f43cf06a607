/** The promises of `shared/ports/clock.ts`, asked of any adapter. */
import { expect } from "vitest";
import type { Clock } from "../../shared/ports/clock.ts";
import { declareSuite, type SuiteOptions } from "../support/ports.ts";

interface Port {
  clock: Clock;
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
}

export function clockSuite(name: string, open: () => Promise<Port>, options: SuiteOptions = {}): void {
  declareSuite(`clock: ${name}`, open, options, (test) => {
    test("now is in whole milliseconds and goes on", async ({ clock, advance }) => {
      const before = clock.now();
      expect(Number.isInteger(before)).toBe(true);
      await advance(50);
      expect(clock.now() - before).toBeGreaterThanOrEqual(49);
    });

    test("sleep resolves after its time, not before", async ({ clock, advance }) => {
      const begin = clock.now();
      let woke: number | undefined;
      const sleeping = clock.sleep(100).then(() => {
        woke = clock.now();
      });
      await advance(140);
      await sleeping;
      expect(woke! - begin).toBeGreaterThanOrEqual(99);
    });

    test("sleep resolves at once when its signal aborts, or had aborted", async ({ clock }) => {
      const abort = new AbortController();
      const sleeping = clock.sleep(3_600_000, abort.signal);
      abort.abort();
      await sleeping;
      await clock.sleep(3_600_000, abort.signal);
    });

    test("after calls back once, in order of time, unless it is cancelled", async ({ clock, advance }) => {
      const called: string[] = [];
      clock.after(60, () => called.push("third"));
      clock.after(20, () => called.push("first"));
      const cancel = clock.after(30, () => called.push("cancelled"));
      clock.after(40, () => called.push("second"));
      cancel();
      cancel();
      expect(called).toEqual([]);
      await advance(150);
      expect(called).toEqual(["first", "second", "third"]);
    });

    test("a time longer than 2^31 ms is not cut", async ({ clock, advance }) => {
      let called = false;
      const cancel = clock.after(2 ** 31 + 1_000_000, () => {
        called = true;
      });
      await advance(60);
      cancel();
      expect(called).toBe(false);
    });

    test("random is uniform in [0, 1)", async ({ clock }) => {
      const draws = Array.from({ length: 10_000 }, () => clock.random());
      expect(draws.every((draw) => draw >= 0 && draw < 1)).toBe(true);
      const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
      expect(Math.abs(mean - 0.5)).toBeLessThan(0.03);
      expect(new Set(draws.map((draw) => Math.floor(draw * 20))).size).toBe(20);
    });

    test("ids are 22 base64url characters, and all different", async ({ clock }) => {
      const ids = Array.from({ length: 10_000 }, () => clock.id());
      expect(ids.every((id) => /^[A-Za-z0-9_-]{22}$/.test(id))).toBe(true);
      expect(new Set(ids).size).toBe(ids.length);
    });
  });
}
