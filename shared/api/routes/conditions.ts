/** What a write is bound to: `If-Match`, and `Idempotency-Key` within its method and path. */
import type { Json } from "../../core/json.ts";
import { type Conditions, requestIdOf } from "../../engine/requests.ts";
import type { ApiRequest } from "../route.ts";

/** `path` holds what tells this request's path from others: every part of it, decoded. */
export function conditionsOf(request: ApiRequest, ...path: string[]): Conditions {
  const { ifMatch, idempotencyKey, body } = request;
  const conditions: Conditions = {};
  if (ifMatch !== undefined) conditions.ifMatch = ifMatch;
  if (idempotencyKey !== undefined)
    conditions.requestId = requestIdOf(JSON.stringify(path), idempotencyKey, (body ?? {}) as Json);
  return conditions;
}
