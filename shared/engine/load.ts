/**
 * From rows to state, and from payloads to values.
 */
import { StepfoldError } from "../core/errors.ts";
import type { Entry } from "../core/events.ts";
import { applyEntry, fold } from "../core/fold.ts";
import { digest, sha256 } from "../core/ids.ts";
import type { Json, Payload } from "../core/json.ts";
import { INLINE_PAYLOAD_BYTES_MAX } from "../core/limits.ts";
import type { RunKey } from "../ports/journal.ts";
import type { Ports } from "./parts.ts";
import type { Resident } from "./residents.ts";

/** The run as its journal has it, or `undefined` for an unknown one. */
export async function loadRun(
  ports: Ports,
  runId: string,
  options: { consistent?: boolean } = {},
): Promise<Resident | undefined> {
  const first = await ports.journal.read(runId, options);
  if (first === undefined) return undefined;
  const { header, entries } = first;
  for (let { more } = first; more; ) {
    const next = await ports.journal.read(runId, { ...options, after: entries.at(-1)?.sequence ?? -1 });
    if (next === undefined) return undefined;
    entries.push(...next.entries);
    more = next.more && next.entries.length > 0;
  }
  return { header, entries, state: fold(header, entries), effectsDone: new Set() };
}

/** Folds in what came after; answers the entries that were new. */
export async function catchUp(ports: Ports, run: Resident): Promise<Entry[]> {
  const tail = await ports.journal.tail(run.header, run.state.sequence);
  for (const entry of tail) include(run, entry);
  return tail;
}

/** Folds in one entry that another has written. */
export function include(run: Resident, entry: Entry): void {
  applyEntry(run.state, entry);
  run.entries.push(entry);
}

/** `inc` is what a callback's token is signed with: a blob's key, which a URL may show, must not tell it. */
export const blobPrefix = (key: RunKey): string => `runs/${key.runId}/${digest("blobs", key.inc)}/`;

/** The payload to journal for a value: inline, or stored as a blob first. `text` is its JSON. */
export async function payloadOf(ports: Ports, key: RunKey, value: Json, text: string): Promise<Payload> {
  if (text.length * 3 <= INLINE_PAYLOAD_BYTES_MAX || Buffer.byteLength(text) <= INLINE_PAYLOAD_BYTES_MAX)
    return { v: value };
  const bytes = Buffer.from(text);
  const hash = sha256(bytes);
  const blob = `${blobPrefix(key)}${hash}`;
  await ports.blobs.put(blob, bytes);
  return { b: { key: blob, bytes: bytes.byteLength, sha256: hash } };
}

/** Moves a payload that is too large for the journal into a blob. */
export async function externalized(ports: Ports, key: RunKey, payload: Payload): Promise<Payload> {
  return "b" in payload ? payload : payloadOf(ports, key, payload.v, JSON.stringify(payload.v));
}

/** The value of a payload. Throws `BlobDamaged` when the blob is not what the entry named. */
export async function readPayload(
  ports: Pick<Ports, "blobs">,
  payload: Payload | undefined,
): Promise<Json | undefined> {
  if (payload === undefined) return undefined;
  if ("v" in payload) return payload.v;
  const bytes = await ports.blobs.get(payload.b.key);
  const found = sha256(bytes);
  if (found !== payload.b.sha256)
    throw new StepfoldError(
      "BlobDamaged",
      `Expected the blob ${payload.b.key} to have SHA-256 ${payload.b.sha256}, got ${found}.`,
    );
  return JSON.parse(Buffer.from(bytes).toString("utf8")) as Json;
}
