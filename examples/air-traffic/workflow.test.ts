import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestHost, testHost } from "stepfold/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { keepsItsJournals } from "../triad.ts";
import { expectedFrom } from "./expected.ts";
import { dataset } from "./files.ts";
import { example, goAhead } from "./scenarios.ts";
import { airTraffic } from "./workflow.ts";

let folder: string;
let host: TestHost;
const report = (): string => join(folder, "out", "report.json");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "air-traffic-"));
  host = testHost({ workflows: [airTraffic] });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Report {
  distances: {
    flightKm: number;
    meanKm: number;
    longest: { origin: string; destination: string; km: number };
  };
  quarantine: Record<"airports" | "routes", { row: number; reason: string; fields: string[] }[]>;
  airports: { iata: string; name: string; state: string; departures: number; arrivals: number }[];
}

const published = (): Report => JSON.parse(readFileSync(report(), "utf8")) as Report;

/** A copy of one of the real files with further lines. */
function doctored(name: string, lines: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, readFileSync(dataset(name), "utf8") + lines.map((line) => `${line}\n`).join(""));
  return path;
}

describe("air-traffic over the real files", () => {
  const expected = expectedFrom(dataset("airports.csv"), dataset("flights-airport.csv"));

  test("the files are those that the figures here are of", () => {
    expect(expected).toMatchObject({ airports: 3_376, routes: 5_366 });
  });

  test("the figures are those that the files have, and nothing is published before the go-ahead", async () => {
    const runId = await host.start(airTraffic, { report: report() });
    const { airports, routes, flights } = expected;
    const counts = {
      airports: { read: airports, kept: airports, quarantined: 0 },
      routes: { read: routes, kept: routes, quarantined: 0 },
      flights,
    };
    expect(await host.get(runId)).toMatchObject({
      status: "waiting",
      state: { phase: "awaiting go-ahead", counts },
      waitingFor: [{ name: "go-ahead" }],
    });
    await host.skip("1 day");
    expect(readdirSync(folder)).toEqual([]);

    await host.signal(runId, "go-ahead", goAhead);
    const output = await host.result(runId);
    const text = readFileSync(report(), "utf8");
    expect(output).toEqual({
      ...counts,
      published: {
        path: report(),
        bytes: Buffer.byteLength(text),
        sha256: createHash("sha256").update(text).digest("hex"),
      },
    });
    expect(readdirSync(join(folder, "out"))).toEqual(["report.json"]);

    const { airports: listed, distances } = published();
    expect(
      Object.fromEntries(listed.map(({ iata, departures }) => [iata, departures]).filter(([, n]) => n)),
    ).toEqual(expected.departures);
    expect(
      Object.fromEntries(listed.map(({ iata, arrivals }) => [iata, arrivals]).filter(([, n]) => n)),
    ).toEqual(expected.arrivals);
    expect(listed[0]!.iata).toBe(expected.busiest);
    expect(distances.longest).toMatchObject(expected.longest);
    expect(Math.abs(distances.flightKm / expected.flightKm - 1)).toBeLessThan(1e-6);
  });

  test("rows too large for the journal are kept as blobs, and come back", async () => {
    const runId = await host.start(airTraffic, { report: report() });
    const read = (await host.journal(runId)).filter(
      (event) => event.type === "StepCompleted" && "b" in (event.output ?? {}),
    );
    expect(read).toHaveLength(2);
    host.evict(runId);
    await host.signal(runId, "go-ahead", goAhead);
    expect((await host.result(runId)).flights).toBe(expected.flights);
  });

  test("what cannot be trusted is quarantined, row by row, and leaves the figures as they are", async () => {
    const { airports, routes, flights } = expected;
    const runId = await host.start(airTraffic, {
      report: report(),
      airports: doctored("airports.csv", [
        "ZZ1,Nowhere,Atlantis,,Sea,,",
        "ZZ2,Off the Map,Atlantis,,Sea,91.5,10",
        "ZZ3,Halfway,Atlantis",
        "ATL,Atlanta Again,Atlanta,GA,USA,33.6,-84.4",
        ",Nameless,Atlantis,,Sea,1,1",
        "ZZ4,Beyond,Atlantis,,Sea,north,east",
      ]),
      flights: doctored("flights-airport.csv", [
        "ATL,QQQ,5",
        "ATL,ZZ1,7",
        "ABE,ATL,853",
        "ATL,ABE,-3",
        "ATL,ABI,many",
      ]),
    });
    await host.signal(runId, "go-ahead", goAhead);
    expect(await host.result(runId)).toMatchObject({
      airports: { read: airports + 6, kept: airports, quarantined: 6 },
      routes: { read: routes + 5, kept: routes, quarantined: 5 },
      flights,
    });
    const { quarantine } = published();
    expect(quarantine.airports.map(({ row, reason }) => [row - airports, reason])).toEqual([
      [1, "missing coordinates"],
      [2, "impossible coordinates"],
      [3, "missing coordinates"],
      [4, "duplicate airport"],
      [5, "missing code"],
      [6, "impossible coordinates"],
    ]);
    expect(quarantine.routes.map(({ row, reason }) => [row - routes, reason])).toEqual([
      [1, "unknown airport"],
      [2, "unknown airport"],
      [3, "duplicate route"],
      [4, "impossible count"],
      [5, "impossible count"],
    ]);
  });

  test("a file without the columns fails the run, naming them", async () => {
    const path = join(folder, "airports.csv");
    writeFileSync(path, "iata,name,state,latitude\nATL,Atlanta,GA,33.6\n");
    const runId = await host.start(airTraffic, { report: report(), airports: path });
    await host.skip("10m");
    await expect(host.result(runId)).rejects.toThrow(/longitude/);
  });

  test("a person may withhold it, or never answer", async () => {
    const withheld = await host.start(airTraffic, { report: report() });
    const forgotten = await host.start(airTraffic, { report: report() });
    await host.signal(withheld, "go-ahead", { by: "ada", publish: false });
    expect((await host.result(withheld)).published).toBeNull();
    await host.skip("2 days");
    await expect(host.result(forgotten)).rejects.toMatchObject({ code: "SignalTimeout" });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a crash at every rest publishes the same report", async () => {
    const runId = await host.start(airTraffic, { report: report() });
    host.crash();
    await host.signal(runId, "go-ahead", goAhead);
    const { published: first } = await host.result(runId);
    host.crash();
    await host.wake(runId);
    expect((await host.result(runId)).published).toEqual(first);
  });
});

keepsItsJournals(example, new URL("golden/", import.meta.url));
