/** Wakes that meet a live lease (J9). */
import { expect, it } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { start } from "../../shared/engine/control.ts";
import { loadRun } from "../../shared/engine/load.ts";
import type { Ports } from "../../shared/engine/parts.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import { parseWake } from "../../shared/engine/wake.ts";
import { mortalPorts } from "../../shared/testing/mortal.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** A run whose leg is at work in a process that may die. */
async function aLeasedRun() {
  const ports = memoryPorts();
  const works = workflow("works", (run) => run.step("work", () => new Promise(() => {}), { timeout: "1m" }));
  const aProcess = (owner: string, change: Partial<Ports> = {}) =>
    createEngine(
      { ...ports, ...change },
      { workflows: [works], log: silent, settings: { owner, codeHash: "c", retriesCrashedAtOnce: true } },
    );
  const life = { isOver: false, onCall() {} };
  const holder = aProcess("holder", mortalPorts(ports, life));
  await start(holder, { workflow: "works", runId: "run" });
  const [message] = await ports.queue.receive("work", { max: 1, waitMs: 0 });
  void advance(holder, message!.body);
  await ports.queue.acknowledge("work", [message!.receipt]);
  await ports.clock.advance(1_000);
  const { lease, inc } = (await loadRun(ports, "run"))!.state;
  const wake = JSON.stringify({ runId: "run", inc });
  const until = lease!.until + holder.settings.skewMs;
  const coming = () => ports.queue.pending("work").map(({ body }) => parseWake(body)!.at);
  return { ports, aProcess, holder, life, wake, until, coming };
}

it("of all that meet one lease in one process, one is sent again for its end", async () => {
  const { aProcess, holder, wake, until, coming } = await aLeasedRun();
  const other = aProcess("other");
  await Promise.all([advance(other, wake), advance(other, wake)]);
  await advance(other, wake);
  expect(coming()).toEqual([until]);
  await Promise.all([advance(holder, wake), advance(holder, wake)]);
  expect(coming()).toEqual([until, until]);
});

it("each lease has one of its own", async () => {
  const { ports, aProcess, life, wake, until, coming } = await aLeasedRun();
  const other = aProcess("other");
  await advance(other, wake);
  life.isOver = true;
  await ports.clock.advance(until - ports.clock.now());
  const [message] = await ports.queue.receive("work", { max: 1, waitMs: 0 });
  void advance(aProcess("heir"), message!.body);
  await ports.queue.acknowledge("work", [message!.receipt]);
  await ports.clock.advance(1_000);
  const next = (await loadRun(ports, "run"))!.state.lease!;
  expect(next.owner).toBe("heir");
  await advance(other, wake);
  expect(coming()).toEqual([next.until + other.settings.skewMs]);
});

it("one that could not be sent covers nothing", async () => {
  const { ports, aProcess, wake, until, coming } = await aLeasedRun();
  let isBroken = true;
  const queue = new Proxy(ports.queue, {
    get: (target, key) =>
      key === "send" && isBroken
        ? () => Promise.reject(new Error("The queue cannot be reached."))
        : (Reflect.get(target, key, target) as () => unknown).bind(target),
  });
  const other = aProcess("other", { queue });
  await expect(advance(other, wake)).rejects.toThrow("cannot be reached");
  isBroken = false;
  await advance(other, wake);
  expect(coming()).toEqual([until]);
});
