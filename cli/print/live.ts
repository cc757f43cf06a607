/** Lines that are drawn again in their own place, as long as they fit the terminal; the last ones stay, whole. */
import { stripVTControlCharacters } from "node:util";
import type { Terminal } from "./terminal.ts";
import { widthOf } from "./text.ts";

const UP = (rows: number): string => (rows === 0 ? "" : `\u001b[${rows}A`);
const CLEAR_BELOW = "\u001b[0J";

export class LiveView {
  readonly #terminal: Terminal;
  #rows = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  draw(lines: readonly string[], { isLast }: { isLast: boolean }): void {
    const { height = 24 } = this.#terminal;
    const shown: string[] = [];
    let rows = 0;
    for (const line of lines) {
      const taken = this.#rowsOf(line);
      if (!isLast && rows + taken >= height) break;
      rows += taken;
      shown.push(line);
    }
    const [first = "", ...rest] = shown;
    this.#terminal.say(`${UP(this.#rows)}\r${CLEAR_BELOW}${first}`, ...rest);
    this.#rows = isLast ? 0 : rows;
  }

  /** A line that is too long goes on in the next row. */
  #rowsOf(line: string): number {
    return Math.max(1, Math.ceil(widthOf(stripVTControlCharacters(line)) / this.#terminal.width));
  }
}
