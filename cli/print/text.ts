/**
 * Text for terminals: whatever a run holds, shown without doing anything to the terminal, and measured in columns.
 *
 * 1. Control characters and marks that turn the reading direction never reach the terminal: they are shown by number.
 * 2. A text that is cut ends in `…`, and is never cut within a character.
 */

/** Control characters, line and paragraph separators, and the marks that reorder what follows them. */
const UNSAFE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

const numbered = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** In one line, whatever it was. */
export const plain = (text: string): string =>
  text.replace(/[\r\n\t]+/g, " ").replace(UNSAFE, (character) => numbered(character));

/** JSON whose text is safe in a terminal, and the same value. */
export const jsonText = (value: unknown, indent?: number): string =>
  (JSON.stringify(value, null, indent) ?? "null").replace(UNSAFE, (character) =>
    character === "\n" ? character : numbered(character),
  );

const segmenter = new Intl.Segmenter();
const INVISIBLE = /^[\p{Mark}\u200b-\u200f\u2060]+$/u;
const WIDE =
  /^(?:\p{Emoji_Presentation}|\p{Emoji}\ufe0f|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}])/u;

const widthOfCharacter = (character: string): number =>
  INVISIBLE.test(character) ? 0 : WIDE.test(character) ? 2 : 1;

/** How many columns a plain text takes. */
export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += widthOfCharacter(segment);
  return width;
}

/** At most so many columns of a plain text. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = "";
  let left = width - 1;
  for (const { segment } of segmenter.segment(text)) {
    left -= widthOfCharacter(segment);
    if (left < 0) break;
    kept += segment;
  }
  return width <= 0 ? "" : `${kept}…`;
}

export const pad = (text: string, width: number, side: "left" | "right" = "right"): string => {
  const spaces = " ".repeat(Math.max(0, width - widthOf(text)));
  return side === "right" ? text + spaces : spaces + text;
};

/** As a shell takes it. */
export const quoted = (argument: string): string =>
  /^[\w@%+=:,./~-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
