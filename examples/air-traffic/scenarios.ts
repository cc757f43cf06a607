/** A report whose journal is kept, of files small enough to be kept with it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Example } from "../triad.ts";
import { airTraffic } from "./workflow.ts";

export const goAhead = { by: "ada", publish: true };

const AIRPORTS =
  "iata,name,city,state,country,latitude,longitude\nAAA,A,A,AK,USA,60,-150\nBBB,B,B,AL,USA,33,-86\nCCC,C,C,,USA,,\n";
const FLIGHTS = "origin,destination,count\nAAA,BBB,3\nBBB,AAA,2\nAAA,CCC,9\n";

export const example: Example = {
  workflows: [airTraffic],
  scenarios: {
    "v1-published": {
      async play(host) {
        const folder = mkdtempSync(join(tmpdir(), "air-traffic-"));
        const [airports, flights] = [join(folder, "airports.csv"), join(folder, "flights.csv")];
        writeFileSync(airports, AIRPORTS);
        writeFileSync(flights, FLIGHTS);
        const report = join(folder, "out", "report.json");
        const runId = await host.start(airTraffic, { report, airports, flights });
        await host.signal(runId, "go-ahead", goAhead);
        rmSync(folder, { recursive: true, force: true });
        return { runId, scrub: { [folder]: "/folder" } };
      },
    },
  },
};
