/** A redrive of a run with a map: the items are worked on as the code has them now. */
import { expect, it } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { start } from "../../shared/engine/control.ts";
import { loadRun } from "../../shared/engine/load.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import { siteOf } from "../../shared/engine/sites.ts";
import { testHost } from "../../shared/testing/index.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const maps = { inLegMax: 1, batch: 2, fanOut: 2 };

const ways = [
  ["in the leg", undefined, false],
  ["spread", maps, false],
  ["spread, by a new process", maps, true],
] as const;

it.each(ways)(
  "a map behind the named start has what the start has come to: %s",
  async (_how, maps, isCold) => {
    let [rate, isBroken] = [2, true];
    const prices = workflow("prices", { maxRetries: 0 }, async (run) => {
      const factor = await run.step("rate", () => rate);
      const priced = await run.map("price", [1, 2, 3, 4, 5], (item, n) =>
        item.step("price", () => n * factor),
      );
      await run.step("publish", () => {
        if (isBroken) throw new Error("the shop is closed");
      });
      return priced;
    });
    const host = testHost({ workflows: [prices], ...(maps === undefined ? {} : { maps }) });
    const runId = await host.start(prices);
    expect((await host.get(runId)).status).toBe("failed");
    [rate, isBroken] = [3, false];
    if (isCold) host.crash();
    await host.redrive(runId, { from: "rate" });
    expect(await host.result(runId)).toEqual([3, 6, 9, 12, 15]);
  },
);

it.each([
  ["in one leaf", 9],
  ["in leaves", 3],
  ["in leaves below nodes that have come to their own end", 2],
])("failures that are too many only over the whole map are all done again: %s", async (_how, batch) => {
  let isBroken = true;
  const begun: number[] = [];
  const bills = workflow("bills", { maxRetries: 0 }, (run) =>
    run.map(
      "bill",
      [0, 1, 2, 3, 4, 5, 6, 7],
      async (item, n) => {
        await item.sleep("until due", `${n + 1}m`);
        return item.step("send", () => {
          begun.push(n);
          if (isBroken && (n === 1 || n === 7)) throw new Error("no paper");
          return n;
        });
      },
      { tolerate: 1 },
    ),
  );
  const host = testHost({ workflows: [bills], maps: { inLegMax: 1, batch, fanOut: 2 } });
  const runId = await host.start(bills);
  await host.skip("1h");
  expect((await host.get(runId)).error?.code).toBe("ToleranceExceeded");
  isBroken = false;
  await host.redrive(runId);
  await host.skip("1h");
  expect(await host.result(runId)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(begun.toSorted()).toEqual([0, 1, 1, 2, 3, 4, 5, 6, 7, 7]);
});

it("a map has its items by mended code, though the old code cut it off in the entry that began it", async () => {
  const ports = memoryPorts();
  const engineOf = (look: () => unknown) => {
    const both = workflow("both", (run) =>
      run.all("both", {
        mapped: (branch) => branch.map("each", [7, 8], (_item, n) => n, { batch: 2 }),
        looked: async () => look(),
      }),
    );
    return createEngine(ports, {
      workflows: [both],
      log: silent,
      settings: { owner: "one", codeHash: "code" },
    });
  };
  const old = engineOf(() => {
    throw new Error("not yet");
  });
  await start(old, { workflow: "both", runId: "both" });
  await advance(old, ports.queue.pending("work")[0]!.body);
  const { state } = (await loadRun(old, "both"))!;
  const map = [...state.operations.values()].find(({ kind }) => kind === "map")!;
  expect([map.status, map.sequence]).toEqual(["cancelled", state.sequence]);
  const part = { inc: state.inc, mapper: "both", name: "each", from: 0, to: 2 };
  const node = { ...part, operation: map.id, tree: map.tree!, sequence: map.sequence! };
  expect(
    (
      await siteOf(
        engineOf(() => "seen"),
        state,
        node,
      )
    ).items,
  ).toEqual([7, 8]);
});
