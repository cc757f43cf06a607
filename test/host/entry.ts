/** The entry module that the host's tests serve. */
import { workflow } from "../../shared/core/workflow.ts";

export const echo = workflow("echo", (_run, input: unknown) => input ?? null);

/** Each step appends its name to a file, so that a test sees what ran how often. */
export const slow = workflow("slow", async (run, input: { file: string; steps: number; stepMs: number }) => {
  const { appendFileSync } = await import("node:fs");
  for (let step = 0; step < input.steps; step++) {
    await run.step(`s${step}`, async () => {
      appendFileSync(input.file, `s${step}\n`);
      await new Promise((resolve) => setTimeout(resolve, input.stepMs));
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
