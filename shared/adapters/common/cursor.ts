/** A list's cursor: the last run that was looked at, in the list's one total order (time of creation, then run id). */
import { StepfoldError } from "../../core/errors.ts";

export interface Place {
  createdAt: number;
  runId: string;
}

export const formatCursor = ({ createdAt, runId }: Place): string =>
  Buffer.from(`${createdAt}~${runId}`).toString("base64url");

export function parseCursor(cursor: string): Place {
  const [, createdAt, runId] = /^(\d{1,16})~(.+)$/s.exec(Buffer.from(cursor, "base64url").toString()) ?? [];
  if (createdAt !== undefined && runId !== undefined) return { createdAt: Number(createdAt), runId };
  throw new StepfoldError(
    "InvalidInput",
    `Expected a cursor that an earlier page gave, got "${cursor.slice(0, 100)}".`,
    {
      paths: ["cursor"],
    },
  );
}

/** Run ids are compared by code unit, as SQLite and DynamoDB compare them. */
export function comparePlaces(left: Place, right: Place): number {
  if (left.createdAt !== right.createdAt) return left.createdAt - right.createdAt;
  return left.runId < right.runId ? -1 : left.runId > right.runId ? 1 : 0;
}
