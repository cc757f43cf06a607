/** The entry module of the test of large maps. */
import { appendFileSync, existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { workflow } from "../../shared/core/workflow.ts";

/** `begun`: a file that each item appends a byte to; `release`: a file that the last item waits for. */
export interface Squares {
  count: number;
  ms: number;
  begun: string;
  release: string;
}

/** Each item takes some time, so that a host can be killed while many are in work. */
export const squares = workflow("squares", (run, input: Squares) =>
  run.map(
    "square",
    Array.from({ length: input.count }, (_, n) => n),
    (item, n) =>
      item.step("square", async () => {
        appendFileSync(input.begun, ".");
        do await sleep(input.ms + (n % 7));
        while (n === input.count - 1 && !existsSync(input.release));
        return n * n;
      }),
    { concurrency: 500 },
  ),
);
