/**
 * From rows to state, and from payloads to values.
 */
import { StepfoldError } from "../core/errors.ts";
import type { Entry } from "../core/events.ts";
import { applyEntry, fold } from "../core/fold.ts";
import { blobPrefix, sha256 } from "../core/ids.ts";
import type { Json, Payload } from "../core/json.ts";
import { INLINE_PAYLOAD_BYTES_MAX } from "../core/limits.ts";
import type { RunState } from "../core/state.ts";
import type { RunKey } from "../ports/journal.ts";
import type { Ports, Reader } from "./parts.ts";
import { forgetTold, letGo, type Resident, settledBy } from "./residents.ts";
import { foldSegments, nothingPacked, PAGES, readUnitsOf } from "./segments.ts";

/** The run as its journal has it, or `undefined` for an unknown one. Pages are folded as they come, and let go. */
export const loadRun = (
  ports: Reader,
  runId: string,
  { consistent = false }: { consistent?: boolean } = {},
): Promise<Resident | undefined> => load(ports, runId, consistent, applyEntry);

/** As `loadRun`, for who shows the run itself: without its history and what its settled operations have given. */
export async function loadOutline(ports: Reader, runId: string): Promise<Resident | undefined> {
  let isCut = false;
  const run = await load(ports, runId, true, (state, entry) => {
    // A redrive cuts the history: this one needs it.
    isCut ||= isRedrive(entry);
    if (isCut) state.sequence = entry.sequence;
    else forgetTold(applyEntry(state, entry), settledBy(state, entry.events));
  });
  if (isCut) return loadRun(ports, runId, { consistent: true });
  if (run !== undefined) letGo(run, run.state.operations.values());
  return run;
}

async function load(
  ports: Reader,
  runId: string,
  consistent: boolean,
  take: (state: RunState, entry: Entry) => void,
): Promise<Resident | undefined> {
  const { head, next } = ports.pages ?? PAGES;
  const first = await ports.journal.read(runId, { consistent, limit: head });
  if (first === undefined) return undefined;
  const { header } = first;
  const state = fold(header, first.entries);
  const run: Resident = {
    header,
    state,
    effectsDone: new Set(),
    hasLetGo: false,
    packed: nothingPacked(),
    reread: 0,
  };
  if (!first.more) return run;
  await foldSegments(ports, run, take);
  const before = readUnitsOf(ports, runId);
  for (let more = true; more; ) {
    const page = await ports.journal.tail(header, state.sequence, { consistent, limit: next });
    for (const entry of page.entries) take(state, entry);
    more = page.more;
  }
  run.reread = Math.max(0, readUnitsOf(ports, runId) - before);
  ports.known?.tell(runId, run.reread);
  return run;
}

/** A run's entries, page by page: for whoever wants to see them, not what they amount to. */
export async function* entriesOf(
  ports: Pick<Ports, "journal">,
  runId: string,
): AsyncGenerator<Entry, void, undefined> {
  const first = await ports.journal.read(runId, { consistent: true });
  if (first === undefined) return;
  yield* first.entries;
  let { more } = first;
  for (let after = first.entries.at(-1)?.sequence ?? -1; more; ) {
    const page = await ports.journal.tail(first.header, after);
    yield* page.entries;
    after = page.entries.at(-1)?.sequence ?? after;
    more = page.more;
  }
}

/** Folds in what came after, all of it; answers the entries that were new. */
export async function catchUp(ports: Reader, run: Resident): Promise<Entry[]> {
  const came: Entry[] = [];
  for (let more = true; more; ) {
    const page = await ports.journal.tail(run.header, run.state.sequence);
    came.push(...page.entries);
    if (isCutShort(run, page.entries)) {
      await reload(ports, run);
      return came;
    }
    for (const entry of page.entries) include(run, entry);
    more = page.more;
  }
  return came;
}

/** A redrive cuts a history of which this process may hold no more than what its code has not gone through. */
const isCutShort = ({ hasLetGo }: Resident, entries: Entry[]): boolean => hasLetGo && entries.some(isRedrive);

export const isRedrive = ({ events }: Entry): boolean => events.some(({ type }) => type === "RunRedriven");

/** Forgets what is in memory for what the journal says. */
async function reload(ports: Reader, run: Resident): Promise<void> {
  const { runId } = run.state;
  const fresh = await loadRun(ports, runId, { consistent: true });
  if (fresh?.header.inc !== run.header.inc)
    throw new StepfoldError("JournalGap", `The run ${runId} was removed just now.`, { runId });
  Object.assign(run, fresh, { execution: undefined });
}

/** Folds in one entry that another has written. */
export function include(run: Resident, entry: Entry): void {
  applyEntry(run.state, entry);
}

/** Whether a value of this JSON is kept in the journal itself. */
export const isInline = (text: string): boolean =>
  text.length * 3 <= INLINE_PAYLOAD_BYTES_MAX || Buffer.byteLength(text) <= INLINE_PAYLOAD_BYTES_MAX;

/** The payload to journal for a value: inline, or stored as a blob first. `text` is its JSON. */
export async function payloadOf(ports: Ports, key: RunKey, value: Json, text: string): Promise<Payload> {
  return isInline(text) ? { v: value } : blobOf(ports, key, text);
}

/** Stores a value's JSON as a blob. */
export async function blobOf(ports: Ports, key: RunKey, text: string): Promise<Payload> {
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

/** A payload of another run's as this run's own: what is removed with the other one must not be missed here. */
export async function ownPayload(ports: Ports, key: RunKey, payload: Payload): Promise<Payload> {
  if ("v" in payload || payload.b.key.startsWith(blobPrefix(key))) return payload;
  const value = await readPayload(ports, payload);
  return value === undefined ? payload : payloadOf(ports, key, value, JSON.stringify(value));
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
