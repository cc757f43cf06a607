/**
 * The terminal that is written to: how wide it is, whether it has colour, and whether anybody looks.
 *
 * 1. Colour is for terminals alone, and never against `NO_COLOR`.
 * 2. A reader that goes away, as in `stepfold list | head`, ends the command quietly.
 */
import { styleText } from "node:util";

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "blue" | "magenta" | "cyan";

export interface Terminal {
  /** In columns. */
  width: number;
  /** In lines; absent where nobody looks. */
  height?: number;
  paint(style: Style | undefined, text: string): string;
  say(...lines: string[]): void;
  /** What is said beside the answer, and to scripts not at all. */
  note(...lines: string[]): void;
}

/** Of what is not a terminal. */
const WIDTH = 120;
const WIDTH_MIN = 40;

export function openTerminal(env: Record<string, string | undefined>): Terminal {
  const { stdout, stderr } = process;
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit();
    throw error;
  });
  const asked = /^\d+$/.test(env.COLUMNS ?? "") ? Number(env.COLUMNS) : undefined;
  const width = Math.max(WIDTH_MIN, asked ?? (stdout.isTTY ? stdout.columns : WIDTH));
  const terminal: Terminal = {
    width,
    paint: (style, text) =>
      style === undefined || text === "" ? text : styleText(style, text, { stream: stdout }),
    say: (...lines) => void stdout.write(lines.map((line) => `${line}\n`).join("")),
    note: (...lines) => void stderr.write(lines.map((line) => `${line}\n`).join("")),
  };
  return stdout.isTTY ? { ...terminal, height: stdout.rows } : terminal;
}
