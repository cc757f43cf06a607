/**
 * Text that came from outside, before a person reads it: in a log line, on a terminal, in a problem's detail.
 */

/** What ends a line, moves a terminal's cursor, or turns the direction of writing; and lone surrogates. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\p{Cs}]/gu;

/** The text with such characters as JSON escapes: it is one line, and says what it contains. */
export const printable = (text: string): string =>
  text.replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
