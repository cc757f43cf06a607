/** What the simulation has found, each as small as it gets: none of it may come back. */
import { describe, expect, it } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { start } from "../../shared/engine/control.ts";
import { receiveSignals } from "../../shared/engine/intake.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import { parseWake } from "../../shared/engine/wake.ts";
import { testHost } from "../../shared/testing/index.ts";
import { complaints } from "./histories.ts";
import { calm, type PlannedFault, type Profile } from "./plan.ts";
import { World } from "./world.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const waits = workflow("waits", (run) => run.waitForSignal("go"));

function anEngine(): Engine & { ports: ReturnType<typeof memoryPorts> } {
  const ports = memoryPorts();
  const settings = { owner: "one", codeHash: "code" };
  return { ...createEngine(ports, { workflows: [waits], log: silent, settings }), ports };
}

const message = (runId: string, signalId: string) => ({
  id: signalId,
  body: JSON.stringify({ runId, signalId, name: "go" }),
});

const history = (name: string, profile: Partial<Profile>, plan: PlannedFault[] = [], isLossy = false) =>
  new World({ seed: 1, isLossy, play: [name], profile: { ...calm, ...profile }, plan }).run();

describe("found", () => {
  it("a start for later, asked for twice, made two schedules of one name", async () => {
    const host = testHost({ workflows: [waits] });
    const startAt = host.now().getTime() + 7_200_000;
    await host.start(waits, undefined, { runId: "later", startAt });
    await expect(host.start(waits, undefined, { runId: "later", startAt })).resolves.toBe("later");
  });

  it("a wake named a signal that was there already, and so came too early for the new one", async () => {
    const engine = anEngine();
    await start(engine, { workflow: "waits", runId: "run" });
    await receiveSignals(engine, [message("run", "old")]);
    await receiveSignals(engine, [message("run", "new"), message("run", "old")]);
    const wakes = engine.ports.queue.pending("work").map(({ body }) => parseWake(body)?.event);
    expect(wakes).toEqual(["created", "signal:old", "signal:new"]);
  });

  it("what was taken one by one was never offered again", async () => {
    const { clock, queue } = memoryPorts({ visibilityMs: 1_000 });
    const taken: string[] = [];
    const take = async (): Promise<void> => {
      for (;;) {
        const [letter] = await queue.receive("work", { max: 1, waitMs: 0 });
        if (letter === undefined) return;
        taken.push(letter.body);
      }
    };
    const close = queue.onMessage("work", () => void take());
    await queue.send("work", [
      { runId: "r", body: "one" },
      { runId: "r", body: "two" },
    ]);
    await clock.advance(1_500);
    close();
    expect(taken).toEqual(["one", "two", "one", "two"]);
  });

  it.each<[string, string]>([
    ["a clean-up that outlasts the deadline of a cancelled run made its leg spin", "cancelledLate"],
    ["a leg that handed over after its last step forgot the timer", "handover"],
    ["a run with a longer retention than its horizon was kept too short", "keeper"],
    ["a resumed run had lost the wake that came while it was paused", "paused"],
  ])("%s", async (_, scenario) => {
    expect(complaints(await history(scenario, {}))).toEqual([]);
  });

  it("a claim kept what it had decided before its former owner's late entry", async () => {
    const profile = { visibilityMs: 150_000 };
    const { calls } = await history("plain", profile);
    for (let call = 1; call <= calls; call++)
      for (const kind of ["freezeBefore", "freezeAfter"] as const) {
        const plan: PlannedFault[] = [{ call, fault: { kind, ms: 150_005 } }];
        expect(complaints(await history("plain", profile, plan))).toEqual([]);
      }
  });
});
