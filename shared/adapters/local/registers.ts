/** Registers in the data file. */
import type { StatementSync } from "node:sqlite";
import type { Json } from "../../core/json.ts";
import type { Meter } from "../../ports/meter.ts";
import type { Register, Registers } from "../../ports/registers.ts";
import { readUnitsOf, registerText, writeUnitsOf } from "../common/registers.ts";
import type { Store } from "./store.ts";

export class LocalRegisters implements Registers {
  readonly #store: Store;
  readonly #meter: Meter;
  readonly #get: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;

  constructor(store: Store, meter: Meter) {
    this.#store = store;
    this.#meter = meter;
    this.#get = store.statement("SELECT value, revision FROM registers WHERE name = ?");
    this.#insert = store.statement(
      "INSERT INTO registers (name, value, revision) VALUES (?, ?, 1) ON CONFLICT DO NOTHING",
    );
    this.#update = store.statement(
      "UPDATE registers SET value = ?, revision = revision + 1 WHERE name = ? AND revision = ?",
    );
  }

  async get(name: string): Promise<Register | undefined> {
    const row = this.#store.read(() => this.#get.get(name)) as
      | { value: string; revision: number }
      | undefined;
    this.#meter.count(undefined, "readUnits", readUnitsOf(row?.value ?? ""));
    return row && { value: JSON.parse(row.value) as Json, revision: row.revision };
  }

  async put(name: string, value: Json, revision: number): Promise<boolean> {
    const text = registerText(name, value);
    this.#meter.count(undefined, "writeUnits", writeUnitsOf(text));
    const { changes } = await this.#store.write(() =>
      revision === 0 ? this.#insert.run(name, text) : this.#update.run(text, name, revision),
    );
    return Number(changes) === 1;
  }
}
