/** A redrive of a run that has started children: it waits for none that can no longer be waited for. */
import { describe, expect, test } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { redrive, requestCancel, start } from "../../shared/engine/control.ts";
import { loadRun } from "../../shared/engine/load.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import type { JournalStore } from "../../shared/ports/journal.ts";
import { testHost } from "../../shared/testing/index.ts";

const apart = workflow("apart", () => "done");
const retry = { maxAttempts: 1 };
const silent = { debug() {}, info() {}, warn() {}, error() {} };

describe("a redrive behind a detached child", () => {
  test.each([undefined, "break"])("goes on from %s, with the same child", async (from) => {
    let works = false;
    const parent = workflow("parent", { retry }, async (run) => {
      const child = await run.child("apart", apart, undefined, { detached: true });
      await run.step("break", () => {
        if (!works) throw new Error("not yet");
      });
      return child;
    });
    const host = testHost({ workflows: [apart, parent] });
    const runId = await host.start(parent);
    await expect(host.result(runId)).rejects.toThrow("not yet");
    const [child] = (await host.operations(runId)).map(({ output }) => output);
    works = true;
    await host.redrive(runId, from === undefined ? {} : { from });
    expect(await host.result(runId)).toBe(child);
    expect(await host.operations(runId)).toMatchObject([
      { name: "apart", kind: "child", status: "completed" },
      { name: "break", status: "completed" },
    ]);
  });
});

describe("a redrive behind a child that runs beside what failed", () => {
  const slow = workflow("slow", async (run, name: string) => {
    await run.sleep("nap", "1m");
    return name;
  });

  test("starts another in the place of one that was cut", async () => {
    let works = false;
    const parent = workflow("parent", { retry }, (run) =>
      run.all("both", {
        child: (run) => run.child("slow", slow, "cut"),
        step: (run) =>
          run.step("break", () => {
            if (!works) throw new Error("not yet");
            return "done";
          }),
      }),
    );
    const host = testHost({ workflows: [slow, parent] });
    const runId = await host.start(parent);
    await expect(host.result(runId)).rejects.toThrow("not yet");
    works = true;
    await host.redrive(runId);
    await host.skip("2 minutes");
    expect(await host.result(runId)).toEqual({ child: "cut", step: "done" });
  });

  test("from another child starts both again", async () => {
    let works = false;
    const parent = workflow("parent", { retry }, async (run) => {
      const both = await run.all("both", {
        left: (run) => run.child("left", slow, "left"),
        right: (run) => run.child("right", slow, "right"),
      });
      await run.step("break", () => {
        if (!works) throw new Error("not yet");
      });
      return both;
    });
    const host = testHost({ workflows: [slow, parent] });
    const runId = await host.start(parent);
    await host.skip("2 minutes");
    await expect(host.result(runId)).rejects.toThrow("not yet");
    works = true;
    await host.redrive(runId, { from: "right" });
    await host.skip("2 minutes");
    expect(await host.result(runId)).toEqual({ left: "left", right: "right" });
  });
});

test("a detached child in the place of another child is a run of its own", async () => {
  let isBroken = true;
  const nap = workflow("nap", (run) => run.sleep("nap", "1 day"));
  const note = workflow("note", () => "noted");
  const works = workflow("works", { maxRetries: 0 }, async (run) => {
    const other = run.step("other", () => {
      if (isBroken) throw new Error("not yet");
    });
    const child = isBroken
      ? run.child("child", nap)
      : run.child("child", note, undefined, { detached: true });
    await other;
    return child;
  });
  const host = testHost({ workflows: [works, nap, note] });
  const runId = await host.start(works);
  expect((await host.get(runId)).status).toBe("failed");
  isBroken = false;
  await host.redrive(runId);
  expect(await host.result((await host.result(runId)) as string)).toBe("noted");
});

describe("a redrive keeps what a child has answered", () => {
  const packer = (packed: string[], isBroken: () => boolean) =>
    workflow("packer", { retry }, (run, sku: string) =>
      run.step("pack", () => {
        packed.push(sku);
        if (sku === "b" && isBroken()) throw new Error("no box");
        return `${sku} packed`;
      }),
    );

  test.each([
    [undefined, ["b"]],
    ["pack a", ["a", "b", "c"]],
    ["pack b", ["b", "c"]],
    ["pack c", ["b", "c"]],
  ])("that ran beside the one that failed: from %s it is %s that run again", async (from, again) => {
    const packed: string[] = [];
    let isBroken = true;
    const pack = packer(packed, () => isBroken);
    const shipment = workflow("shipment", async (run) => {
      const parcels = ["a", "b", "c"].map((sku) => run.child(`pack ${sku}`, pack, sku));
      await Promise.allSettled(parcels);
      return Promise.all(parcels);
    });
    const host = testHost({ workflows: [shipment, pack] });
    const runId = await host.start(shipment);
    await expect(host.result(runId)).rejects.toThrow("no box");
    packed.length = 0;
    isBroken = false;
    await host.redrive(runId, from === undefined ? {} : { from });
    expect(await host.result(runId)).toEqual(["a packed", "b packed", "c packed"]);
    expect(packed.toSorted()).toEqual(again);
  });

  test("behind a step that was undone, through redrives, a cancel and crashes", async () => {
    const packed: string[] = [];
    let failures = 2;
    const pack = packer(packed, () => false);
    const shipment = workflow("shipment", { retry }, async (run) => {
      await run.step("reserve", () => "reserved", { compensate: () => {} });
      const parcel = await run.child("pack", pack, "a");
      await run.sleep("rest", "1h");
      await run.step("ship", () => {
        if (failures-- > 0) throw new Error("no truck");
      });
      return parcel;
    });
    const host = testHost({ workflows: [shipment, pack] });
    const runId = await host.start(shipment);
    await host.skip("2h");
    const [, before] = await host.operations(runId);
    await host.redrive(runId);
    await host.cancel(runId);
    host.crash();
    await host.redrive(runId);
    host.crash();
    await host.skip("2h");
    await expect(host.result(runId)).rejects.toThrow("no truck");
    await host.redrive(runId);
    await host.skip("2h");
    expect(await host.result(runId)).toBe("a packed");
    expect(packed).toEqual(["a"]);
    expect((await host.operations(runId))[1]).toMatchObject({ childRunId: before!.childRunId });
  });
});

describe("a redrive from before a spread map that was cut before it began", () => {
  test("does its items", async () => {
    let works = false;
    const parent = workflow("parent", { retry }, (run) =>
      run.all("both", {
        step: (run) =>
          run.step("break", () => {
            if (!works) throw new Error("not yet");
            return "done";
          }),
        map: (run) =>
          run.map("each", [1, 2, 3], (run, item) => run.step("add", () => item + 1), { batch: 2 }),
      }),
    );
    const host = testHost({ workflows: [parent] });
    const runId = await host.start(parent);
    await expect(host.result(runId)).rejects.toThrow("not yet");
    works = true;
    await host.redrive(runId, { from: "both" });
    await host.skip("1 minute");
    expect(await host.result(runId)).toEqual({ step: "done", map: [2, 3, 4] });
  });
});

describe("a redrive that takes a signal back", () => {
  test("keeps its place before those that came after it", async () => {
    let works = false;
    const parent = workflow("parent", { retry }, async (run) => {
      await run.step("first", () => {});
      const one = await run.waitForSignal<number>("item");
      await run.sleep("nap", "1m");
      await run.step("break", () => {
        if (!works) throw new Error("not yet");
      });
      return [one, await run.waitForSignal<number>("item")];
    });
    const host = testHost({ workflows: [parent] });
    const runId = await host.start(parent);
    await host.signal(runId, "item", 1);
    await host.signal(runId, "item", 2);
    await host.skip("2 minutes");
    await expect(host.result(runId)).rejects.toThrow("not yet");
    works = true;
    await host.redrive(runId, { from: "first" });
    await host.skip("2 minutes");
    expect(await host.result(runId)).toEqual([1, 2]);
  });
});

test("a redrive leaves no child behind whose cancel was still owed", async () => {
  const ports = memoryPorts();
  const slow = workflow("slow", (run) => run.waitForSignal("go"));
  const parent = workflow("parent", (run) => run.child("slow", slow));
  const engineOf = (owner: string, journal: JournalStore = ports.journal) =>
    createEngine(
      { ...ports, journal },
      { workflows: [slow, parent], log: silent, settings: { owner, codeHash: "c" } },
    );
  const childId = async () => (await loadRun(ports, "run"))!.state.operations.get("1")?.childRunId;
  const work = async (engine: Engine) => {
    for (;;) {
      const letters = await ports.queue.receive("work", { max: 10, waitMs: 0 });
      if (letters.length === 0) return;
      const handled = Promise.allSettled(letters.map(({ body }) => advance(engine, body)));
      await ports.clock.advance(10_000);
      await handled;
      await ports.queue.acknowledge(
        "work",
        letters.map(({ receipt }) => receipt),
      );
    }
  };
  const api = engineOf("api");
  await start(api, { workflow: "parent", runId: "run", timeoutMs: 60_000 });
  await work(engineOf("first"));
  const cut = (await childId())!;
  // From here on this process sees nothing of the child: it ends the run, and dies over what that owes.
  const blind = new Proxy(ports.journal, {
    get: (journal, name) => {
      const member: unknown = Reflect.get(journal, name);
      if (typeof member !== "function") return member;
      return (of: unknown, ...args: unknown[]) => {
        if (of === cut || (of as { runId?: string }).runId === cut) throw new Error("throttled");
        return member.call(journal, of, ...args);
      };
    },
  });
  await ports.clock.advance(60_000);
  await work(engineOf("second", blind));
  expect((await loadRun(ports, "run"))?.state.finished?.status).toBe("timedOut");
  await redrive(api, "run");
  await work(engineOf("third"));
  expect(await childId()).not.toBe(cut);
  expect((await loadRun(ports, cut))?.state.finished?.status).toBe("cancelled");
});

test("a child that a redrive has cut is there as one that is cancelled, for whoever starts it late", async () => {
  const ports = memoryPorts();
  const begun: string[] = [];
  const work = workflow("work", (run) => run.step("begin", () => void begun.push(run.runId)));
  const parent = workflow("parent", (run) => run.child("work", work));
  const engineOf = (owner: string, create: JournalStore["create"] = (run) => ports.journal.create(run)) => {
    const { journal } = ports;
    const get = (_: unknown, name: keyof JournalStore) =>
      name === "create" ? create : journal[name].bind(journal);
    return createEngine(
      { ...ports, journal: new Proxy(journal, { get: get as ProxyHandler<typeof journal>["get"] }) },
      { workflows: [work, parent], log: silent, settings: { owner, codeHash: "c" } },
    );
  };
  const take = async (engine: Engine) => {
    for (const { body, receipt } of await ports.queue.receive("work", { max: 10, waitMs: 0 })) {
      const handled = advance(engine, body).catch(() => {});
      await ports.clock.advance(10_000);
      await handled;
      await ports.queue.acknowledge("work", [receipt]);
    }
  };
  const childOf = async (runId: string) =>
    (await loadRun(ports, runId))!.state.operations.get("1")!.childRunId!;
  const api = engineOf("api");
  await start(api, { workflow: "parent", runId: "run" });
  const thaw = Promise.withResolvers<void>();
  const stands = engineOf("stands still", (run) => thaw.promise.then(() => ports.journal.create(run)));
  const [letter] = await ports.queue.receive("work", { max: 1, waitMs: 0 });
  const late = advance(stands, letter!.body);
  const phase = async () => (await loadRun(ports, "run"))!.state.phase;
  await expect.poll(phase, { timeout: 30_000 }).toBe("parked");
  const cut = await childOf("run");
  await requestCancel(api, "run");
  // It ends the run, and dies before it has come to the child.
  await take(engineOf("dies", () => Promise.reject(new Error("gone"))));
  await redrive(api, "run");
  const next = engineOf("next");
  for (let times = 0; times < 5; times++) await take(next);
  thaw.resolve();
  await late;
  for (let times = 0; times < 5; times++) await take(next);
  expect((await loadRun(ports, "run"))!.state.finished?.status).toBe("completed");
  expect((await loadRun(ports, cut))!.state.finished?.status).toBe("cancelled");
  expect(begun).toEqual([await childOf("run")]);
});
