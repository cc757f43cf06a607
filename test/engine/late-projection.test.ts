import { expect, it } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { redrive, requestCancel, start } from "../../shared/engine/control.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import type { JournalStore } from "../../shared/ports/journal.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const asks = workflow("asks", (run) => run.gate("approval"));
const naps = workflow("naps", (run) => run.sleep("nap", "1m"));

it("a process that stood still after its park moves no due time away: others may count on it by now", async () => {
  const ports = memoryPorts();
  const publisher = {
    tells: () => true,
    publish: () => ports.clock.sleep(20 * 60_000),
  };
  const options = { workflows: [asks], log: silent, settings: { owner: "slow", codeHash: "c" } };
  await start(createEngine(ports, options), { workflow: "asks", runId: "run" });
  const before = (await ports.journal.header("run"))!.dueAt!;
  const leg = advance(createEngine({ ...ports, publisher }, options), ports.queue.pending("work")[0]!.body);
  await ports.clock.advance(60 * 60_000);
  await leg;
  expect(await ports.journal.header("run")).toMatchObject({ status: "waiting", dueAt: before });
});

it("a redriven run is in the due index from its first park on, however late its end has taken it out", async () => {
  const ports = memoryPorts();
  const { journal } = ports;
  const engineOf = (owner: string, calls: Partial<JournalStore> = {}) => {
    const get = (_: unknown, name: string) =>
      Reflect.get(calls, name) ?? Reflect.get(journal, name).bind(journal);
    const between = {
      ...ports,
      journal: new Proxy(journal, { get: get as ProxyHandler<typeof journal>["get"] }),
    };
    return createEngine(between, { workflows: [naps], log: silent, settings: { owner, codeHash: "c" } });
  };
  const newest = () => ports.queue.pending("work").at(-1)!.body;
  const api = engineOf("api");
  await start(api, { workflow: "naps", runId: "run" });
  await requestCancel(api, "run");
  // This one ends it, and is held up before its header leaves the due index.
  let leaves = async () => {};
  const project: JournalStore["project"] = async (key, projection) => {
    leaves = async () => void (await journal.project(key, projection));
    return false;
  };
  await advance(engineOf("ends", { project }), newest());
  // The caller that redrives it is held up before it shows that.
  let shows = async () => {};
  const projectLater: JournalStore["project"] = async (key, projection) => {
    shows = async () => void (await journal.project(key, projection));
    return false;
  };
  await redrive(engineOf("redrives", { project: projectLater }), "run");
  const append: JournalStore["append"] = async (key, entry, expiresAt) => {
    await leaves();
    return journal.append(key, entry, expiresAt);
  };
  await advance(engineOf("goes on", { append }), newest());
  await shows();
  expect(await journal.header("run")).toMatchObject({ status: "sleeping", dueAt: expect.any(Number) });
});
