/** The promises of `shared/ports/registers.ts`, asked of any adapter. */
import { expect } from "vitest";
import { REGISTER_BYTES_MAX } from "../../shared/core/limits.ts";
import { costOf, declareSuite, type Opened, type SuiteOptions } from "../support/ports.ts";

type Port = Opened<"registers">;

/** `open` gives an empty store. */
export function registersSuite(name: string, open: () => Promise<Port>, options: SuiteOptions = {}): void {
  declareSuite(`registers: ${name}`, open, options, (test) => {
    test("a value comes back with its revision, as it was put", async ({ registers }) => {
      expect(await registers.get("nightly")).toBeUndefined();
      const value = { at: 1, current: { runId: "r", request: { input: ["ü", null, 1.5] } } };
      expect(await registers.put("nightly", value, 0)).toBe(true);
      value.at = 2;
      expect(await registers.get("nightly")).toEqual({ value: { ...value, at: 1 }, revision: 1 });
      expect(await registers.put("nightly", "text", 1)).toBe(true);
      expect(await registers.get("nightly")).toEqual({ value: "text", revision: 2 });
      expect(await registers.get("other")).toBeUndefined();
    });

    test("of many writers from one revision exactly one succeeds", async ({ registers }) => {
      for (const revision of [0, 1]) {
        const writers = Array.from({ length: 8 }, (_, index) => index);
        const answers = await Promise.all(writers.map((index) => registers.put("n", index, revision)));
        expect(answers.filter((stored) => stored)).toHaveLength(1);
        expect(await registers.get("n")).toEqual({ value: answers.indexOf(true), revision: revision + 1 });
      }
    });

    test("a put from a revision that is not the present one changes nothing", async ({ registers }) => {
      await registers.put("n", "first", 0);
      for (const revision of [0, 2, 7]) expect(await registers.put("n", "other", revision)).toBe(false);
      expect(await registers.put("absent", "other", 1)).toBe(false);
      expect(await registers.get("n")).toEqual({ value: "first", revision: 1 });
      expect(await registers.get("absent")).toBeUndefined();
    });

    test("a value of the largest size is held, a larger one refused", async ({ registers }) => {
      const largest = "x".repeat(REGISTER_BYTES_MAX - 2);
      expect(await registers.put("n", largest, 0)).toBe(true);
      expect((await registers.get("n"))?.value).toBe(largest);
      await expect(registers.put("n", `${largest}x`, 1)).rejects.toMatchObject({ code: "PayloadTooLarge" });
    });

    test("a small value is written for one unit and read for one", async ({ registers, meter }) => {
      expect(await costOf(meter, "writeUnits", () => registers.put("n", { at: 1 }, 0))).toBe(1);
      expect(await costOf(meter, "readUnits", () => registers.get("n"))).toBe(1);
    });
  });
}
