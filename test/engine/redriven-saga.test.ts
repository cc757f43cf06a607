/**
 * Undoing, and doing again what was undone: which idempotency keys the world is shown. A service that keeps its
 * promise answers a key that it knows with what it did then: the same key again would do nothing.
 */
import { describe, expect, test } from "vitest";
import { workflow } from "../../shared/core/workflow.ts";
import { testHost } from "../../shared/testing/index.ts";

interface World {
  /** `charge <key>` and the like, as the world was asked. */
  asked: string[];
  works: boolean;
}

const retry = { maxAttempts: 2, initialDelay: "1s", jitter: "none" } as const;

function shop(world: World, { refundFails = 0 } = {}) {
  let failures = refundFails;
  return workflow("shop", { retry }, async (run) => {
    const note = await run.step("note", ({ idempotencyKey }) => {
      world.asked.push(`note ${idempotencyKey}`);
      return "noted";
    });
    await run.step(
      "charge",
      ({ idempotencyKey }) => {
        world.asked.push(`charge ${idempotencyKey}`);
        return { cents: 100 };
      },
      {
        compensate: ({ cents }, { idempotencyKey, attempt, signal }) => {
          world.asked.push(`refund ${idempotencyKey}`);
          expect([cents, signal.aborted]).toEqual([100, false]);
          if (failures-- > 0) throw new Error(`the bank is closed at attempt ${attempt}`);
        },
      },
    );
    await run.step("pack", ({ idempotencyKey }) => void world.asked.push(`pack ${idempotencyKey}`));
    return run.step(
      "ship",
      ({ idempotencyKey }) => {
        world.asked.push(`ship ${idempotencyKey}`);
        if (!world.works) throw new Error("no truck");
        return note;
      },
      { retry: { maxAttempts: 1 } },
    );
  });
}

const keysOf = ({ asked }: World, what: string): string[] =>
  asked.filter((line) => line.startsWith(`${what} `)).map((line) => line.slice(what.length + 1));

describe("a compensation", () => {
  test("is given a key of its own, the same for each attempt, and after a crash", async () => {
    const world: World = { asked: [], works: false };
    const definition = shop(world, { refundFails: 1 });
    const host = testHost({ workflows: [definition] });
    const runId = await host.start(definition);
    host.crash();
    await host.skip("1m");
    expect((await host.get(runId)).status).toBe("failed");
    const refunds = keysOf(world, "refund");
    expect(refunds).toHaveLength(2);
    expect(new Set(refunds).size).toBe(1);
    expect(keysOf(world, "charge")).not.toContain(refunds[0]);
  });
});

describe("a redrive", () => {
  test("does again what was undone, under another key, and undoes it under another one", async () => {
    const world: World = { asked: [], works: false };
    const definition = shop(world);
    const host = testHost({ workflows: [definition] });
    const runId = await host.start(definition);
    await host.redrive(runId);
    await host.skip("1m");
    host.crash();
    world.works = true;
    await host.redrive(runId);
    expect(await host.result(runId)).toBe("noted");
    for (const [what, times] of [
      ["charge", 3],
      ["refund", 2],
    ] as const) {
      expect(keysOf(world, what)).toHaveLength(times);
      expect(new Set(keysOf(world, what)).size, `each ${what} is another`).toBe(times);
    }
    expect(keysOf(world, "note"), "what was not undone is not done again").toHaveLength(1);
    expect(new Set(keysOf(world, "ship")).size, "what may have been done is asked for by its key").toBe(1);
  });

  test("keeps the key of what could not be undone", async () => {
    const world: World = { asked: [], works: false };
    const definition = shop(world, { refundFails: 2 });
    const host = testHost({ workflows: [definition] });
    const runId = await host.start(definition);
    await host.skip("1m");
    expect((await host.get(runId)).uncompensated).toMatchObject([{ name: "charge" }]);
    await host.redrive(runId);
    await host.skip("1m");
    expect(new Set(keysOf(world, "refund")).size).toBe(1);
    expect(keysOf(world, "charge"), "it still stands").toHaveLength(1);
  });

  test("from a later operation does again what was undone before it, and keeps the rest", async () => {
    const world: World = { asked: [], works: false };
    const definition = shop(world);
    const host = testHost({ workflows: [definition] });
    const runId = await host.start(definition);
    world.works = true;
    await host.redrive(runId, { from: "ship" });
    expect(await host.result(runId)).toBe("noted");
    expect(keysOf(world, "charge")).toHaveLength(2);
    expect(keysOf(world, "note")).toHaveLength(1);
    expect(keysOf(world, "pack")).toHaveLength(1);
  });

  test("from an operation does everything from there again", async () => {
    const world: World = { asked: [], works: false };
    const definition = shop(world);
    const host = testHost({ workflows: [definition] });
    const runId = await host.start(definition);
    world.works = true;
    await host.redrive(runId, { from: "pack" });
    expect(await host.result(runId)).toBe("noted");
    expect([keysOf(world, "charge").length, keysOf(world, "pack").length]).toEqual([2, 2]);
    await expect(host.redrive(runId)).rejects.toMatchObject({ code: "NotRedrivable" });
  });

  test.each([
    [undefined, []],
    ["reserve", ["note", "pack 1", "pack 2"]],
  ])("after one that did not come as far, from %s, does %s again", async (from, again) => {
    const done: string[] = [];
    let broken = "ship";
    const order = workflow("order", { retry: { maxAttempts: 1 } }, async (run) => {
      const attempt = (name: string) => () => {
        done.push(name);
        if (name === broken) throw new Error(`${name} is broken`);
        return name;
      };
      await run.step("reserve", attempt("reserve"), { compensate: () => {} });
      const noted = await run.step("note", attempt("note"));
      const items = [1, 2];
      const packed = await run.map("pack", items, (run, n) => run.step("pack", attempt(`pack ${n}`)), {
        batch: 1,
      });
      await run.step("ship", attempt("ship"));
      return [noted, ...packed];
    });
    const host = testHost({ workflows: [order] });
    const runId = await host.start(order);
    await expect(host.result(runId)).rejects.toThrow("ship is broken");
    broken = "reserve";
    await host.redrive(runId);
    await expect(host.result(runId)).rejects.toThrow("reserve is broken");
    [broken, done.length] = ["", 0];
    await host.redrive(runId, from === undefined ? {} : { from });
    expect(await host.result(runId)).toEqual(["note", "pack 1", "pack 2"]);
    expect(done.toSorted()).toEqual([...again, "reserve", "ship"].toSorted());
  });
});
