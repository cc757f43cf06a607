/**
 * A report on air traffic: read two files, quarantine what cannot be trusted, add up by airport, let a person look
 * at the figures, publish.
 *
 * 1. Files are touched in steps only; what a step read is in the journal, so the report is of one version of them.
 * 2. Every row is either in the figures or in quarantine, with a reason.
 * 3. Nothing is published without a go-ahead, and publishing twice leaves the same file.
 */
import { workflow } from "stepfold";
import { z } from "zod";
import { busiest, distancesOf, flightsBy, sum } from "./figures.ts";
import { dataset, publishText, readText } from "./files.ts";
import {
  type AirportRow,
  airportColumns,
  kept,
  quarantineAirports,
  quarantineRoutes,
  type RouteRow,
  routeColumns,
  rowsOf,
} from "./rows.ts";

const Request = z.strictObject({
  /** Where the report goes. */
  report: z.string().min(1),
  /** CSV files; those of vega-datasets unless given. */
  airports: z.string().optional(),
  flights: z.string().optional(),
  /** How long a person may take to look at the figures. */
  decideWithin: z.string().default("2 days"),
});

const Decision = z.strictObject({ by: z.string().min(1), publish: z.boolean() });

export const airTraffic = workflow(
  "air-traffic",
  {
    version: 1,
    description:
      "Adds up flights by airport from two CSV files, and publishes a report once a person agrees.",
    input: Request,
    stepTimeout: "30s",
  },
  async (run, request) => {
    run.setState({ phase: "reading" });
    const read = await run.all("read", {
      airports: (run) =>
        run.step("read airports", async () =>
          rowsOf<AirportRow>(readText(request.airports ?? dataset("airports.csv")), airportColumns),
        ),
      routes: (run) =>
        run.step("read routes", async () =>
          rowsOf<RouteRow>(readText(request.flights ?? dataset("flights-airport.csv")), routeColumns),
        ),
    });

    run.setState({ phase: "validating" });
    const badAirports = await run.step("validate airports", () => quarantineAirports(read.airports));
    const airports = kept(read.airports, badAirports);
    const known = new Set(airports.map(([iata]) => iata));
    const badRoutes = await run.step("validate routes", () => quarantineRoutes(read.routes, known));
    const routes = kept(read.routes, badRoutes);

    run.setState({ phase: "adding up" });
    const { departures, arrivals, distances } = await run.all("add up", {
      departures: (run) => run.step("departures", () => flightsBy("origin", routes)),
      arrivals: (run) => run.step("arrivals", () => flightsBy("destination", routes)),
      distances: (run) => run.step("distances", () => distancesOf(airports, routes)),
    });

    const counts = {
      airports: { read: read.airports.length, kept: airports.length, quarantined: badAirports.length },
      routes: { read: read.routes.length, kept: routes.length, quarantined: badRoutes.length },
      flights: sum(departures),
    };
    run.setState({ phase: "awaiting go-ahead", counts });
    const decision = await run.waitForSignal("go-ahead", { schema: Decision, timeout: request.decideWithin });
    if (!decision.publish) {
      run.setState({ phase: "withheld", by: decision.by });
      return { ...counts, published: null };
    }

    run.setState({ phase: "publishing" });
    const report = {
      decidedAt: run.now().toISOString(),
      decidedBy: decision.by,
      ...counts,
      distances,
      quarantine: { airports: badAirports, routes: badRoutes },
      airports: busiest(airports, departures, arrivals),
    };
    const published = await run.step("publish", ({ idempotencyKey }) =>
      publishText(request.report, `${JSON.stringify(report, null, 2)}\n`, idempotencyKey),
    );
    run.setState({ phase: "published", report: published.path });
    return { ...counts, published };
  },
);
