/**
 * Small values by name, each changed only from a revision that its writer has seen: what is to be decided once about
 * things that no run holds, such as which run a schedule has started last.
 *
 * 1. `get` sees whatever `put` was answered true for.
 * 2. Of any number of writers from one revision, exactly one is answered true. A write that had succeeded but whose
 *    answer was lost may be answered false: the writer reads, and finds its own value.
 * 3. Nothing expires. A value is at most `REGISTER_BYTES_MAX` of JSON.
 */
import type { Json } from "../core/json.ts";

export interface Register {
  value: Json;
  /** From 1. */
  revision: number;
}

export interface Registers {
  get(name: string): Promise<Register | undefined>;
  /** Stores `value`, if the register still has `revision`; 0 is that of one that is not there yet. */
  put(name: string, value: Json, revision: number): Promise<boolean>;
}
