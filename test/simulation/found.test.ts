/** What the simulation has found, each as small as it gets: none of it may come back. */
import { describe, expect, it } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { redrive, requestCancel, sendSignal, start } from "../../shared/engine/control.ts";
import { openGate } from "../../shared/engine/drivers/gates.ts";
import { receiveSignals } from "../../shared/engine/intake.ts";
import { current } from "../../shared/engine/outside.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import { parseWake } from "../../shared/engine/wake.ts";
import { testHost } from "../../shared/testing/index.ts";
import type { Node, Program } from "./generated/program.ts";
import { complaints } from "./histories.ts";
import { calm, type PlannedFault, type Profile } from "./plan.ts";
import { World } from "./world.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const SETTINGS = { owner: "one", codeHash: "code" };
const waits = workflow("waits", (run) => run.waitForSignal("go"));

function anEngine(): Engine & { ports: ReturnType<typeof memoryPorts> } {
  const ports = memoryPorts();
  return { ...createEngine(ports, { workflows: [waits], log: silent, settings: SETTINGS }), ports };
}

const message = (runId: string, signalId: string) => ({
  id: signalId,
  body: JSON.stringify({ runId, signalId, name: "go" }),
});

const history = (name: string, profile: Partial<Profile>, plan: PlannedFault[] = [], isLossy = false) =>
  new World({ seed: 1, isLossy, play: [name], profile: { ...calm, ...profile }, plan }).run();

const spreadOver = (part: Node, count = 1): Node => ({
  ...{ do: "map", count, concurrency: 2, tolerate: 0, refusing: [], batch: 2 },
  part,
});

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

  it("a signal for a run that was just redriven was dropped on a stale read of its end", async () => {
    const engine = anEngine();
    const other = createEngine(engine.ports, { workflows: [waits], log: silent, settings: SETTINGS });
    const { journal } = engine.ports;
    await start(engine, { workflow: "waits", runId: "run" });
    await requestCancel(engine, "run");
    for (const { body } of engine.ports.queue.pending("work")) await advance(engine, body);
    const early = sendSignal(engine, { runId: "run", name: "go", signalId: "early" });
    await expect(early).rejects.toMatchObject({ code: "RunFinished" });
    await redrive(other, "run");
    const { tail } = journal;
    journal.tail = async (run, after, options) =>
      options?.consistent === false ? { entries: [], more: false } : tail.call(journal, run, after, options);
    expect(await receiveSignals(engine, [message("run", "new")])).toEqual([]);
    journal.tail = tail;
    expect((await current(other, "run"))!.state.signals.has("new")).toBe(true);
  });

  it("a gate whose append took longer than its time-out waited for the sweep", async () => {
    const engine = anEngine();
    const { journal, clock, queue } = engine.ports;
    const worker = createEngine(engine.ports, { workflows: [], log: silent, settings: SETTINGS });
    await start(engine, { workflow: "any", driver: "managed", runId: "run" });
    const { append } = journal;
    journal.append = async (...entry) => {
      await clock.sleep(2_000);
      await wakes();
      return append.apply(journal, entry);
    };
    const wakes = async () => {
      for (const { body, receipt } of await queue.receive("work", { max: 10, waitMs: 0 })) {
        await advance(worker, body);
        await queue.acknowledge("work", [receipt]);
      }
    };
    const opened = openGate(engine, "run", { name: "go", timeoutMs: 1_000 });
    await clock.advance(10_000);
    const { gate } = await opened;
    journal.append = append;
    await wakes();
    const state = (await current(engine, "run"))!.state;
    expect(state.operations.get(gate.id)).toMatchObject({ status: "failed" });
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

  it("a redriven run that failed at once again, by a process that knew its first end, was not closed", async () => {
    const part = { do: "step", ms: 0 } as const;
    const root = { do: "map", count: 1, concurrency: 3, tolerate: 0, refusing: [0], part } as const;
    const programs = [{ root: { ...root, refusing: [0] }, links: 0, gapsMs: [0], redrive: { afterMs: 0 } }];
    for (let seed = 1; seed <= 20; seed++) {
      const profile = { ...calm, latencyMs: 0 };
      const options = { seed, isLossy: false, play: ["generated"], programs, profile, plan: [] };
      expect(complaints(await new World(options).run())).toEqual([]);
    }
  });

  it.each<[string, Program]>([
    [
      "a redriven run that only waited got no wake for its next time",
      {
        root: { do: "gate", approved: false, answerMs: 7_200_000, timeoutMs: 18_000_000 },
        links: 0,
        gapsMs: [0],
        timeoutMs: 60_000,
        redrive: { afterMs: 0 },
      },
    ],
    [
      "a redriven run whose other branch waited was never asked what failed",
      {
        root: {
          do: "race",
          parts: [
            { do: "signal", name: "blue" },
            { do: "step", ms: 0, refused: true },
          ],
        },
        links: 0,
        gapsMs: [0],
        redrive: { afterMs: 0 },
      },
    ],
    [
      "nobody sent again what a run had refused that was redriven later",
      {
        root: { do: "signal", name: "blue" },
        links: 0,
        gapsMs: [3_000],
        cancelMs: 2_000,
        redrive: { afterMs: 1_200_000 },
      },
    ],
    [
      "a step that came in the place of a kept one was taken for it",
      {
        root: {
          do: "finally",
          part: {
            do: "sequence",
            parts: [
              { do: "step", ms: 0, broken: true },
              { do: "step", ms: 0 },
            ],
          },
          after: { do: "step", ms: 0 },
        },
        links: 0,
        gapsMs: [0],
        redrive: { afterMs: 1_200_000 },
      },
    ],
    [
      "nobody saw the gate that a redrive had opened again",
      {
        root: { do: "gate", approved: true, answerMs: 50_000 },
        links: 0,
        gapsMs: [0],
        cancelMs: 2_000,
        redrive: { afterMs: 1_200_000 },
      },
    ],
  ])("%s", async (_, program) => {
    const options = { seed: 1, isLossy: false, play: ["generated"], programs: [program], plan: [] };
    expect(complaints(await new World({ ...options, profile: calm }).run())).toEqual([]);
  });

  it.each<[string, Node]>([
    ["the items of a spread map", spreadOver({ do: "step", ms: 0 })],
    ["the leaves of a tree of leaves", spreadOver({ do: "step", ms: 0 }, 7)],
  ])("%s were thought to be kept by a redrive that names the map", async (_, map) => {
    const root: Node = { do: "sequence", parts: [map, { do: "step", ms: 0, broken: true }] };
    const programs = [{ root, links: 0, gapsMs: [0], redrive: { afterMs: 0, from: 0 } }];
    const options = { seed: 1, isLossy: false, play: ["generated"], programs, profile: calm, plan: [] };
    expect(complaints(await new World(options).run())).toEqual([]);
  });

  it("a managed run was still looked for when it had ended so long ago that it was gone", async () => {
    // Some of these subscriptions last longer than what has ended is kept.
    for (let seed = 1; seed <= 20; seed++) {
      const options = { seed, isLossy: false, play: ["subscription", "managed"], profile: calm, plan: [] };
      expect(complaints(await new World(options).run())).toEqual([]);
    }
  });

  it("a step of unknown outcome, which is never undone, was thought to be undone too early", async () => {
    const cut: Node = {
      do: "any",
      parts: [
        { do: "step", ms: 0, undo: true, large: true },
        { do: "sleep", ms: 20_000 },
      ],
    };
    const parts: Node[] = [cut, { do: "step", ms: 0, undo: true }, { do: "step", ms: 0, refused: true }];
    const programs = [{ root: { do: "sequence" as const, parts }, links: 0, gapsMs: [0] }];
    const profile = { ...calm, visibilityMs: 900_000 };
    for (let call = 1; call <= 15; call++) {
      const plan: PlannedFault[] = [{ call, fault: { kind: "freezeBefore", ms: 1_200_000 } }];
      const options = { seed: 1, isLossy: false, play: ["generated"], programs, profile, plan };
      expect(complaints(await new World(options).run())).toEqual([]);
    }
  });

  it.each<[string, Program]>([
    [
      "a redrive forgot the cancel of a child, which its run still owed",
      {
        root: {
          do: "race",
          parts: [
            { do: "child", part: { do: "sleep", ms: 86_400_000 } },
            { do: "step", ms: 0, broken: true },
          ],
        },
        links: 0,
        gapsMs: [0],
        redrive: { afterMs: 0 },
      },
    ],
    [
      "a step was begun twice that is to be begun once, after a leg that could not send its wake",
      {
        root: {
          do: "sequence",
          parts: [
            { do: "step", ms: 0, once: true },
            { do: "sleep", ms: 60_000 },
          ],
        },
        links: 0,
        gapsMs: [0],
      },
    ],
  ])("%s", async (_, program) => {
    const profile = { ...calm, visibilityMs: 150_000 };
    const play = { seed: 1, isLossy: false, play: ["generated"], programs: [program], profile };
    const { calls } = await new World({ ...play, plan: [] }).run();
    for (let call = 1; call <= calls; call++)
      for (const kind of ["crashBefore", "throttled"] as const) {
        const plan: PlannedFault[] = [{ call, fault: { kind } }];
        expect(complaints(await new World({ ...play, plan }).run())).toEqual([]);
      }
  });

  it("a step that is begun once was not expected to run out of time where its process stands still", async () => {
    const root = {
      do: "all",
      parts: [
        { do: "step", ms: 900, once: true },
        { do: "sleep", ms: 300 },
      ],
    } as const;
    const programs = [{ root: { ...root, parts: [...root.parts] }, links: 0, gapsMs: [0] }];
    for (let call = 1; call <= 15; call++) {
      const plan: PlannedFault[] = [{ call, fault: { kind: "freezeBefore", ms: 70_000 } }];
      const options = { seed: 1, isLossy: false, play: ["generated"], programs, profile: calm, plan };
      expect(complaints(await new World(options).run())).toEqual([]);
    }
  });

  it("a signal that came too late was missed, where its run was redriven before it was acknowledged", async () => {
    const root: Node = { do: "signal", name: "red", timeoutMs: 200 };
    const programs = [{ root, links: 0, gapsMs: [0], redrive: { afterMs: 0 } }];
    const profile = { ...calm, latencyMs: 3_000 };
    for (let seed = 1; seed <= 10; seed++) {
      const options = { seed, isLossy: false, play: ["generated"], programs, profile, plan: [] };
      expect(complaints(await new World(options).run())).toEqual([]);
    }
  });

  it("a signal that was accepted, and found its run ended, was never sent again to the redriven run", async () => {
    const root: Node = { do: "signal", name: "red" };
    const redrive = { afterMs: 1_200_000 };
    const programs: Program[] = [{ root, links: 0, gapsMs: [0], timeoutMs: 60_000, redrive }];
    for (let call = 5; call <= 35; call++) {
      const plan: PlannedFault[] = [{ call, fault: { kind: "freezeBefore", ms: 1_200_000 } }];
      const options = { seed: 1, isLossy: false, play: ["generated"], programs, profile: calm, plan };
      expect(complaints(await new World(options).run()), `call ${call}`).toEqual([]);
    }
  });

  it("a node told that it had nothing to undo, while it was redriven for its parent's next round", async () => {
    const step = { do: "step", ms: 0 } as const;
    const map: Node = {
      ...{ do: "map", count: 4, concurrency: 4, tolerate: 2, refusing: [], batch: 3 },
      part: step,
    };
    const callback: Node = { do: "callback", fails: true, answerMs: 300 };
    const race: Node = { do: "race", parts: [map, callback] };
    const root: Node = { do: "sequence", parts: [{ do: "step", ms: 30_000, undo: true }, race] };
    const other: Node = { ...{ do: "map", count: 0, concurrency: 2, tolerate: 0, refusing: [] }, part: step };
    const programs: Program[] = [
      { root, links: 0, gapsMs: [0], redrive: { afterMs: 3_000, from: 4 } },
      { root: other, links: 0, gapsMs: [0], patchMs: 2_000 },
    ];
    const rates = {
      crashBefore: 0.003,
      failed: 0.003,
      throttled: 0.003,
      freezeAfter: 0.01,
      staleRead: 0.3,
      halfDone: 0.5,
    };
    const chances = { stores: 0.1, twice: 0.3, lost: 0.2, budget: 2, skewMs: 200_000, latencyMs: 3_000 };
    const profile = { ...calm, ...chances, calls: { ...calm.calls, ...rates }, visibilityMs: 150_000 };
    const lost = [5, 7, 10, 16, 22, 36].map((message) => ({ message, copies: [] }));
    const twice: [number, number][] = [
      [3, 0],
      [18, 5_000],
      [23, 50],
      [28, 0],
      [29, 50],
      [30, 5_000],
      [37, 50],
    ];
    const plan: PlannedFault[] = [
      { call: 8, fault: { kind: "freezeAfter", ms: 125_000 } },
      ...lost,
      ...twice.map(([message, afterMs]) => ({ message, copies: [0, afterMs] })),
    ];
    const options = {
      seed: 6_100_638,
      isLossy: true,
      play: ["generated", "generated"],
      programs,
      profile,
      plan,
    };
    expect(complaints(await new World(options).run())).toEqual([]);
  });

  it("a cancel that came too late for its run came again to the successor that was redriven since", async () => {
    const root: Node = {
      do: "sequence",
      parts: [
        { do: "sleep", ms: 600_000 },
        { do: "step", ms: 1_000 },
      ],
    };
    const chain: Program = { root, links: 2, gapsMs: [0], cancelMs: 600_500, redrive: { afterMs: 0 } };
    const play = { seed: 1, isLossy: true, play: ["generated"], programs: [chain], profile: calm };
    const { calls } = await new World({ ...play, plan: [] }).run();
    for (let call = 1; call <= calls; call++)
      for (const fault of [{ kind: "crashBefore" }, { kind: "freezeBefore", ms: 125_000 }] as const) {
        const plan: PlannedFault[] = [{ call, fault }];
        expect(complaints(await new World({ ...play, plan }).run())).toEqual([]);
      }
  });

  it("a node that is asked to undo what it has done, as it is closed, was missed in the due index", async () => {
    const map: Node = {
      ...{ do: "map", count: 2, concurrency: 1, tolerate: 0, refusing: [], batch: 1 },
      part: { do: "step", ms: 0, undo: true },
    };
    const root: Node = { do: "sequence", parts: [map, { do: "step", ms: 0, refused: true }] };
    const programs: Program[] = [{ root, links: 0, gapsMs: [0] }];
    const profile = { ...calm, latencyMs: 3_000 };
    for (let seed = 101; seed <= 250; seed++) {
      const options = { seed, isLossy: false, play: ["generated"], programs, profile, plan: [] };
      expect(complaints(await new World(options).run())).toEqual([]);
    }
  });

  it("a node that was redriven by a process that died over it was woken by nobody", async () => {
    const done: Node = { do: "step", ms: 0 };
    const broken: Node = { do: "sequence", parts: [done, { do: "defect" }] };
    const root: Node = { do: "all", parts: [spreadOver(done), broken] };
    const programs: Program[] = [{ root, links: 0, gapsMs: [0], redrive: { afterMs: 1_200_000 } }];
    const lost = [6, 7, 8, 9, 11, 12, 13, 16, 17, 20, 23, 25, 28, 30];
    const plan: PlannedFault[] = [
      ...lost.map((message) => ({ message, copies: [] })),
      { call: 66, fault: { kind: "crashAfter" } },
      { call: 87, fault: { kind: "crashAfter" } },
    ];
    const profile = { ...calm, visibilityMs: 150_000 };
    const options = { seed: 13, isLossy: true, play: ["generated"], programs, profile, plan };
    expect(complaints(await new World(options).run())).toEqual([]);
  });

  it("a process forgot that it had moved a paused run away from the sweep, and left it there for its sleep", async () => {
    const pause = { atMs: 240_000, forMs: 1_200_000 };
    const programs: Program[] = [{ root: { do: "sleep", ms: 20_000 }, links: 0, gapsMs: [0], pause }];
    const lost = [1, 5].map((message) => ({ message, copies: [] }));
    const profile = { ...calm, skewMs: 200_000 };
    const options = { seed: 51, isLossy: true, play: ["generated"], programs, profile, plan: lost };
    expect(complaints(await new World(options).run())).toEqual([]);
  });

  it("a child that its run no longer needed, started late by a process that had stood still, went on", async () => {
    const root: Node = { do: "child", part: { do: "step", ms: 3_000 } };
    const programs: Program[] = [{ root, links: 0, gapsMs: [0], cancelMs: 1_000, redrive: { afterMs: 0 } }];
    const play = { seed: 1, isLossy: true, play: ["generated"], programs, profile: calm };
    for (const call of [8, 9, 10])
      for (let next = call + 1; next <= call + 15; next++) {
        const plan: PlannedFault[] = [
          { call, fault: { kind: "freezeBefore", ms: 1_200_000 } },
          { call: next, fault: { kind: "crashBefore" } },
        ];
        expect(complaints(await new World({ ...play, plan }).run())).toEqual([]);
      }
  });

  it("of two sleeps the longer won, where only the shorter began anew at a redrive", async () => {
    const sleeps = [1_800_000, 840_000].map((ms): Node => ({ do: "sleep", ms }));
    const root: Node = { do: "race", parts: sleeps };
    for (let from = 0; from < 3; from++) {
      const redrive = { afterMs: 1_200_000, from };
      const programs: Program[] = [{ root, links: 0, gapsMs: [0], timeoutMs: 60_000, redrive }];
      const options = { seed: 1, isLossy: false, play: ["generated"], programs, profile: calm, plan: [] };
      expect(complaints(await new World(options).run()), `from ${from}`).toEqual([]);
    }
  });

  it("what came after a race was begun before a map was done that the race had cut, in a run of its own", async () => {
    const step: Node = { do: "step", ms: 0 };
    const map = spreadOver({ do: "sequence", parts: [step, step] });
    const root: Node = { do: "sequence", parts: [{ do: "race", parts: [map, step] }, step] };
    const programs: Program[] = [{ root, links: 0, gapsMs: [0] }];
    const profile = { ...calm, latencyMs: 3_000 };
    for (let seed = 1; seed <= 40; seed++) {
      const options = { seed, isLossy: false, play: ["generated"], programs, profile, plan: [] };
      expect(complaints(await new World(options).run())).toEqual([]);
    }
  });

  it("a gate had its answer after its time, and was open again by a redrive", async () => {
    const root: Node = { do: "gate", approved: false, answerMs: 600_000, timeoutMs: 120_000 };
    const programs: Program[] = [{ root, links: 0, gapsMs: [0], redrive: { afterMs: 270_000 } }];
    const options = { seed: 1, isLossy: false, play: ["generated"], programs, profile: calm, plan: [] };
    expect(complaints(await new World(options).run())).toEqual([]);
  });

  it("a node that was to be cancelled, and had ended, was not thought to be so while it undid what it had done", async () => {
    const poll: Node = { do: "poll", looks: 4, everyMs: 600_000, timeoutMs: 18_000_000 };
    const part: Node = { do: "sequence", parts: [poll, { do: "step", ms: 0, undo: true }] };
    const root: Node = { do: "all", parts: [{ do: "step", ms: 0, failures: 1 }, spreadOver(part)] };
    const programs: Program[] = [
      { root: { do: "signal", name: "blue", timeoutMs: 120_000 }, links: 0, gapsMs: [0] },
      { root, links: 0, gapsMs: [0], timeoutMs: 2_400_000 },
    ];
    const rates = { crashBefore: 0.03, lostAnswer: 0.05, throttled: 0.003 };
    const chances = { lost: 0.5, oddSchedules: 1, deadSchedules: 0.3, budget: 3, skewMs: 200_000 };
    const profile = { ...calm, ...chances, calls: { ...calm.calls, ...rates }, latencyMs: 0 };
    const play = { seed: 41_013_456, isLossy: true, play: ["generated", "generated"], programs, profile };
    const plan: PlannedFault[] = [2, 3, 4, 17, 19].map((message) => ({ message, copies: [] }));
    expect(complaints(await new World({ ...play, plan }).run())).toEqual([]);
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
