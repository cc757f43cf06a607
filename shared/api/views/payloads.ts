/**
 * Payloads as answers show them: their values, within a budget of bytes, so that no answer outgrows what Lambda may
 * return. What does not fit is `{$blob, bytes}`.
 */
import type { Json, Payload } from "../../core/json.ts";
import { INLINE_OUTPUT_BYTES_MAX } from "../../core/limits.ts";
import { readPayload } from "../../engine/load.ts";
import type { Engine } from "../../engine/settings.ts";

export class Budget {
  readonly #engine: Engine;
  bytesLeft: number;

  constructor(engine: Engine, bytes = INLINE_OUTPUT_BYTES_MAX) {
    this.#engine = engine;
    this.bytesLeft = bytes;
  }

  fits(payload: Payload): boolean {
    return bytesOf(payload) <= this.bytesLeft;
  }

  /** The payload's value, or where it is read. */
  async show(payload: Payload | undefined): Promise<Json | undefined> {
    if (payload === undefined) return undefined;
    if ("b" in payload && !this.fits(payload)) {
      return { $blob: await this.#engine.blobs.url(payload.b.key), bytes: payload.b.bytes };
    }
    this.bytesLeft -= bytesOf(payload);
    return readPayload(this.#engine, payload);
  }
}

const bytesOf = (payload: Payload): number =>
  "b" in payload ? payload.b.bytes : JSON.stringify(payload.v).length;

export const iso = (ms: number): string => new Date(ms).toISOString();
export const isoIf = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : iso(ms));
