/**
 * The journal's conditions, as sentences, and the header's updates that stand under them. Pure.
 *
 * 1. Every update of a header is for one incarnation only.
 * 2. `headerSequence` only grows (J1): an update that sets it stands under `HEADER_IS_BEHIND`.
 */
import type { Projection, RunKey } from "../../ports/journal.ts";
import { ATTRIBUTE as a, expirySeconds, type Item, number, text, usageText } from "./items.ts";
import type { Condition } from "./table.ts";

export type Update = Condition & { update: string };

const RUN_IS_ABSENT_OR_EXPIRED = "attribute_not_exists(PK) OR #ttl <= :now";
const POSITION_IS_FREE = "attribute_not_exists(PK)";
const ITEM_EXISTS = "attribute_exists(PK)";
const EXPIRES_EARLIER = "#ttl < :ttl";
const IS_THIS_INCARNATION = `${a.inc} = :inc`;
const HEADER_IS_BEHIND = `${a.headerSequence} < :sequence`;
const IS_IN_DUE_INDEX = `attribute_exists(${a.dueAt})`;
const IS_DUE_AS_EXPECTED = `${a.dueAt} = :from`;
const TTL_NAME = { "#ttl": a.ttl };

export const positionIsFree: Condition = { condition: POSITION_IS_FREE };

export const runIsAbsentOrExpired = (now: number): Condition => ({
  condition: RUN_IS_ABSENT_OR_EXPIRED,
  names: TTL_NAME,
  values: { ":now": number(Math.floor(now / 1000)) },
});

export const isThisIncarnation = ({ inc }: RunKey): Condition => ({
  condition: IS_THIS_INCARNATION,
  values: { ":inc": text(inc) },
});

export function projectionUpdate({ inc }: RunKey, projection: Projection): Update {
  const set: Item = {
    [a.headerSequence]: number(projection.headerSequence),
    [a.status]: text(projection.status),
    [a.updatedAt]: number(projection.updatedAt),
  };
  const remove: string[] = [];
  if (projection.startedAt !== undefined) set[a.startedAt] = number(projection.startedAt);
  for (const name of ["stalled", "cancelRequested"] as const) {
    if (projection[name] === true) set[a[name]] = { BOOL: true };
    if (projection[name] === false) remove.push(a[name]);
  }
  if (projection.usage !== undefined) set[a.usage] = text(usageText(projection.usage));
  for (const name of ["dueAt", "wakeAt", "finishedAt"] as const) {
    const value = projection[name];
    if (value === null) remove.push(a[name]);
    else if (value !== undefined) set[a[name]] = number(value);
  }
  return updateOf(set, remove, [IS_THIS_INCARNATION, HEADER_IS_BEHIND], {
    ":inc": text(inc),
    ":sequence": number(projection.headerSequence),
  });
}

/** Moves `dueAt`; with `sequence` only a header that is behind it, which is lifted to it. */
export function rescheduleUpdate(
  { inc }: RunKey,
  { dueAt, from, sequence }: { dueAt: number; from?: number; sequence?: number },
): Update {
  const set: Item = { [a.dueAt]: number(dueAt) };
  const conditions = [IS_THIS_INCARNATION, IS_IN_DUE_INDEX];
  const values: Item = { ":inc": text(inc) };
  if (from !== undefined) {
    conditions.push(IS_DUE_AS_EXPECTED);
    values[":from"] = number(from);
  }
  if (sequence !== undefined) {
    set[a.headerSequence] = number(sequence);
    conditions.push(HEADER_IS_BEHIND);
    values[":sequence"] = number(sequence);
  }
  return updateOf(set, [], conditions, values);
}

/** Moves an item's expiry, later only. */
export const entryExpiryUpdate = (expiresAt: number): Update => expiryUpdate(expiresAt, ITEM_EXISTS, {});
export const headerExpiryUpdate = ({ inc }: RunKey, expiresAt: number): Update =>
  expiryUpdate(expiresAt, IS_THIS_INCARNATION, { ":inc": text(inc) });

const expiryUpdate = (expiresAt: number, condition: string, values: Item): Update => ({
  update: "SET #ttl = :ttl",
  condition: `${condition} AND ${EXPIRES_EARLIER}`,
  names: TTL_NAME,
  values: { ...values, ":ttl": number(expirySeconds(expiresAt)) },
});

function updateOf(set: Item, remove: string[], conditions: string[], values: Item): Update {
  const assignments = Object.keys(set).map((name) => `${name} = :${name}`);
  const removals = remove.length === 0 ? "" : ` REMOVE ${remove.join(", ")}`;
  const setValues = Object.fromEntries(Object.entries(set).map(([name, value]) => [`:${name}`, value]));
  return {
    update: `SET ${assignments.join(", ")}${removals}`,
    condition: conditions.join(" AND "),
    values: { ...setValues, ...values },
  };
}
