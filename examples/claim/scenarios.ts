/** A claim whose journal is kept; its runner lives no longer than a turn. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Example } from "../triad.ts";
import { answerOnce } from "./runner.ts";
import { claim } from "./workflow.ts";

export const damages = [
  { what: "window", cents: 20_000 },
  { what: "door", cents: 60_000 },
];

export const example: Example = {
  workflows: [claim],
  scenarios: {
    "v1-paid": {
      async play(host) {
        const directory = mkdtempSync(join(tmpdir(), "stepfold-claim-"));
        host.runner(claim, (turn) => answerOnce(turn, join(directory, "ledger.jsonl")));
        const runId = await host.start(claim, { id: "c-1", damages, busy: 1 });
        await host.skip("15 days");
        await host.signal(runId, "photos", { plausible: true });
        await host.skip("1 minute");
        rmSync(directory, { recursive: true, force: true });
        return { runId };
      },
    },
  },
};
