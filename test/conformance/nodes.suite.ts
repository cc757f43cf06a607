/** What every journal store promises of the runs that work on another run's map: part of the journal's suite. */
import { expect } from "vitest";
import { aNewRun, aStoredRun, costOf, type Opened } from "../support/ports.ts";

type Port = Opened<"journal">;
type Test = (name: string, body: (port: Port) => Promise<void>) => void;

const aNode = {
  parent: { runId: "the-other", operation: "2/0-99" },
  node: {
    ...{ name: "each", inc: "i", operation: "2", sequence: 1, from: 0, to: 100 },
    tree: { count: 200, digest: "d", batch: 100, fanOut: 100, tolerated: 0 },
  },
};

export function mapping(test: Test): void {
  test("a run that works on another's map is in no list of runs, nor of an owner's", async (port) => {
    const { run: other } = await aStoredRun(port);
    const created = { ...other.created, owner: "ann", ...aNode };
    await aStoredRun(port, { runId: "m-1", created, createdAt: other.createdAt + 1 });
    const listed = await port.journal.list({ order: "asc", limit: 50 });
    expect(listed.headers.map(({ runId }) => runId)).toEqual([other.runId]);
    expect((await port.journal.list({ order: "asc", limit: 50, owner: "ann" })).headers).toEqual([]);
    expect(await port.journal.header("m-1")).toMatchObject({ created, createdAt: other.createdAt + 1 });
    expect((await port.journal.due(Number.MAX_SAFE_INTEGER, 50)).map(({ runId }) => runId)).toContain("m-1");
  });

  test("a run that works on another's map costs its own item and a row among what is due", async (port) => {
    const created = { ...aNewRun(port.clock).created, owner: "ann", ...aNode };
    const create = () => port.journal.create(aNewRun(port.clock, { created }));
    expect(await costOf(port.meter, "writeUnits", create)).toBe(2);
  });
}
