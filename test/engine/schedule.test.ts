/** Recurring schedules: what each time comes to, under each overlap policy, whatever comes twice, late or at once. */
import { describe, expect, test } from "vitest";
import { runIdOfKey } from "../../shared/core/ids.ts";
import { SCHEDULE_LINE_MAX } from "../../shared/core/limits.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { type Firing, fire, type Overlap } from "../../shared/engine/schedule.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import { testHost } from "../../shared/testing/index.ts";
import { type Life, mortalPorts } from "../../shared/testing/mortal.ts";

const MINUTE_MS = 60_000;
const log = { debug() {}, info() {}, warn() {}, error() {} };

/** Runs until it is told to end. */
const report = workflow("report", (run) => run.waitForSignal("end"));
const chain = workflow("chain", async (run, input: number) => {
  await run.waitForSignal("end");
  if (input < 2) run.continueAsNew(input + 1);
});

function aSchedule(overlap: Overlap, workflowName = "report", input: unknown = 1) {
  const host = testHost({ workflows: [report, chain] });
  const engineOn = (ports: Engine | typeof host.ports) =>
    createEngine(ports, {
      workflows: [report, chain],
      log,
      settings: { owner: "triggers", codeHash: "test" },
    });
  const engine = engineOn(host.ports);
  const begin = host.ports.clock.now();
  const firing = (minute: number): Firing => ({
    schedule: "nightly",
    overlap,
    workflow: workflowName,
    input: input as Firing["input"],
    at: begin + minute * MINUTE_MS,
  });
  const fireAt = (minute: number) => fire(engine, firing(minute));
  const runs = async () => {
    const { headers } = await host.ports.journal.list({ order: "asc", limit: 100, workflow: workflowName });
    return headers.map(({ runId }) => runId);
  };
  const unfinished = async () => {
    const { headers } = await host.ports.journal.list({
      order: "asc",
      limit: 100,
      workflow: workflowName,
      status: ["pending", "running", "sleeping", "waiting"],
    });
    return headers.map(({ runId }) => runId);
  };
  const endAll = async () => {
    for (const runId of await unfinished()) await host.signal(runId, "end");
  };
  return { host, engine, engineOn, firing, fireAt, runs, unfinished, endAll };
}

describe("every policy", () => {
  for (const overlap of ["skip", "queue", "allow"] as const)
    test(`${overlap}: a time that comes twice, or ten times at once, starts one run`, async () => {
      const { fireAt, runs, host } = aSchedule(overlap);
      await Promise.all(Array.from({ length: 10 }, () => fireAt(0)));
      await fireAt(0);
      await host.skip("10m");
      await fireAt(0);
      expect(await runs()).toHaveLength(1);
    });

  test("a run says which schedule and which time it is of", async () => {
    const { fireAt, runs, host } = aSchedule("skip");
    await fireAt(0);
    const [runId] = await runs();
    const { created } = (await host.ports.journal.header(runId!))!;
    expect(created).toMatchObject({ trigger: "schedule/nightly", tags: { schedule: "nightly" } });
  });
});

describe("allow", () => {
  test("each time starts a run, whatever runs already", async () => {
    const { fireAt, unfinished } = aSchedule("allow");
    for (const minute of [0, 1, 2]) await fireAt(minute);
    expect(await unfinished()).toHaveLength(3);
  });
});

describe("skip", () => {
  test("a time that meets an unfinished run starts nothing, the next one after its end does", async () => {
    const { fireAt, runs, endAll } = aSchedule("skip");
    await fireAt(0);
    await fireAt(1);
    expect(await runs()).toHaveLength(1);
    await endAll();
    await fireAt(2);
    expect(await runs()).toHaveLength(2);
  });

  test("what was skipped stays skipped, though its message comes again after the run's end", async () => {
    const { fireAt, runs, endAll } = aSchedule("skip");
    await fireAt(0);
    await fireAt(1);
    await endAll();
    await fireAt(1);
    expect(await runs()).toHaveLength(1);
  });

  test("a time that comes after a later one starts nothing", async () => {
    const { fireAt, runs, endAll } = aSchedule("skip");
    await fireAt(1);
    await endAll();
    await fireAt(0);
    expect(await runs()).toHaveLength(1);
  });

  test("a run that continues as another is unfinished until the last of them ends", async () => {
    const { fireAt, runs, endAll } = aSchedule("skip", "chain", 0);
    await fireAt(0);
    await endAll();
    await endAll();
    expect(await runs()).toHaveLength(3);
    await fireAt(1);
    expect(await runs()).toHaveLength(3);
    await endAll();
    await fireAt(2);
    expect(await runs()).toHaveLength(4);
  });

  test("a run that was removed or has expired is over, and is not started again", async () => {
    const { fireAt, runs, endAll, host } = aSchedule("skip");
    await fireAt(0);
    await endAll();
    await host.skip("100 days");
    expect(await runs()).toEqual([]);
    await fireAt(200_000);
    expect(await runs()).toHaveLength(1);
  });

  test("a run that is refused holds the schedule up no longer than until its next time", async () => {
    const { engine, firing, runs, fireAt } = aSchedule("skip");
    await expect(fire(engine, { ...firing(0), workflow: "gone" })).rejects.toMatchObject({
      code: "WorkflowNotFound",
    });
    await fireAt(1);
    expect(await runs()).toHaveLength(1);
  });
});

describe("queue", () => {
  test("each time starts once those before it are over, in their order and one at a time", async () => {
    const { fireAt, runs, unfinished, endAll, host, firing } = aSchedule("queue");
    for (const minute of [0, 1, 2, 3]) await fireAt(minute);
    await host.skip("1h");
    for (const count of [1, 2, 3, 4]) {
      expect(await runs()).toHaveLength(count);
      expect(await unfinished()).toHaveLength(1);
      await endAll();
      await host.skip("1h");
    }
    expect(await unfinished()).toEqual([]);
    await fireAt(4);
    expect(await unfinished()).toHaveLength(1);
    const idAt = (minute: number) =>
      runIdOfKey("report", `schedule/nightly ${new Date(firing(minute).at).toISOString()}`);
    expect(await runs()).toEqual([0, 1, 2, 3, 4].map(idAt));
  });

  test("a time that was cancelled in line lets nobody pass who has to wait", async () => {
    const { fireAt, runs, unfinished, endAll, host } = aSchedule("queue");
    await fireAt(0);
    await fireAt(1);
    await fireAt(2);
    await host.skip("1m");
    const turns = async () => {
      const all = { order: "asc", limit: 100, workflow: "stepfold.turn" } as const;
      return (await host.ports.journal.list(all)).headers.map(({ runId }) => runId);
    };
    for (const runId of await turns()) await host.cancel(runId);
    await fireAt(3);
    await host.skip("1h");
    expect(await runs()).toHaveLength(1);
    await endAll();
    await host.skip("1h");
    expect(await runs()).toHaveLength(2);
    expect(await unfinished()).toHaveLength(1);
  });

  test("a line that is full takes no more, and empties all the same", async () => {
    const { fireAt, runs, endAll, host } = aSchedule("queue");
    for (let minute = 0; minute < SCHEDULE_LINE_MAX + 10; minute++) await fireAt(minute);
    for (let ended = 0; ended < SCHEDULE_LINE_MAX + 10; ended++) {
      await endAll();
      await host.skip("10m");
    }
    const count = (await runs()).length;
    expect(count).toBeGreaterThanOrEqual(SCHEDULE_LINE_MAX);
    expect(count).toBeLessThanOrEqual(SCHEDULE_LINE_MAX + 1);
  });

  test("it waits for days with a journal that does not grow without bounds", async () => {
    const { fireAt, runs, endAll, host, firing } = aSchedule("queue");
    await fireAt(0);
    await fireAt(1);
    await host.skip("3 days");
    const { headers } = await host.ports.journal.list({
      order: "asc",
      limit: 100,
      workflow: "stepfold.turn",
    });
    expect(headers.length).toBeGreaterThan(1);
    for (const header of headers) expect(header.headerSequence).toBeLessThan(1_000);
    await endAll();
    await host.skip("1h");
    expect(await runs()).toHaveLength(2);
    expect(firing(1).at).toBeLessThan(host.now().getTime());
  });
});

describe("whatever call fails its process", () => {
  for (const overlap of ["skip", "queue"] as const)
    test(`${overlap}: the message's next delivery makes it good, and no two runs overlap`, async () => {
      for (let deathAt = 1; ; deathAt++) {
        const { host, engineOn, firing, fireAt, runs, unfinished, endAll } = aSchedule(overlap);
        await fireAt(0);
        if (overlap === "skip") await endAll();
        const isOver = !(await diesAt(deathAt, host, (ports) => fire(engineOn(ports as never), firing(1))));
        // The next time may come before the message comes again.
        if (deathAt % 2 === 0) await fireAt(2);
        await fireAt(1);
        await host.skip("10m");
        expect(await unfinished(), `death at call ${deathAt}`).toHaveLength(1);
        expect(await runs()).toHaveLength(overlap === "skip" ? 2 : 1);
        await endAll();
        await host.skip("10m");
        expect(await runs(), `death at call ${deathAt}`).toHaveLength(2);
        if (isOver) {
          expect(deathAt).toBeGreaterThan(10);
          return;
        }
      }
    });
});

/** Whether the process died before it was done. */
async function diesAt(
  call: number,
  host: ReturnType<typeof testHost>,
  work: (ports: unknown) => Promise<void>,
): Promise<boolean> {
  let calls = 0;
  let died: () => void = () => {};
  const death = new Promise<true>((resolve) => {
    died = () => resolve(true);
  });
  const life: Life = {
    isOver: false,
    onCall() {
      if (++calls !== call) return;
      life.isOver = true;
      died();
    },
  };
  return Promise.race([death, work(mortalPorts(host.ports, life)).then(() => false)]);
}
