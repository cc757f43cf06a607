/** What is made of the kept rows: pure sums. Ties are broken by code, so that a list is always the same. */
import type { AirportRow, RouteRow } from "./rows.ts";

export type Flights = Record<string, number>;

export interface Distances {
  flightKm: number;
  meanKm: number;
  longest: { origin: string; destination: string; km: number } | undefined;
}

/** Flights by the airport at one end of their route. */
export function flightsBy(end: "origin" | "destination", routes: readonly RouteRow[]): Flights {
  const flights: Flights = {};
  for (const [origin, destination, count] of routes) {
    const airport = end === "origin" ? origin : destination;
    flights[airport] = (flights[airport] ?? 0) + Number(count);
  }
  return flights;
}

export function distancesOf(airports: readonly AirportRow[], routes: readonly RouteRow[]): Distances {
  const places = new Map(airports.map((airport) => [airport[0], airport]));
  let flightKm = 0;
  let flights = 0;
  let longest: Distances["longest"];
  for (const [origin, destination, count] of routes) {
    const km = kilometres(places.get(origin), places.get(destination));
    flightKm += km * Number(count);
    flights += Number(count);
    if (longest === undefined || km > longest.km) longest = { origin, destination, km };
  }
  if (longest !== undefined) longest.km = Math.round(longest.km);
  return {
    flightKm: Math.round(flightKm),
    meanKm: flights === 0 ? 0 : Math.round(flightKm / flights),
    longest,
  };
}

export interface Airport {
  iata: string;
  name: string;
  state: string;
  departures: number;
  arrivals: number;
}

/** The airports with traffic, the busiest first. */
export function busiest(airports: readonly AirportRow[], departures: Flights, arrivals: Flights): Airport[] {
  const traffic = ({ departures, arrivals }: Airport): number => departures + arrivals;
  return airports
    .map(([iata, name, state]) => ({
      iata,
      name,
      state,
      departures: departures[iata] ?? 0,
      arrivals: arrivals[iata] ?? 0,
    }))
    .filter((airport) => traffic(airport) > 0)
    .sort((left, right) => traffic(right) - traffic(left) || (left.iata < right.iata ? -1 : 1));
}

export const sum = (flights: Flights): number =>
  Object.values(flights).reduce((total, count) => total + count, 0);

const EARTH_RADIUS_KM = 6_371;

/** Along the great circle. */
function kilometres(from: AirportRow | undefined, to: AirportRow | undefined): number {
  if (from === undefined || to === undefined) throw new Error("Expected a route between known airports.");
  const [latitude, longitude, otherLatitude, otherLongitude] = [from[3], from[4], to[3], to[4]].map(
    (degrees) => (Number(degrees) * Math.PI) / 180,
  ) as [number, number, number, number];
  const across = Math.sin((otherLatitude - latitude) / 2) ** 2;
  const along =
    Math.cos(latitude) * Math.cos(otherLatitude) * Math.sin((otherLongitude - longitude) / 2) ** 2;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.sqrt(across + along));
}
