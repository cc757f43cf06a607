/** A journal for people: an event a line, those of one entry together. */
import type { JournalEvent } from "../../shared/client/index.ts";
import type { Style, Terminal } from "./terminal.ts";
import { cut, jsonText, pad, plain } from "./text.ts";
import { clock } from "./time.ts";

const TYPE_WIDTH = 18;

const STYLES: readonly (readonly [RegExp, Style])[] = [
  [/Failed$|TimedOut$|Stalled$/, "red"],
  [/Cancelled$|^Cancel/, "yellow"],
  [/Completed$|Continued$/, "green"],
  [/^Leg|^EffectsDone$/, "dim"],
  [/Requested$|Received$|Decided$|Used$|Redriven$|Patched$|^ChildFinished$/, "magenta"],
];

const styleOf = (type: string): Style | undefined => STYLES.find(([pattern]) => pattern.test(type))?.[1];

/** `previous` is the sequence of the event before, so that an entry's number stands once. */
export function journalLine(event: JournalEvent, previous: number | undefined, terminal: Terminal): string {
  const { sequence, at, generation: _generation, type, operation, name, ...rest } = event;
  const isSame = sequence === previous;
  const number = pad(isSame ? "" : String(sequence), 6, "left");
  const time = isSame ? " ".repeat(12) : clock(at);
  const place = [operation, name].filter((part) => typeof part === "string").join(" ");
  const fields = Object.entries(rest).map(([field, value]) => `${field}=${jsonText(value)}`);
  const detail = plain([place, ...fields].filter((part) => part !== "").join("  "));
  const width = Math.max(10, terminal.width - 6 - 2 - 12 - 2 - TYPE_WIDTH - 2);
  const shownType = terminal.paint(styleOf(type), pad(type, TYPE_WIDTH));
  return `${terminal.paint("dim", `${number}  ${time}`)}  ${shownType}  ${cut(detail, width)}`.trimEnd();
}
