/** Registers in a map, kept by value. */
import type { Json } from "../../core/json.ts";
import type { Meter } from "../../ports/meter.ts";
import type { Register, Registers } from "../../ports/registers.ts";
import { readUnitsOf, registerText, writeUnitsOf } from "../common/registers.ts";

export class MemoryRegisters implements Registers {
  readonly #meter: Meter;
  readonly #registers = new Map<string, { text: string; revision: number }>();

  constructor(meter: Meter) {
    this.#meter = meter;
  }

  async get(name: string): Promise<Register | undefined> {
    const found = this.#registers.get(name);
    this.#meter.count(undefined, "readUnits", readUnitsOf(found?.text ?? ""));
    return found && { value: JSON.parse(found.text) as Json, revision: found.revision };
  }

  async put(name: string, value: Json, revision: number): Promise<boolean> {
    const text = registerText(name, value);
    this.#meter.count(undefined, "writeUnits", writeUnitsOf(text));
    if ((this.#registers.get(name)?.revision ?? 0) !== revision) return false;
    this.#registers.set(name, { text, revision: revision + 1 });
    return true;
  }
}
