/**
 * A remote workflow: an insurance claim whose steps are done by a runner in Python (`runner.py`).
 *
 * 1. This is all that Stepfold needs to know of it: where its turns go, and what they are signed with.
 * 2. The run is here, its journal, its retries, its sleep and its waiting; the runner keeps nothing.
 */
import { remote } from "stepfold";
import { z } from "zod";

const Claim = z.strictObject({
  id: z.string().min(1),
  damages: z.array(z.strictObject({ what: z.string(), cents: z.int().positive() })).min(1),
  objection: z.string().optional(),
  busy: z.int().optional(),
  slow_seconds: z.number().optional(),
});

export const claim = remote<z.infer<typeof Claim>, { claim: string; paid_cents: number }>("claim", {
  description: "Values a claim, waits for objections and photos, and pays. In Python.",
  file: "examples/claim/runner.py",
  input: Claim,
  url: { env: "CLAIM_RUNNER_URL" },
  secret: { env: "CLAIM_RUNNER_SECRET" },
  maxRetries: 3,
  stepTimeout: "20s",
});
