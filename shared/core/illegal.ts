/** What the fold throws for an event that the rules of `legality.ts`, or the operation that it names, do not allow. */
import { StepfoldError } from "./errors.ts";

export const illegal = (
  { runId, sequence }: { runId: string; sequence: number },
  type: string,
  where: string,
): StepfoldError =>
  new StepfoldError(
    "IllegalEvent",
    `The journal of run ${runId} holds ${type} ${where} at sequence ${sequence}.`,
    {
      runId,
      type,
      sequence,
    },
  );
