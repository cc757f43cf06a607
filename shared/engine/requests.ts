/**
 * Requests with a key of their caller's: each happens once, whatever the run has gone through since. The id that the
 * run keeps of one tells the key from the body, so that the same key with another body is a conflict.
 */
import { StepfoldError } from "../core/errors.ts";
import { digest } from "../core/ids.ts";
import { canonicalJson, type Json } from "../core/json.ts";

/** In no id that is drawn. */
const SEPARATOR = "+";

/** What a write may be bound to: a revision, and the id of a request with a key. */
export interface Conditions {
  ifMatch?: number;
  requestId?: string;
}

/** The id of a request to `path` with this key and body. */
export const requestIdOf = (path: string, key: string, body: Json | undefined): string =>
  `${digest("request", path, key)}${SEPARATOR}${digest(canonicalJson(body))}`;

/** Whether one of `known` is this request. Throws `IdempotencyConflict` if another one has its key. */
export function isRepeated(runId: string, known: Iterable<string>, requestId: string): boolean {
  const key = requestId.slice(0, requestId.indexOf(SEPARATOR) + 1);
  // One without a key is drawn: however many there are, none need be looked through for it.
  if (key === "" && known instanceof Set) return known.has(requestId);
  for (const id of known) {
    if (id === requestId) return true;
    if (key !== "" && id.startsWith(key))
      throw new StepfoldError(
        "IdempotencyConflict",
        "Expected the body that this key was first sent with, got another.",
        { runId },
      );
  }
  return false;
}
