/** Errors and texts of any length: they fit into entries, and no run gets stuck on them. */
import { workflow } from "stepfold";
import { testHost } from "stepfold/testing";
import { expect, test } from "vitest";

/** Text that does not get shorter by compression. */
const noise = (length: number, seed: number): string => {
  let state = seed + 1;
  return Array.from({ length }, () => {
    state = (state * 48_271) % 0x7fff_ffff;
    return String.fromCharCode(33 + (state % 90));
  }).join("");
};
const numbers = Array.from({ length: 60 }, (_, n) => n);
const resultOf = async (definition: ReturnType<typeof workflow>, ...more: unknown[]) => {
  const host = testHost({ workflows: [definition, ...more] });
  return host.result(await host.start(definition));
};

test("steps, branches and the run itself may fail with errors of any length", async () => {
  const failing = (n: number) => (): never => {
    throw new Error(noise(300_000, n));
  };
  const definition = workflow("failing", async (run) => {
    const retry = { maxAttempts: 2, initialDelay: 0 };
    const steps = await Promise.allSettled(numbers.map((n) => run.step(`step ${n}`, failing(n), { retry })));
    expect(steps.every(({ status }) => status === "rejected")).toBe(true);
    const branches = Object.fromEntries(numbers.map((n) => [`branch ${n}`, failing(n)]));
    await run
      .any("any", branches)
      .catch((error: unknown) => expect(error).toMatchObject({ code: "AllFailed" }));
    return failing(0)();
  });
  await expect(resultOf(definition)).rejects.toMatchObject({ code: "StepFailed", name: "Error" });
});

test("an error that is its own cause fails its step", async () => {
  const definition = workflow("circular", (run) =>
    run.step("round", () => {
      const error = new Error("round");
      error.cause = error;
      throw error;
    }),
  );
  await expect(resultOf(definition)).rejects.toMatchObject({
    message: "round",
    operation: "round",
    attempts: 3,
  });
});

test("many children at once may each have as much input as lies in an entry", async () => {
  const echo = workflow("echo", (_run, text: string) => text.length);
  const definition = workflow("many", async (run) => {
    const inputs = numbers.map((n) => noise(30_000, n));
    const lengths = await Promise.all(inputs.map((input, n) => run.child(`child ${n}`, echo, input)));
    return lengths.reduce((sum, length) => sum + length, 0);
  });
  expect(await resultOf(definition, echo)).toBe(60 * 30_000);
});

test("a prompt that is too long, or a branch without a proper name, is refused where it is written", async () => {
  const definition = workflow("refused", async (run) => {
    const codes: unknown[] = [];
    const note = (error: { code: string }) => void codes.push(error.code);
    await run.gate("gate", { prompt: "?".repeat(16_001) }).catch(note);
    await run.all("all", { "\ud800": () => 1 }).catch(note);
    await run.race("race", { ["n".repeat(129)]: () => 1 }).catch(note);
    const many = Array.from({ length: 1_001 }, (_, n) => [`b${n}`, () => n]);
    await run.any("any", Object.fromEntries(many)).catch(note);
    return codes;
  });
  expect(await resultOf(definition)).toEqual([
    "InvalidOptions",
    "InvalidName",
    "InvalidName",
    "InvalidOptions",
  ]);
});
