/** What every journal store promises of the runs that others go on as: part of the journal's suite. */
import { expect } from "vitest";
import type { RunCreated } from "../../shared/core/events.ts";
import { aNewRun, costOf, noise, type Opened } from "../support/ports.ts";

type Port = Opened<"journal">;
type Test = (name: string, body: (port: Port) => Promise<void>) => void;

export function continuing(test: Test): void {
  test("signals that are handed on weigh on no later update of the header", async (port) => {
    const signals = Array.from({ length: 20 }, (_, index) => ({
      ...{ type: "SignalReceived" as const, signalId: `s-${index}`, name: "item" },
      payload: { v: noise(2_000, index + 1) },
    }));
    const created = { ...aNewRun(port.clock).created, continuedFrom: "the-other", signals };
    const run = aNewRun(port.clock, { created });
    await port.journal.create(run);
    const rows = await port.journal.read(run.runId, { consistent: true });
    expect(rows!.entries[0]!.events).toEqual([created]);
    const projection = { headerSequence: 1, status: "running", updatedAt: run.createdAt } as const;
    const update = () => port.journal.project(run, projection);
    expect(await costOf(port.meter, "writeUnits", update)).toBe(1);
  });

  test("a run that is to end as it begins is shown so, until a projection takes it back", async (port) => {
    const created: RunCreated = {
      ...aNewRun(port.clock).created,
      continuedFrom: "the-other",
      cancel: { reason: noise(5_000), by: "ann" },
    };
    const run = aNewRun(port.clock, { created, cancelRequested: true });
    const header = () => port.journal.header(run.runId, { consistent: true });
    const answer = await port.journal.create(run);
    expect(answer).toMatchObject({ created: true, header: { cancelRequested: true } });
    expect(await header()).toMatchObject({ status: "pending", cancelRequested: true });
    const rows = await port.journal.read(run.runId, { consistent: true });
    expect(rows!.entries[0]!.events).toEqual([created]);
    await port.journal.project(run, {
      headerSequence: 1,
      status: "running",
      updatedAt: run.createdAt,
      cancelRequested: false,
    });
    expect((await header())?.cancelRequested ?? false).toBe(false);
  });
}
