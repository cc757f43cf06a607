/**
 * Aligned columns that fit a terminal: where it is too narrow, columns that may be cut are, then those go that matter
 * least.
 */
import type { Style, Terminal } from "./terminal.ts";
import { cut, pad, plain, widthOf } from "./text.ts";

export interface Column<Row> {
  title: string;
  text(row: Row): string;
  style?(row: Row): Style | undefined;
  align?: "left" | "right";
  /** It may be cut to so many columns; one without a number is whole or not there. */
  cutTo?: number;
  /** Of those that may go, the one with the highest number goes first. */
  goes?: number;
}

const GAP = 2;

export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  terminal: Terminal,
): string[] {
  const cells = columns.map((column) => rows.map((row) => plain(column.text(row))));
  const shown = fitted(
    columns.map((column, index) => ({
      column,
      cells: cells[index]!,
      width: Math.max(widthOf(column.title), ...cells[index]!.map(widthOf)),
    })),
    terminal.width,
  );
  const line = (cellOf: (place: (typeof shown)[number]) => { text: string; style: Style | undefined }) =>
    shown
      .map((place, index) => {
        const { text, style } = cellOf(place);
        const isLast = index === shown.length - 1 && place.column.align !== "right";
        const fitting = cut(text, place.width);
        const padded = isLast
          ? fitting
          : pad(fitting, place.width, place.column.align === "right" ? "left" : "right");
        return terminal.paint(style, padded);
      })
      .join(" ".repeat(GAP))
      .trimEnd();
  return [
    line(({ column }) => ({ text: column.title, style: "dim" })),
    ...rows.map((row, index) =>
      line((place) => ({ text: place.cells[index]!, style: place.column.style?.(row) })),
    ),
  ];
}

interface Place<Row> {
  column: Column<Row>;
  cells: string[];
  width: number;
}

/** Empty columns are left out. */
function fitted<Row>(given: readonly Place<Row>[], width: number): Place<Row>[] {
  const places = given.filter(({ cells }) => cells.length === 0 || cells.some((cell) => cell !== ""));
  for (;;) {
    const missing =
      places.reduce((sum, place) => sum + place.width, GAP * (places.length - 1)) - Math.max(1, width);
    if (missing <= 0) return places;
    const wide = places
      .filter(({ column, width: taken }) => column.cutTo !== undefined && taken > column.cutTo)
      .sort((left, right) => right.width - left.width)[0];
    if (wide !== undefined) {
      wide.width = Math.max(wide.column.cutTo!, wide.width - missing);
      continue;
    }
    const least = places
      .filter(({ column }) => column.goes !== undefined)
      .sort((left, right) => right.column.goes! - left.column.goes!)[0];
    if (least === undefined) return places;
    places.splice(places.indexOf(least), 1);
  }
}
