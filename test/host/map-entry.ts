/** The entry module of the test of large maps. */
import { setTimeout as sleep } from "node:timers/promises";
import { workflow } from "../../shared/core/workflow.ts";

/** Each item takes some time, so that a host can be killed while many are in work. */
export const squares = workflow("squares", (run, input: { count: number; ms: number }) =>
  run.map(
    "square",
    Array.from({ length: input.count }, (_, n) => n),
    (item, n) =>
      item.step("square", async () => {
        await sleep(input.ms + (n % 7));
        return n * n;
      }),
    { concurrency: 500 },
  ),
);
