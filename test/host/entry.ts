/** The entry module that the host's tests serve. */
import { appendFileSync, existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { workflow } from "../../shared/core/workflow.ts";

export const echo = workflow("echo", (_run, input: unknown) => input ?? null);

/** `release`: a file that each step waits for, once it has begun. */
interface Slow {
  file: string;
  steps: number;
  stepMs: number;
  release?: string;
}

/** Each step appends its name to a file, so that a test sees what ran how often. */
export const slow = workflow("slow", async (run, input: Slow) => {
  for (let step = 0; step < input.steps; step++) {
    await run.step(`s${step}`, async () => {
      appendFileSync(input.file, `s${step}\n`);
      do await sleep(input.stepMs);
      while (input.release !== undefined && !existsSync(input.release));
    });
  }
  return "done";
});

export const listen = workflow("listen", (run) => run.waitForSignal("go/now"));

export const nap = workflow("nap", async (run, input: { ms: number }) => {
  await run.sleep("nap", `${input.ms} ms`);
  return "rested";
});

/** Its code goes wrong where no run can catch it. */
export const stray = workflow("stray", (run) =>
  run.step("stray", () => {
    void Promise.reject(new Error("nobody waits for this"));
    setTimeout(() => {
      throw new Error("thrown by a timer");
    }, 1);
    return "fine";
  }),
);

export const notAWorkflow = { name: "something else" };
