/**
 * Payloads as answers show them: their values, within a budget of bytes, so that no answer outgrows what Lambda may
 * return. What does not fit is `{$blob, bytes}`. For a caller who takes no compressed answers, what counts is how
 * large a value is on the wire (`answer.ts`).
 */
import type { Json, Payload } from "../../core/json.ts";
import { ANSWER_BYTES_MAX, INLINE_OUTPUT_BYTES_MAX } from "../../core/limits.ts";
import { readPayload } from "../../engine/load.ts";
import type { Engine } from "../../engine/settings.ts";
import { wireBytes } from "../answer.ts";

/** The engine of one request. */
export interface Answering extends Engine {
  /** The caller takes no compressed answer. */
  isPlain?: boolean;
}

/** What an answer holds beside its payloads. */
const REST_BYTES = 200_000;

export class Budget {
  readonly #engine: Answering;
  readonly #isPlain: boolean;
  #bytesLeft = INLINE_OUTPUT_BYTES_MAX;
  #wireBytesLeft = ANSWER_BYTES_MAX - REST_BYTES;

  constructor(engine: Answering) {
    this.#engine = engine;
    this.#isPlain = engine.isPlain ?? false;
  }

  /** Whether it is certain to fit. */
  fits(payload: Payload): boolean {
    return "b" in payload ? this.hasRoomFor(payload.b.bytes) : this.#has(JSON.stringify(payload.v));
  }

  /** Whether that many bytes of JSON fit, whatever is in them: on the wire they may be twice as many. */
  hasRoomFor(bytes: number): boolean {
    return bytes <= this.#bytesLeft && (!this.#isPlain || bytes * 2 <= this.#wireBytesLeft);
  }

  /** Takes room for what is no payload; false if there is none. */
  take(value: unknown): boolean {
    const text = JSON.stringify(value) ?? "";
    if (!this.#has(text)) return false;
    this.#spend(text);
    return true;
  }

  /** The payload's value, or where it is read. */
  async show(payload: Payload | undefined): Promise<Json | undefined> {
    if (payload === undefined) return undefined;
    if ("b" in payload && payload.b.bytes > this.#bytesLeft) return this.#link(payload);
    const value = await readPayload(this.#engine, payload);
    const text = JSON.stringify(value) ?? "";
    if ("b" in payload && !this.#has(text)) return this.#link(payload);
    this.#spend(text);
    return value;
  }

  async #link({ b }: Extract<Payload, { b: unknown }>): Promise<Json> {
    return { $blob: await this.#engine.blobs.url(b.key), bytes: b.bytes };
  }

  #has(text: string): boolean {
    return (
      Buffer.byteLength(text) <= this.#bytesLeft && (!this.#isPlain || wireBytes(text) <= this.#wireBytesLeft)
    );
  }

  #spend(text: string): void {
    this.#bytesLeft -= Buffer.byteLength(text);
    if (this.#isPlain) this.#wireBytesLeft -= wireBytes(text);
  }
}

export const iso = (ms: number): string => new Date(ms).toISOString();
export const isoIf = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : iso(ms));
