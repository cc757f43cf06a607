/** A list's cursor: the last run that was looked at, in the list's one total order (time of creation, then run id). */
import { StepfoldError } from "./errors.ts";

export interface Place {
  createdAt: number;
  runId: string;
}

/** Any text of this form is a place, whether there is a run or not. `~` needs no encoding in a URL. */
const CURSOR = /^(\d{1,16})~([A-Za-z0-9._:~-]{1,128})$/;

export const formatCursor = ({ createdAt, runId }: Place): string => `${createdAt}~${runId}`;

export function parseCursor(cursor: string): Place {
  const [, createdAt, runId] = CURSOR.exec(cursor) ?? [];
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
