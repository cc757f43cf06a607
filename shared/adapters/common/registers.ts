/** A register's text, and what AWS would bill for it. */
import { StepfoldError } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import {
  ENTRY_OVERHEAD_BYTES,
  READ_UNIT_BYTES,
  REGISTER_BYTES_MAX,
  WRITE_UNIT_BYTES,
} from "../../core/limits.ts";

/** Throws `PayloadTooLarge`. */
export function registerText(name: string, value: Json): string {
  const text = JSON.stringify(value);
  const bytes = Buffer.byteLength(text);
  if (bytes <= REGISTER_BYTES_MAX) return text;
  throw new StepfoldError(
    "PayloadTooLarge",
    `Expected the register ${name} to take at most ${REGISTER_BYTES_MAX} bytes, got ${bytes}.`,
    { name, bytes },
  );
}

const unitsOf = (text: string, unitBytes: number): number =>
  Math.ceil((Buffer.byteLength(text) + ENTRY_OVERHEAD_BYTES) / unitBytes);

export const writeUnitsOf = (text: string): number => unitsOf(text, WRITE_UNIT_BYTES);
export const readUnitsOf = (text: string): number => unitsOf(text, READ_UNIT_BYTES);
