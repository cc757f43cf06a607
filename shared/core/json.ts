/**
 * What may be stored: JSON values, and the wrapper that keeps a large one out of the journal.
 *
 * A payload is inline (`{ v }`) or a reference to a blob (`{ b }`) that was stored, with its checksum, before
 * the entry that names it. `undefined` is an absent payload. Nothing here does I/O.
 */
import { StepfoldError, toRunError } from "./errors.ts";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** Where a large payload lies: `key` in the blob store, its length in bytes, and the SHA-256 of its JSON text. */
export interface BlobRef {
  key: string;
  bytes: number;
  sha256: string;
}

export type Payload = { v: Json } | { b: BlobRef };

/** The JSON that `value` becomes when stored, or `undefined` for an absent value.
 * Throws `NotSerializable`, naming the path, for BigInt, functions, symbols and cycles. */
export function toJson(value: unknown, what: string): Json | undefined {
  if (value === undefined) return undefined;
  const text = jsonText(value, what);
  return text === undefined ? undefined : (JSON.parse(text) as Json);
}

/** As `toJson`, but the JSON text itself. */
export function jsonText(value: unknown, what: string): string | undefined {
  if (typeof value === "function" || typeof value === "symbol") throw notSerializable(what, typeof value, "");
  try {
    return JSON.stringify(value, (_key, inner: unknown) => {
      if (typeof inner === "function" || typeof inner === "symbol" || typeof inner === "bigint")
        throw new Unserializable();
      return inner;
    });
  } catch (cause) {
    const found = foundIn(value);
    if (found) throw notSerializable(what, found.kind, found.path);
    throw new StepfoldError(
      "NotSerializable",
      `Expected ${what} to be JSON, got a value of which none can be made: ${toRunError(cause).message}`,
    );
  }
}

class Unserializable extends Error {}

function notSerializable(what: string, kind: string, path: string): StepfoldError {
  const where = path === "" ? "" : ` at ${path}`;
  return new StepfoldError(
    "NotSerializable",
    `Expected ${what} to be JSON, got a ${kind}${where}. Return plain data: strings, numbers, booleans, null, arrays, objects.`,
    { kind, path },
  );
}

/** Undefined also where it cannot be looked at: too deep, or a getter that throws. */
function foundIn(value: unknown): { kind: string; path: string } | undefined {
  try {
    return findUnserializable(value, "", new Set());
  } catch {
    return undefined;
  }
}

function findUnserializable(
  value: unknown,
  path: string,
  above: Set<unknown>,
): { kind: string; path: string } | undefined {
  if (typeof value === "function" || typeof value === "symbol" || typeof value === "bigint")
    return { kind: typeof value, path };
  if (typeof value !== "object" || value === null) return undefined;
  if (above.has(value)) return { kind: "cycle", path };
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") return undefined;
  above.add(value);
  for (const [key, inner] of Object.entries(value)) {
    const found = findUnserializable(inner, path === "" ? key : `${path}.${key}`, above);
    if (found) return found;
  }
  above.delete(value);
  return undefined;
}

/** JSON text with object keys sorted: equal values give equal text, whatever order they were written in. */
export function canonicalJson(value: Json | undefined): string {
  if (value === undefined) return "";
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`).join(",")}}`;
}

/** A copy of a JSON value. */
export function copyOf<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf) as T;
  const copy: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    if (key === "__proto__")
      Object.defineProperty(copy, key, {
        value: copyOf(inner),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    else copy[key] = copyOf(inner);
  }
  return copy as T;
}
