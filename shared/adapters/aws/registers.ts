/**
 * Registers in the journal's table: an item of its own for each name, without an expiry, changed by a put under the
 * condition that its revision is still the one that was seen.
 */
import type { Json } from "../../core/json.ts";
import type { Register, Registers } from "../../ports/registers.ts";
import { registerText } from "../common/registers.ts";
import { type Item, number, registerKey, text } from "./items.ts";
import { type Condition, Table, type TableOptions } from "./table.ts";

const VALUE = "e";
const REVISION = "h";

export class DynamoRegisters implements Registers {
  readonly #table: Table;

  constructor(options: TableOptions) {
    this.#table = new Table(options);
  }

  async get(name: string): Promise<Register | undefined> {
    const doing = `read the register ${name}`;
    const item = await this.#table.get(registerKey(name), { doing }, { consistent: true });
    return item && { value: JSON.parse(item[VALUE]!.S!) as Json, revision: Number(item[REVISION]!.N) };
  }

  async put(name: string, value: Json, revision: number): Promise<boolean> {
    const item: Item = {
      ...registerKey(name),
      [VALUE]: text(registerText(name, value)),
      [REVISION]: number(revision + 1),
    };
    const doing = `write the register ${name}`;
    return (await this.#table.put(item, stillHas(revision), { doing })).done;
  }
}

const stillHas = (revision: number): Condition =>
  revision === 0
    ? { condition: "attribute_not_exists(PK)" }
    : { condition: `${REVISION} = :revision`, values: { ":revision": number(revision) } };
