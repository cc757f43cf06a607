/**
 * Snapshots: a journal's entries packed into segments, so that waking a long run cold reads little.
 *
 * 1. A segment is a copy of entries that are in the journal: nothing is ever true because of one (J1). What is
 *    missing or damaged is read from the entries instead, and packed again.
 * 2. It holds entries, not their fold: a replay needs them anyway, and no data depends on one version of the engine.
 * 3. Segments are chained: each goes on where the one before ends, and none is written again. Entries that are read
 *    with the header in any case (the head) are never packed, so a short run has nothing to do with this.
 * 4. They are written at a park, or with what a driven run is told, once reading the entries at cold wakes has cost what packing them costs: all of a
 *    run's segments never cost more than its reads did. Each claim tells what its process read (`reread`).
 */
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import type { Entry } from "../core/events.ts";
import { sha256 } from "../core/ids.ts";
import { HEAD_ENTRIES, PAGE_ENTRIES_MAX, SEGMENT_BYTES_MAX, WRITE_UNIT_BYTES } from "../core/limits.ts";
import type { RunState } from "../core/state.ts";
import type { Segment } from "../ports/journal.ts";
import { inReadUnits } from "../ports/meter.ts";
import type { Reader } from "./parts.ts";
import type { Resident } from "./residents.ts";
import type { Engine } from "./settings.ts";

export const PAGES = { head: HEAD_ENTRIES, next: PAGE_ENTRIES_MAX };

/** Before the packed bytes: the form's number, and the bytes' checksum. */
const FORM = 1;
const CHECKSUM_BYTES = 32;
const UNPACKED_BYTES_MAX = 256 * 1024 * 1024;
/** Brotli's: half the size of its fast ones, and a third of the time of its best. */
const QUALITY = 6;
/** No entry packs to less, so a park that cannot pay for this much need not look. */
const PACKED_ENTRY_BYTES_MIN = 10;

/** How far a run is packed, and what its reads had cost by then. `tried` is what they had when it did not pay off. */
export interface Packed {
  to: number;
  reread: number;
  tried: number;
}

export const nothingPacked = (): Packed => ({ to: -1, reread: 0, tried: 0 });

/** Takes in what is packed, as far as it goes on from the run's last entry. */
export async function foldSegments(
  ports: Reader,
  run: Resident,
  take: (state: RunState, entry: Entry) => void,
): Promise<void> {
  const { header, state } = run;
  for (let more = true; more; ) {
    const page = await ports.journal.segments(header, state.sequence);
    for (const segment of page.segments) {
      const entries = unpacked(segment);
      if (entries === undefined || segment.from > state.sequence + 1) {
        const { from, to } = segment;
        const why = entries === undefined ? "is damaged" : "does not go on where the last one ended";
        ports.log?.warn(`A segment of the journal ${why}: the entries are read instead.`, {
          runId: state.runId,
          from,
          to,
          sequence: state.sequence,
        });
        return;
      }
      for (const entry of entries) if (entry.sequence > state.sequence) take(state, entry);
      run.packed = { to: state.sequence, reread: state.reread, tried: 0 };
    }
    more = page.more && page.segments.length > 0;
  }
}

/** Packs what is not packed yet, if that pays off by now. Failing changes nothing but the next wake's cost. */
export async function pack(engine: Engine, run: Resident): Promise<void> {
  const { state } = run;
  if (!isWorthTrying(engine, run)) return;
  try {
    await takeInPacked(engine, run);
    if (!isWorthTrying(engine, run)) return;
    const { packed } = run;
    const spent = state.reread - packed.reread;
    const to = await packFrom(engine, run, firstToPack(engine, run), spent);
    run.packed = to === undefined ? { ...packed, tried: spent } : { to, reread: state.reread, tried: 0 };
  } catch (error) {
    engine.log.warn("The run's journal could not be packed; its next cold wake reads the entries.", {
      runId: state.runId,
      error: String(error),
    });
  }
}

const firstToPack = (engine: Engine, { packed }: Resident): number =>
  Math.max(packed.to + 1, (engine.pages ?? PAGES).head);

/** Whether what the reads have cost may be what packing costs. */
function isWorthTrying(engine: Engine, run: Resident): boolean {
  const { state, packed } = run;
  const from = firstToPack(engine, run);
  const spent = state.reread - packed.reread;
  const leastUnits = Math.ceil(((state.sequence - from + 1) * PACKED_ENTRY_BYTES_MIN) / WRITE_UNIT_BYTES);
  if (from > state.sequence || !paysOff(engine, spent, packed.tried * 1.25)) return false;
  return paysOff(engine, spent, inReadUnits(leastUnits));
}

/** What other processes have packed since this one read the run. The account up to now was theirs to settle. */
async function takeInPacked(engine: Engine, run: Resident): Promise<void> {
  for (let more = true; more; ) {
    const page = await engine.journal.segments(run.header, run.packed.to);
    for (const segment of page.segments) {
      if (segment.from > firstToPack(engine, run) || unpacked(segment) === undefined) return;
      run.packed = { to: segment.to, reread: run.state.reread, tried: 0 };
    }
    more = page.more && page.segments.length > 0;
  }
}

/** Answers the last entry that is packed now, or `undefined` if packing does not pay off. */
async function packFrom(
  engine: Engine,
  { state, header }: Resident,
  from: number,
  spent: number,
): Promise<number | undefined> {
  const { next } = engine.pages ?? PAGES;
  let to = from - 1;
  for (let more = true; more; ) {
    const before = readUnitsOf(engine, state.runId);
    const page = await engine.journal.tail(header, to, { consistent: false, limit: next });
    const { entries } = page;
    if (entries.length === 0) break;
    const segments = packedInto(entries);
    if (to < from) {
      const units = segments.reduce(
        (sum, { bytes }) => sum + Math.ceil(bytes.byteLength / WRITE_UNIT_BYTES),
        0,
      );
      const share = entries.length / (state.sequence - to);
      const readUnits = Math.max(0, readUnitsOf(engine, state.runId) - before);
      if (!paysOff(engine, spent * Math.min(1, share), inReadUnits(units) + readUnits)) return undefined;
    }
    for (const segment of segments) await engine.journal.putSegment(header, segment, header.expiresAt);
    to = entries.at(-1)!.sequence;
    more = page.more;
  }
  return to < from ? undefined : to;
}

const paysOff = ({ settings }: Engine, spentReadUnits: number, costReadUnits: number): boolean =>
  spentReadUnits >= settings.packAfter * costReadUnits;

/** What the meter has counted for a run and not handed out yet. */
export const readUnitsOf = ({ meter }: Pick<Reader, "meter">, runId: string): number =>
  meter.pending(runId).readUnits;

/** Segments of these entries, each within an item. */
function packedInto(entries: Entry[]): Segment[] {
  const bytes = packedBytes(entries);
  const [from, to] = [entries[0]!.sequence, entries.at(-1)!.sequence];
  if (bytes.byteLength <= SEGMENT_BYTES_MAX || entries.length === 1) return [{ from, to, bytes }];
  const half = entries.length >> 1;
  return [...packedInto(entries.slice(0, half)), ...packedInto(entries.slice(half))];
}

/** A nonce has done its work once its entry is stored. */
export function packedBytes(entries: readonly Entry[]): Uint8Array {
  const text = JSON.stringify(entries.map(({ nonce: _nonce, ...entry }) => entry));
  const body = brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY } });
  return Buffer.concat([Buffer.from([FORM]), Buffer.from(sha256(body), "hex"), body]);
}

/** A segment's entries, or `undefined` if it is not whole. */
function unpacked({ from, to, bytes }: Segment): Entry[] | undefined {
  const packed = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const body = packed.subarray(1 + CHECKSUM_BYTES);
  const checksum = packed.subarray(1, 1 + CHECKSUM_BYTES).toString("hex");
  if (packed[0] !== FORM || checksum !== sha256(body)) return undefined;
  const text = brotliDecompressSync(body, { maxOutputLength: UNPACKED_BYTES_MAX }).toString("utf8");
  const entries = JSON.parse(text) as Entry[];
  for (const entry of entries) entry.nonce = "";
  const isWhole = entries.length === to - from + 1 && entries[0]?.sequence === from;
  return isWhole ? entries : undefined;
}
