/**
 * Polling: hand a job to a service that does not call back, and look whether it is done.
 *
 * 1. The first value that is neither `undefined` nor `false` ends the poll; a look that throws is made again.
 * 2. Each wait is longer than the one before, and costs nothing.
 */
import { workflow } from "stepfold";
import { z } from "zod";
import { studio } from "./studio.ts";

const Scene = z.strictObject({ scene: z.string().min(1), frames: z.int().positive().default(4) });

export const render = workflow(
  "render",
  { description: "Has a scene rendered, and looks until it is.", input: Scene },
  async (run, { scene, frames }) => {
    const job = await run.step("submit", ({ idempotencyKey }) =>
      studio.submit(scene, frames, idempotencyKey),
    );
    return run.poll("rendered", () => studio.look(job), { every: "30s", backoff: 2, timeout: "1h" });
  },
);
