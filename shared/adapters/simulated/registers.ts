/** Other registers, called under faults. */
import type { Json } from "../../core/json.ts";
import type { Register, Registers } from "../../ports/registers.ts";
import type { Caller } from "./caller.ts";

export class SimulatedRegisters implements Registers {
  readonly #registers: Registers;
  readonly #caller: Caller;

  constructor(registers: Registers, caller: Caller) {
    this.#registers = registers;
    this.#caller = caller;
  }

  get(name: string): Promise<Register | undefined> {
    return this.#caller.call({ port: "registers", method: "get" }, () => this.#registers.get(name));
  }

  put(name: string, value: Json, revision: number): Promise<boolean> {
    return this.#caller.call({ port: "registers", method: "put" }, () =>
      this.#registers.put(name, value, revision),
    );
  }
}
