/** What must be true at the end of the demo. Each answers what is wrong with it, or nothing. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { expectedFrom } from "../air-traffic/expected.ts";
import { dataset } from "../air-traffic/files.ts";
import type { Sandbox } from "../order/sandbox.ts";

export interface Ended {
  status: string;
  output?: unknown;
}

/** The order was charged and shipped exactly once, and its run says so. */
export function wrongWithOrder(orderId: string, run: Ended, sandbox: Sandbox): string[] {
  const charges = sandbox.charges.filter((charge) => charge.orderId === orderId);
  const parcels = sandbox.parcels.filter((parcel) => parcel.orderId === orderId);
  const output = run.output as { chargeId?: string; parcelId?: string } | undefined;
  return [
    ...differs(`the status of order ${orderId}`, "completed", run.status),
    ...differs(`charges of order ${orderId}`, 1, charges.length),
    ...differs(`parcels of order ${orderId}`, 1, parcels.length),
    ...differs(`the charge of order ${orderId}`, charges[0]?.chargeId, output?.chargeId),
    ...differs(`the parcel of order ${orderId}`, parcels[0]?.parcelId, output?.parcelId),
  ];
}

/** The report is there, whole, and has the figures that the files have when they are counted another way. */
export async function wrongWithReport(report: string, run: Ended): Promise<string[]> {
  const expected = expectedFrom(dataset("airports.csv"), dataset("flights-airport.csv"));
  const output = run.output as { flights?: number; published?: { sha256?: string } } | undefined;
  const text = await readFile(report, "utf8").catch(() => "{}");
  const written = JSON.parse(text) as { airports?: { iata: string; departures: number }[]; flights?: number };
  const departures = (written.airports ?? []).filter((airport) => airport.departures > 0);
  return [
    ...differs("the status of air-traffic", "completed", run.status),
    ...differs("flights", expected.flights, output?.flights),
    ...differs("flights in the report", expected.flights, written.flights),
    ...differs("the busiest airport", expected.busiest, written.airports?.[0]?.iata),
    ...differs("airports with departures", Object.keys(expected.departures).length, departures.length),
    ...differs(
      "the report's checksum",
      createHash("sha256").update(text).digest("hex"),
      output?.published?.sha256,
    ),
  ];
}

const differs = (what: string, expected: unknown, found: unknown): string[] =>
  expected === found ? [] : [`Expected ${what} to be ${String(expected)}, got ${String(found)}.`];
