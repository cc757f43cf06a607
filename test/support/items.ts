/** What became of each item of a map, by the journals of all runs of its tree. */
import { entriesOf } from "../../shared/engine/load.ts";
import type { Ports } from "../../shared/engine/parts.ts";

export interface Settled {
  /** How often each item has a result. */
  results: Map<number, number>;
  /** Runs of the tree below the one that maps. */
  nodes: number;
  writeUnits: number;
}

export async function settledItems(ports: Pick<Ports, "journal">, runId: string): Promise<Settled> {
  const settled: Settled = { results: new Map(), nodes: -1, writeUnits: 0 };
  await gather(ports, runId, settled);
  return settled;
}

async function gather(ports: Pick<Ports, "journal">, runId: string, settled: Settled): Promise<void> {
  settled.nodes++;
  const below: string[] = [];
  for await (const { events, usage } of entriesOf(ports, runId)) {
    settled.writeUnits += usage?.writeUnits ?? 0;
    for (const event of events) {
      if (event.type === "ChildStarted" && event.node !== undefined) below.push(event.childRunId);
      if (event.type !== "ItemSettled" || event.error !== undefined) continue;
      const index = Number(event.operation.split("/")[1]);
      settled.results.set(index, (settled.results.get(index) ?? 0) + 1);
    }
  }
  for (const node of below) await gather(ports, node, settled);
}
