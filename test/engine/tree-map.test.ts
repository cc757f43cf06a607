/** Maps over many items: a tree of child runs that comes to what a map in the leg comes to. */
import { describe, expect, it } from "vitest";
import type { MapOptions, RunContext } from "../../shared/core/context.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { everyCrash, type TestHost, testHost } from "../../shared/testing/index.ts";

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const small = { inLegMax: 3, batch: 2, fanOut: 3 };
const once = { retry: { maxAttempts: 1 } };

/** A workflow that maps over `count` numbers. */
const mapping = <O extends MapOptions>(
  work: (item: RunContext, n: number) => unknown,
  options?: O,
  name = "mapping",
) => workflow(name, (run, input: { count: number }) => run.map("each", numbers(input.count), work, options));

/** All runs of a map's tree below a run. */
async function nodesOf(host: TestHost, runId: string): Promise<string[]> {
  const operations = await host.operations(runId);
  const nodes = operations.flatMap(({ kind, childRunId }) => (kind === "child" ? [childRunId!] : []));
  const below = await Promise.all(nodes.map((node) => nodesOf(host, node)));
  return [...nodes, ...below.flat()];
}

const squares = mapping((item, n) => item.step("square", () => n * n));
const squaresOf = (count: number): number[] => numbers(count).map((n) => n * n);

describe("a map over many items", () => {
  it("has as many leaves as it takes, and answers results in order", async () => {
    const host = testHost({ workflows: [squares] });
    const id = await host.start(squares, { count: 250 });
    expect(await host.result(id)).toEqual(squaresOf(250));
    const operations = await host.operations(id);
    expect(operations.map(({ id, kind, status }) => [id, kind, status])).toEqual([
      ["1", "map", "completed"],
      ["1/0-99", "child", "completed"],
      ["1/100-199", "child", "completed"],
      ["1/200-249", "child", "completed"],
    ]);
  });

  it("has nodes between, where a run would have too many children", async () => {
    const host = testHost({ workflows: [squares], maps: small });
    const id = await host.start(squares, { count: 20 });
    expect(await host.result(id)).toEqual(squaresOf(20));
    const operations = await host.operations(id);
    expect(operations.map(({ id }) => id)).toEqual(["1", "1/0-17", "1/18-19"]);
    const inner = await host.operations(operations[1]!.childRunId!);
    expect(inner.map(({ id }) => id)).toEqual(["1", "1/0-5", "1/6-11", "1/12-17"]);
  });

  it("of a few items stays in the leg, unless it names a batch", async () => {
    const batched = mapping((_item, n) => n, { batch: 2 }, "batched");
    const host = testHost({ workflows: [squares, batched] });
    const plain = await host.start(squares, { count: 5 });
    expect(await nodesOf(host, plain)).toEqual([]);
    const tree = await host.start(batched, { count: 5 });
    expect(await host.result(tree)).toEqual([0, 1, 2, 3, 4]);
    expect(await nodesOf(host, tree)).toHaveLength(3);
  });

  it("comes to the same whenever a process dies, and to one result for each item", async () => {
    const { crashes } = await everyCrash({ workflows: [squares], maps: small }, async (host) => {
      const id = await host.start(squares, { count: 9 });
      await host.skip("10m");
      return host.result(id);
    });
    expect(crashes).toBeGreaterThan(100);
  }, 60_000);

  it("keeps no more items in work at once than its concurrency", async () => {
    let inWork = 0;
    let most = 0;
    const bounded = mapping(
      (item) =>
        item.step("work", async () => {
          most = Math.max(most, ++inWork);
          await new Promise((resolve) => setTimeout(resolve, 2));
          inWork--;
        }),
      { concurrency: 5 },
    );
    const host = testHost({ workflows: [bounded], maps: { inLegMax: 3, batch: 3, fanOut: 4 } });
    const id = await host.start(bounded, { count: 40 });
    expect(await host.result(id)).toHaveLength(40);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(5);
  });

  it("tolerates failed items over all leaves, by count and by share", async () => {
    const thirds = (tolerate: MapOptions["tolerate"], name: string) =>
      mapping(
        (item, n) =>
          item.step(
            "third",
            () => {
              if (n % 3 === 0) throw new Error(`no ${n}`);
              return n;
            },
            once,
          ),
        { tolerate },
        name,
      );
    const [count, share, few] = [thirds(4, "count"), thirds("40%", "share"), thirds(3, "few")];
    const host = testHost({ workflows: [count, share, few], maps: small });
    const expected = [null, 1, 2, null, 4, 5, null, 7, 8, null];
    expect(await host.result(await host.start(count, { count: 10 }))).toEqual(expected);
    expect(await host.result(await host.start(share, { count: 10 }))).toEqual(expected);
    const failed = await host.start(few, { count: 10 });
    const { status, error } = await host.get(failed);
    expect(status).toBe("failed");
    expect(error).toMatchObject({ code: "ToleranceExceeded", data: { failed: 4, tolerated: 3 } });
    expect(error?.cause?.message).toMatch(/^no \d$/);
  });

  it("counts instead of keeping results, if asked to", async () => {
    const counted = mapping(
      (item, n) =>
        item.step(
          "work",
          () => {
            if (n === 4) throw new Error("no");
            return "x".repeat(1_000);
          },
          once,
        ),
      { result: "counts", tolerate: 1 },
    );
    const host = testHost({ workflows: [counted], maps: small });
    for (const count of [3, 20])
      expect(await host.result(await host.start(counted, { count }))).toEqual(
        count === 3 ? { completed: 3, failed: 0 } : { completed: 19, failed: 1 },
      );
  });

  it("stores as many results in one entry as its checkpoint says", async () => {
    const entriesOf = async (checkpoint: number | undefined) => {
      let turns = 0;
      const paced = mapping(
        (item, n) =>
          item.step("work", async () => {
            for (let turn = ++turns; turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
            return n;
          }),
        { batch: 40, ...(checkpoint === undefined ? {} : { checkpoint }) },
      );
      const host = testHost({ workflows: [paced] });
      const id = await host.start(paced, { count: 40 });
      expect(await host.result(id)).toEqual(numbers(40));
      const [leaf] = await nodesOf(host, id);
      return (await host.journal(leaf!)).at(-1)!.sequence;
    };
    expect(await entriesOf(undefined)).toBeGreaterThan(20);
    expect(await entriesOf(10)).toBeLessThan(8);
  });

  it("takes large results through blobs", async () => {
    const large = mapping((item, n) => item.step("large", () => `${n}`.padEnd(20_000, ".")), { batch: 3 });
    const host = testHost({ workflows: [large] });
    const results = (await host.result(await host.start(large, { count: 12 }))) as string[];
    expect(results.map((result) => [Number.parseInt(result, 10), result.length])).toEqual(
      numbers(12).map((n) => [n, 20_000]),
    );
  });

  it("maps within an item, also over many", async () => {
    const nested = mapping(async (item, n) => {
      const inner = await item.map("inner", numbers(5), (deep, m) => deep.step("product", () => n * m));
      return inner.reduce((sum, product) => sum + product, 0);
    });
    const host = testHost({ workflows: [nested], maps: small });
    expect(await host.result(await host.start(nested, { count: 7 }))).toEqual(numbers(7).map((n) => n * 10));
  });

  it("does dry runs", async () => {
    const paid: number[] = [];
    const pay = mapping((item, n) =>
      item.step("pay", () => paid.push(n), { dryRun: () => (item.dryRun ? -1 : 0) }),
    );
    const host = testHost({ workflows: [pay], maps: small });
    const id = await host.start(pay, { count: 5 }, { dryRun: true });
    expect(await host.result(id)).toEqual([-1, -1, -1, -1, -1]);
    expect(paid).toEqual([]);
  });
});

describe("an item of a map over many", () => {
  it("sees what surrounds the map, as the run had it", async () => {
    const closing = workflow("closing", async (run, input: { count: number }) => {
      const factor = await run.step("factor", () => 3);
      run.setState({ phase: "mapping" });
      return run.map("each", numbers(input.count), (item, n) => [n * factor, item.state.phase as string]);
    });
    const host = testHost({ workflows: [closing], maps: small });
    expect(await host.result(await host.start(closing, { count: 4 }))).toEqual(
      numbers(4).map((n) => [n * 3, "mapping"]),
    );
  });

  it("may do nothing with the run around the map", async () => {
    const reaching = workflow("reaching", (run, input: { count: number }) =>
      run.map("each", numbers(input.count), () => run.step("outer", () => 1)),
    );
    const host = testHost({ workflows: [reaching], maps: small });
    const { error } = await host.get(await host.start(reaching, { count: 4 }));
    expect(error?.cause).toMatchObject({ code: "OutsideItem" });
    expect(error?.cause?.message).toContain("the callback's own run");
  });

  it("sees nothing of what other items did to theirs, be they part of a graph", async () => {
    const items = numbers(4).map(() => ({ n: 0, around: [] as object[] }));
    for (const each of items) each.around = items;
    const mutating = workflow("mutating", (run) =>
      run.map("each", items, async (item, value, index) => {
        await item.sleep("nap", "1h");
        value.n++;
        return value.around[index] === value ? value.n : "another's";
      }),
    );
    const host = testHost({ workflows: [mutating], maps: small });
    const id = await host.start(mutating);
    await host.skip("2h");
    expect(await host.result(id)).toEqual([1, 1, 1, 1]);
  });

  it("sleeps and waits in its leaf", async () => {
    const waiting = mapping(async (item, n) => {
      await item.sleep("nap", "1 day");
      const told = await item.waitForSignal<string>("go", { timeout: "1h" }).catch(() => "nothing");
      return `${n}: ${told}`;
    });
    const host = testHost({ workflows: [waiting], maps: small });
    const id = await host.start(waiting, { count: 4 });
    await host.skip("1 day");
    const [first] = await nodesOf(host, id);
    await host.signal(first!, "go", "yes");
    await host.skip("2h");
    expect(await host.result(id)).toEqual(["0: yes", "1: nothing", "2: nothing", "3: nothing"]);
  });

  it("stalls under other code, and goes on under the old one", async () => {
    const napping = (changed: boolean) =>
      workflow("napping", async (run, input: { count: number }) => {
        if (changed) await run.step("new", () => 0);
        return run.map("each", numbers(input.count), async (item, n) => {
          await item.sleep("nap", "1h");
          return n;
        });
      });
    const host = testHost({ workflows: [napping(false)], maps: small });
    const id = await host.start("napping", { count: 4 });
    const [leaf] = await nodesOf(host, id);
    host.deploy([napping(true)]);
    await host.skip("2h");
    expect((await host.get(leaf!)).stalled).toMatchObject({ code: "NonDeterminism" });
    host.deploy([napping(false)]);
    await host.skip("10m");
    expect(await host.result(id)).toEqual([0, 1, 2, 3]);
  });

  it("stalls the map whose items come out otherwise on replay, and says which", async () => {
    let made = 0;
    const drifting = workflow("drifting", (run) =>
      run.map("each", [++made, 2, 3, 4], async (item, n) => {
        await item.sleep("nap", "1h");
        return n;
      }),
    );
    const host = testHost({ workflows: [drifting], maps: small });
    const id = await host.start(drifting);
    const [leaf] = await nodesOf(host, id);
    expect((await host.get(leaf!)).stalled).toMatchObject({ code: "NonDeterminism" });
    expect((await host.get(leaf!)).stalled?.message).toContain("map of 4 items");
  });
});

describe("steering a map over many items", () => {
  const done: number[] = [];
  const napping = mapping(async (item, n) => {
    try {
      await item.sleep("nap", "1h");
      return await item.step("work", () => {
        done.push(n);
        return n;
      });
    } finally {
      await item.step("clean", () => null);
    }
  });
  const started = async (count: number) => {
    done.length = 0;
    const host = testHost({ workflows: [napping], maps: small });
    return { host, id: await host.start(napping, { count }) };
  };

  it("a cancel reaches the leaves", async () => {
    const { host, id } = await started(20);
    await host.cancel(id, { reason: "enough" });
    for (const run of [id, ...(await nodesOf(host, id))])
      expect((await host.get(run)).status).toBe("cancelled");
    await host.skip("2h");
    expect(done).toEqual([]);
  });

  it("a leaf that is cancelled is so many failed items", async () => {
    const { host, id } = await started(4);
    const [leaf] = await nodesOf(host, id);
    await host.cancel(leaf!);
    expect(await host.get(id)).toMatchObject({
      status: "failed",
      error: { code: "ToleranceExceeded", data: { failed: 2 }, cause: { code: "ChildCancelled" } },
    });
  });

  it("a pause reaches the leaves, and so does its end", async () => {
    const { host, id } = await started(20);
    await host.pause(id);
    const nodes = await nodesOf(host, id);
    for (const run of [id, ...nodes]) expect((await host.get(run)).status).toBe("paused");
    await host.skip("3h");
    expect(done).toEqual([]);
    await host.resume(id);
    await host.skip("1m");
    expect(await host.result(id)).toEqual(numbers(20));
    expect(done.toSorted((a, b) => a - b)).toEqual(numbers(20));
  });

  it("a redrive of what was cancelled goes on where the items are", async () => {
    const { host, id } = await started(7);
    const nodes = await nodesOf(host, id);
    await host.skip("30m");
    await host.cancel(id);
    await host.redrive(id);
    expect((await nodesOf(host, id)).toSorted()).toEqual(nodes.toSorted());
    await host.skip("30m");
    expect(await host.result(id)).toEqual(numbers(7));
    expect(done.toSorted((a, b) => a - b)).toEqual(numbers(7));
  });

  it("a redrive from the map, or from before it, does all items again", async () => {
    const begun: number[] = [];
    let isBroken = true;
    const all = workflow("all", async (run, count: number) => {
      const items = await run.step("list", () => numbers(count));
      const results = await run.map("items", items, (item, n) =>
        item.step("work", () => {
          begun.push(n);
          return isBroken ? n : n + 100;
        }),
      );
      await run.step(
        "after",
        () => {
          if (isBroken) throw new Error("broken");
        },
        once,
      );
      return results;
    });
    for (const from of ["items", "list"]) {
      begun.length = 0;
      isBroken = true;
      const host = testHost({ workflows: [all], maps: { inLegMax: 3, batch: 4, fanOut: 3 } });
      const id = await host.start(all, 40);
      await host.skip("1m");
      expect((await host.get(id)).status).toBe("failed");
      const nodes = await nodesOf(host, id);
      isBroken = false;
      await host.redrive(id, { from });
      await host.skip("1m");
      expect(await host.result(id)).toEqual(numbers(40).map((n) => n + 100));
      expect(begun.toSorted((left, right) => left - right)).toEqual(numbers(40).flatMap((n) => [n, n]));
      expect((await nodesOf(host, id)).toSorted()).toEqual(nodes.toSorted());
    }
  });

  it("a redrive does failed items again, and no others", async () => {
    const begun: string[] = [];
    let isBroken = true;
    const breaking = mapping(
      async (item, n) => {
        await item.sleep("nap", "1s");
        await item.step("before", () => begun.push(`before ${n}`));
        return item.step(
          "work",
          () => {
            begun.push(`work ${n}`);
            if (isBroken && n % 5 === 0) throw new Error("broken");
            return n;
          },
          once,
        );
      },
      { tolerate: 1 },
    );
    const host = testHost({ workflows: [breaking], maps: { inLegMax: 3, batch: 4, fanOut: 3 } });
    const id = await host.start(breaking, { count: 16 });
    await host.skip("10m");
    expect((await host.get(id)).status).toBe("failed");
    const nodes = await nodesOf(host, id);
    const before = [...begun];
    begun.length = 0;
    isBroken = false;
    await host.redrive(id);
    await host.skip("10m");
    expect(await host.result(id)).toEqual(numbers(16));
    expect((await nodesOf(host, id)).toSorted()).toEqual(nodes.toSorted());
    expect(before).toEqual(expect.arrayContaining(["work 0", "work 1"]));
    expect(begun).toEqual(expect.arrayContaining(["work 0", "work 5", "work 10", "work 15"]));
    // What had completed is not done again: neither items nor the first steps of failed ones.
    expect(begun.filter((entry) => before.includes(entry) && !entry.startsWith("work "))).toEqual([]);
    const twice = begun.filter((entry) => before.includes(entry)).map((entry) => Number(entry.slice(5)));
    expect(twice.every((n) => n % 5 === 0)).toBe(true);
  });
});

describe("undoing what the items of a map over many have done", () => {
  it("undoes a map after all that was done behind it, also another map", async () => {
    const undone: string[] = [];
    const packing = workflow("packing", { maxRetries: 0 }, async (run) => {
      for (const box of ["first", "second"])
        await run.map(
          box,
          [1, 2, 3, 4],
          (item, n) => item.step("pack", () => {}, { compensate: () => undone.push(`${box} ${n}`) }),
          { batch: 2 },
        );
      await run.step("ship", () => {
        throw new Error("no truck");
      });
    });
    const host = testHost({ workflows: [packing], maps: small });
    const id = await host.start(packing);
    await host.skip("10m");
    expect(await host.get(id)).toMatchObject({ status: "failed", error: { message: "no truck" } });
    expect(undone.map((entry) => entry.split(" ")[0])).toEqual([
      ...["second", "second", "second", "second"],
      ...["first", "first", "first", "first"],
    ]);
  });

  class Refused extends Error {}
  /** A crash is no refusal. */
  const refusable = { retry: { nonRetryable: [Refused] } };
  const undone: number[] = [];
  let isBroken = true;
  const booking = workflow("booking", async (run, input: { count: number; tolerate: number }) => {
    await run.map(
      "book",
      numbers(input.count),
      async (item, n) => {
        await item.step("book", () => n, { compensate: (booked) => undone.push(booked) });
        await item.sleep("settle", "1m");
        await item.step(
          "confirm",
          () => {
            if (isBroken && n === 3) throw new Refused("no");
          },
          refusable,
        );
      },
      { tolerate: input.tolerate },
    );
    await run.step(
      "pay",
      () => {
        if (isBroken) throw new Refused("no money");
      },
      refusable,
    );
    return "paid";
  });
  const started = async (count: number, tolerate: number, until: "end" | "middle" = "end") => {
    undone.length = 0;
    isBroken = true;
    const host = testHost({ workflows: [booking], maps: small });
    const id = await host.start(booking, { count, tolerate });
    await host.skip(until === "end" ? "10m" : "30s");
    return { host, id };
  };
  const sorted = (): number[] => undone.toSorted((left, right) => left - right);

  it("happens in its leaves, when the run fails after the map", async () => {
    const { host, id } = await started(20, 1);
    const run = await host.get(id);
    expect([run.status, run.error?.message]).toEqual(["failed", "no money"]);
    expect(sorted()).toEqual(numbers(20));
  });

  it("happens when the map itself fails, and when the run is cancelled", async () => {
    const { host, id } = await started(7, 0);
    expect((await host.get(id)).error?.code).toBe("ToleranceExceeded");
    expect(sorted()).toEqual(numbers(7));
    const other = await started(7, 0, "middle");
    await other.host.cancel(other.id);
    expect((await other.host.get(other.id)).status).toBe("cancelled");
    expect(sorted()).toEqual(numbers(7));
    expect((await host.get(id)).stalled).toBeUndefined();
  });

  it("is done again by a redrive", async () => {
    const { host, id } = await started(7, 1);
    expect(sorted()).toEqual(numbers(7));
    isBroken = false;
    undone.length = 0;
    await host.redrive(id);
    await host.skip("10m");
    expect(await host.result(id)).toBe("paid");
    expect(undone).toEqual([]);
  });

  it("comes to the same whenever a process dies", async () => {
    await everyCrash({ workflows: [booking], maps: small }, async (host) => {
      undone.length = 0;
      isBroken = true;
      const id = await host.start(booking, { count: 7, tolerate: 1 });
      await host.skip("30m");
      const { status, error } = await host.get(id);
      return { status, message: error?.message, undone: [...new Set(sorted())] };
    });
  }, 120_000);
});
