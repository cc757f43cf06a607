/** What the benchmark runs. */
import { workflow } from "stepfold";

/** About 100 bytes of JSON. */
const result = (index: number) => ({ index, ok: true, data: "x".repeat(60), tag: "step-result" });

export const steps = workflow("steps", async (run, input: { steps: number }) => {
  for (let index = 0; index < input.steps; index++) await run.step(`step-${index}`, () => result(index));
  return input.steps;
});

/** When each thousandth step began, as the code saw it: the growth of time per step is in it. */
export const longRun = workflow("long-run", async (run, input: { steps: number; every: number }) => {
  const marks: number[] = [];
  for (let index = 0; index < input.steps; index++) {
    await run.step(`step-${index}`, () => result(index));
    if ((index + 1) % input.every === 0) marks.push(run.now().getTime());
  }
  return marks;
});

export const awaitGo = workflow("await-go", async (run) => run.waitForSignal("go"));

export const nap = workflow("nap", async (run, input: { ms: number }) => {
  const from = run.now().getTime();
  await run.sleep("nap", `${input.ms} ms`);
  return run.now().getTime() - from - input.ms;
});

/** A run of about so many events, which then waits to be woken, for ever. Two events a step: its end, the next. */
export const grown = workflow("grown", async (run, input: { events: number }) => {
  for (let index = 0; index < (input.events - 3) / 2; index++)
    await run.step(`step-${index}`, () => result(index));
  for (;;) await run.waitForSignal("go");
});

/** One small step an item, of a leaf's steps each as long as none other: their results come one at a time. */
export const mapped = workflow("mapped", (run, input: { count: number; checkpoint?: number }) =>
  run.map(
    "item",
    Array.from({ length: input.count }, (_, index) => index),
    (item, index) =>
      item.step("step", async () => {
        await new Promise((resolve) => setTimeout(resolve, 4 * (index % 100)));
        return result(index);
      }),
    input.checkpoint === undefined ? {} : { checkpoint: input.checkpoint },
  ),
);

/** When each thousandth step ended, by the wall and by the processor time that the host had used by then. */
export const longGrowth = workflow("long-growth", async (run, input: { steps: number; every: number }) => {
  const marks: { wallMs: number; cpuMs: number }[] = [];
  for (let index = 1; index <= input.steps; index++) {
    const isMark = index % input.every === 0;
    const { mark } = await run.step(`step-${index}`, () => ({
      ...result(index),
      ...(isMark ? { mark: now() } : {}),
    }));
    if (mark !== undefined) marks.push(mark);
  }
  return marks;
});

function now(): { wallMs: number; cpuMs: number } {
  const { user, system } = process.cpuUsage();
  return { wallMs: performance.now(), cpuMs: (user + system) / 1_000 };
}
