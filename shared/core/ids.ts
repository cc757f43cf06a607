/**
 * Names derived from other names: the same in every process and on every replay. Pure.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { StepfoldError } from "./errors.ts";
import { NAME_LENGTH_MAX, RUN_ID_LENGTH_MAX } from "./limits.ts";

/** 22 characters of `[A-Za-z0-9_-]` that depend on every part. */
export function digest(...parts: readonly (string | number)[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url").slice(0, 22);
}

export const sha256 = (bytes: string | Uint8Array): string =>
  createHash("sha256").update(bytes).digest("hex");

/** The run that an idempotency key starts; with a scope, another one in each scope. */
export const runIdOfKey = (workflow: string, key: string, scope?: string): string =>
  `k-${digest("key", workflow, key, ...(scope === undefined ? [] : [scope]))}`;

/** Whether a run id looks as if it were derived: nobody may take such a one before its run is there. */
export const isDerivedRunId = (runId: string): boolean => /^[a-z]-[A-Za-z0-9_-]{22}$/.test(runId);

/** The run that a child operation starts: another one after each redrive. */
export const childRunId = (inc: string, operation: string, redrives: number): string =>
  `c-${digest("child", inc, operation, redrives)}`;

/** The run that a child operation starts that nobody waits for: the same after each redrive. */
export const detachedRunId = (inc: string, operation: string, name: string): string =>
  `c-${digest("detached", inc, operation, name)}`;

/** The run that works on a part of a map: the same after each redrive, as long as the items are. */
export const nodeRunId = (inc: string, operation: string, items: string): string =>
  `m-${digest("node", inc, operation, items)}`;

/** The run that a run continues as. */
export const successorRunId = (inc: string): string => `n-${digest("next", inc)}`;

/** Proof of having been given a callback: names the operation, and can be made only by who knows the run's `inc`.
 * After a redrive that asks again it is another one: the old one was for the old question. */
export function callbackToken(runId: string, inc: string, { operation, redrives }: TokenTarget): string {
  const again = redrives === 0 ? [] : [redrives];
  const target = Buffer.from(JSON.stringify([runId, operation, ...again])).toString("base64url");
  return `${target}.${digest("callback", inc, operation, ...again)}`;
}

/** What a token is for: an operation as it was asked for after so many redrives. */
export interface TokenTarget {
  operation: string;
  redrives: number;
}

/** Whether a text is that callback's token, in a time that tells nothing of how much of it is right. */
export function isCallbackToken(given: string, runId: string, inc: string, target: TokenTarget): boolean {
  const [left, right] = [given, callbackToken(runId, inc, target)].map((text) => Buffer.from(text));
  return left!.length === right!.length && timingSafeEqual(left!, right!);
}

/** Which operation a token names, without a proof, or `undefined` for what is no token. */
export function tokenTarget(token: string): (TokenTarget & { runId: string }) | undefined {
  try {
    const [target = ""] = token.split(".");
    const [runId, operation, redrives = 0] = JSON.parse(
      Buffer.from(target, "base64url").toString("utf8"),
    ) as unknown[];
    const isTarget = typeof runId === "string" && typeof operation === "string" && isRunId(runId);
    return isTarget && typeof redrives === "number" ? { runId, operation, redrives } : undefined;
  } catch {
    return undefined;
  }
}

/** Where a run's blobs lie. `inc` is what a callback's token is signed with: a blob's key, which a URL may show, must
 * not tell it. */
export const blobPrefix = ({ runId, inc }: { runId: string; inc: string }): string =>
  `runs/${runId}/${digest("blobs", inc)}/`;

/** What a step's work may hand to other services: the same for each attempt of one step, and for no other step. What
 * was undone so many times and is done again is another thing to the world. */
export const idempotencyKeyOf = (inc: string, operation: string, undone = 0): string =>
  undone === 0 ? digest("step", inc, operation) : digest("step", inc, operation, undone);

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
/** A lone surrogate is no text: it would not come back from storage as it was. */
const isName = (name: unknown): name is string =>
  typeof name === "string" &&
  name.length >= 1 &&
  name.length <= NAME_LENGTH_MAX &&
  !CONTROL.test(name) &&
  name.isWellFormed();

/** Throws `InvalidName` unless `name` is 1–128 characters without control characters. */
export function checkName(name: unknown, what: string): string {
  if (isName(name)) return name;
  throw new StepfoldError(
    "InvalidName",
    `Expected ${what} to be 1–${NAME_LENGTH_MAX} characters without control characters, got ${typeof name === "string" ? JSON.stringify(name.slice(0, 200)) : typeof name}.`,
  );
}

/** `bulk` is a path of the API, and so no run's id; nor are the dots that every client takes out of paths. */
const NO_RUN_IDS = ["bulk", ".", ".."];
export const isRunId = (runId: string): boolean =>
  runId.length <= RUN_ID_LENGTH_MAX && !NO_RUN_IDS.includes(runId) && /^[A-Za-z0-9._:~-]+$/.test(runId);
