/**
 * The rows of the two files, and which of them cannot be trusted. Pure: the same rows give the same verdicts.
 *
 * 1. A row is kept or quarantined with a reason, never mended and never dropped.
 * 2. Of two rows for the same thing the first is kept.
 * 3. A route is as good as its ends: one that names a quarantined airport is quarantined too.
 */
import { parse } from "csv-parse/sync";

export const airportColumns = ["iata", "name", "state", "latitude", "longitude"] as const;
export const routeColumns = ["origin", "destination", "count"] as const;

/** As it stands in the file: the fields of `airportColumns`. */
export type AirportRow = [iata: string, name: string, state: string, latitude: string, longitude: string];
export type RouteRow = [origin: string, destination: string, count: string];

export type Reason =
  | "missing code"
  | "missing coordinates"
  | "impossible coordinates"
  | "duplicate airport"
  | "unknown airport"
  | "impossible count"
  | "duplicate route";

/** `row` counts from 1, the header left out. */
export interface Quarantined {
  row: number;
  reason: Reason;
  fields: string[];
}

/** The named columns of a CSV text with a header, in the order asked for. A field that is not there is empty. */
export function rowsOf<Row extends string[]>(text: string, columns: readonly string[]): Row[] {
  const options = { columns: true, relax_column_count: true, skip_empty_lines: true, bom: true } as const;
  const records = parse(text, options) as Record<string, string | undefined>[];
  const missing = columns.filter((column) => records[0] !== undefined && !(column in records[0]));
  if (missing.length > 0)
    throw new Error(`Expected the columns ${columns.join(", ")}, got none named ${missing.join(", ")}.`);
  return records.map((record) => columns.map((column) => record[column] ?? "") as Row);
}

export function quarantineAirports(rows: readonly AirportRow[]): Quarantined[] {
  const seen = new Set<string>();
  return quarantine(rows, ([iata, , , latitude, longitude]) => {
    if (iata === "") return "missing code";
    if (latitude.trim() === "" || longitude.trim() === "") return "missing coordinates";
    if (!isWithin(latitude, 90) || !isWithin(longitude, 180)) return "impossible coordinates";
    if (seen.has(iata)) return "duplicate airport";
    seen.add(iata);
    return undefined;
  });
}

export function quarantineRoutes(rows: readonly RouteRow[], airports: ReadonlySet<string>): Quarantined[] {
  const seen = new Set<string>();
  return quarantine(rows, ([origin, destination, count]) => {
    if (!airports.has(origin) || !airports.has(destination)) return "unknown airport";
    if (!/^\d+$/.test(count)) return "impossible count";
    const route = `${origin} ${destination}`;
    if (seen.has(route)) return "duplicate route";
    seen.add(route);
    return undefined;
  });
}

/** The rows that are not quarantined. */
export function kept<Row>(rows: readonly Row[], quarantined: readonly Quarantined[]): Row[] {
  const out = new Set(quarantined.map(({ row }) => row));
  return rows.filter((_, index) => !out.has(index + 1));
}

function quarantine<Row extends string[]>(
  rows: readonly Row[],
  judge: (row: Row) => Reason | undefined,
): Quarantined[] {
  return rows.flatMap((fields, index) => {
    const reason = judge(fields);
    return reason === undefined ? [] : [{ row: index + 1, reason, fields }];
  });
}

/** At most `limit` degrees from zero. */
const isWithin = (degrees: string, limit: number): boolean => Math.abs(Number(degrees)) <= limit;
