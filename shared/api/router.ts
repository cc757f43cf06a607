/**
 * Which route a path means.
 *
 * 1. Percent-encoded paths: each segment is decoded by itself, so a name may contain an encoded slash.
 * 2. API Gateway's HTTP APIs hand over decoded paths: segments beyond a route's own belong to its last parameter,
 *    where that is a name, and may hold slashes.
 * 3. A path without parameters is that path alone: no parameter of another stands for its words.
 * 4. An unknown path is `NotFound`; a known one with another method `MethodNotAllowed`, with the methods it has.
 */
import { StepfoldError } from "../core/errors.ts";
import { malformed } from "./problem.ts";
import type { Method, Route } from "./route.ts";

interface Place {
  segments: { text: string; isParameter: boolean }[];
  routes: Map<string, Route>;
}

export interface Match {
  route: Route;
  params: Record<string, string>;
}

export type Router = (method: string, path: string, isDecoded: boolean) => Match;

export function createRouter(routes: readonly Route[]): Router {
  const places = placesOf(routes);
  return (method, path, isDecoded) => {
    const segments = path.split("/").slice(1);
    const allowed: string[] = [];
    for (const place of places) {
      const params = matched(place, segments, isDecoded);
      if (params === undefined) continue;
      const route = place.routes.get(method);
      if (route !== undefined) return { route, params };
      allowed.push(...place.routes.keys());
      if (place.segments.every(({ isParameter }) => !isParameter)) break;
    }
    if (allowed.length > 0)
      throw new StepfoldError(
        "MethodNotAllowed",
        `Expected ${allowed.join(" or ")} for this path, got ${method}.`,
        { allowed },
      );
    throw new StepfoldError(
      "NotFound",
      `There is nothing at ${path.slice(0, 300)}. GET /openapi.json lists the paths.`,
    );
  };
}

function placesOf(routes: readonly Route[]): Place[] {
  const places = new Map<string, Place>();
  for (const route of routes) {
    const segments = route.path
      .split("/")
      .slice(1)
      .map((text) =>
        text.startsWith("{") ? { text: text.slice(1, -1), isParameter: true } : { text, isParameter: false },
      );
    const place = places.get(route.path) ?? { segments, routes: new Map<Method, Route>() };
    place.routes.set(route.method, route);
    places.set(route.path, place);
  }
  // The longest first: a decoded path's surplus segments must not all go to a shorter place's parameter.
  return [...places.values()].sort(
    (left, right) => right.segments.length - left.segments.length || parametersIn(left) - parametersIn(right),
  );
}

const parametersIn = ({ segments }: Place): number =>
  segments.filter(({ isParameter }) => isParameter).length;

function matched(
  place: Place,
  given: readonly string[],
  isDecoded: boolean,
): Record<string, string> | undefined {
  const segments = isDecoded ? joined(given, place.segments) : given;
  if (segments.length !== place.segments.length) return undefined;
  const isHere = place.segments.every(({ text, isParameter }, index) =>
    isParameter ? segments[index] !== "" : segments[index] === text,
  );
  if (!isHere) return undefined;
  const params: Record<string, string> = {};
  place.segments.forEach(({ text, isParameter }, index) => {
    if (isParameter) params[text] = isDecoded ? segments[index]! : decoded(segments[index]!);
  });
  return params;
}

/** Parameters that hold no slash. */
const WITHOUT_SLASH = ["runId", "token", "stepId"];

function joined(given: readonly string[], wanted: Place["segments"]): readonly string[] {
  const surplus = given.length - wanted.length;
  const last = wanted.findLastIndex(({ isParameter }) => isParameter);
  if (surplus <= 0 || last < 0 || WITHOUT_SLASH.includes(wanted[last]!.text)) return given;
  const after = last + surplus + 1;
  return [...given.slice(0, last), given.slice(last, after).join("/"), ...given.slice(after)];
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw malformed(
      `Expected percent-encoded UTF-8 in the path, got ${JSON.stringify(segment.slice(0, 200))}.`,
    );
  }
}
