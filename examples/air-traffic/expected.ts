/**
 * The figures as counted for the tests, line by line, sharing no code with the workflow: its own way of taking a
 * line apart, and its own formula for distances.
 */
import { readFileSync } from "node:fs";

export interface Expected {
  airports: number;
  routes: number;
  flights: number;
  departures: Record<string, number>;
  arrivals: Record<string, number>;
  busiest: string;
  flightKm: number;
  longest: { origin: string; destination: string };
}

/** Only for files in which every row is good. */
export function expectedFrom(airportsPath: string, flightsPath: string): Expected {
  const airportLines = linesOf(airportsPath);
  const flightLines = linesOf(flightsPath);
  const places = new Map<string, [number, number]>();
  for (const line of airportLines) {
    // The code is the text before the first comma, the coordinates come after the last two: quotes are in between.
    const found = /^([^,]+),.*,(-?[\d.]+),(-?[\d.]+)$/.exec(line);
    if (found === null) throw new Error(`Expected an airport, got ${line}`);
    places.set(found[1]!, [Number(found[2]), Number(found[3])]);
  }
  if (places.size !== airportLines.length) throw new Error("Expected every airport once.");

  const expected: Expected = {
    airports: airportLines.length,
    routes: flightLines.length,
    flights: 0,
    departures: {},
    arrivals: {},
    busiest: "",
    flightKm: 0,
    longest: { origin: "", destination: "" },
  };
  let longestKm = 0;
  for (const line of flightLines) {
    const [origin, destination, count] = line.split(",") as [string, string, string];
    expected.flights += Number(count);
    expected.departures[origin] = (expected.departures[origin] ?? 0) + Number(count);
    expected.arrivals[destination] = (expected.arrivals[destination] ?? 0) + Number(count);
    const km = kilometres(places.get(origin)!, places.get(destination)!);
    expected.flightKm += km * Number(count);
    if (km > longestKm) {
      longestKm = km;
      expected.longest = { origin, destination };
    }
  }
  const traffic = (iata: string): number => (expected.departures[iata] ?? 0) + (expected.arrivals[iata] ?? 0);
  expected.busiest = [...places.keys()].reduce((best, iata) => (traffic(iata) > traffic(best) ? iata : best));
  return expected;
}

const linesOf = (path: string): string[] =>
  readFileSync(path, "utf8")
    .split(/\r?\n/)
    .slice(1)
    .filter((line) => line !== "");

/** By the angle between the two places' directions from the earth's centre. */
function kilometres(from: [number, number], to: [number, number]): number {
  const [a, b] = [from, to].map(([latitude, longitude]) => {
    const [phi, lambda] = [(latitude * Math.PI) / 180, (longitude * Math.PI) / 180];
    return [Math.cos(phi) * Math.cos(lambda), Math.cos(phi) * Math.sin(lambda), Math.sin(phi)] as const;
  }) as [readonly [number, number, number], readonly [number, number, number]];
  const across = Math.hypot(a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]);
  return 6_371 * Math.atan2(across, a[0] * b[0] + a[1] * b[1] + a[2] * b[2]);
}
