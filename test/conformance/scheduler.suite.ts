/** The promises of `shared/ports/scheduler.ts`, asked of any adapter. Cases cite the promise that they test. */
import { expect } from "vitest";
import type { Schedule } from "../../shared/ports/scheduler.ts";
import { costOf, declareSuite, type Opened, type SuiteOptions } from "../support/ports.ts";

type Port = Opened<"scheduler" | "queue">;
type Test = (name: string, body: (port: Port) => Promise<void>) => void;

/** `open` gives a scheduler without schedules, aimed at an empty work queue. */
export function schedulerSuite(name: string, open: () => Promise<Port>, options: SuiteOptions = {}): void {
  declareSuite(`scheduler: ${name}`, open, options, (test) => {
    naming(test);
    firing(test);
    removing(test);
  });
}

let drawn = 0;
const aSchedule = (port: Port, inMs: number, change: Partial<Schedule> = {}): Schedule => ({
  runId: "run-1",
  name: `schedule-${process.pid}-${++drawn}`,
  at: Math.ceil((port.clock.now() + inMs) / 1000) * 1000,
  body: JSON.stringify({ wake: "grüezi", number: drawn }),
  ...change,
});

/** The next message, once it is there. */
async function nextFired(port: Port): Promise<string> {
  for (let round = 0; round < 400; round++) {
    const [body, ...more] = await fired(port, 1);
    expect(more).toEqual([]);
    if (body !== undefined) return body;
    await port.advance(100);
  }
  throw new Error("Expected a schedule to fire, got none");
}

async function fired(port: Port, max = 10): Promise<string[]> {
  const messages = await port.queue.receive("work", { max, waitMs: 0 });
  await port.queue.acknowledge(
    "work",
    messages.map((message) => message.receipt),
  );
  return messages.map((message) => message.body);
}

function naming(test: Test): void {
  test("the same schedule is accepted again (1)", async (port) => {
    const schedule = aSchedule(port, 3_600_000);
    await port.scheduler.schedule(schedule);
    await port.scheduler.schedule({ ...schedule });
  });

  test("another time or message under the same name is a conflict (1)", async (port) => {
    const schedule = aSchedule(port, 3_600_000);
    await port.scheduler.schedule(schedule);
    for (const change of [{ at: schedule.at + 60_000 }, { body: "other" }]) {
      const attempt = port.scheduler.schedule({ ...schedule, ...change });
      await expect(attempt).rejects.toMatchObject({ code: "ScheduleConflict", retryable: false });
    }
    await port.scheduler.schedule(schedule);
  });

  test("of concurrent schedules of one name with different times exactly one is accepted (1)", async (port) => {
    const schedule = aSchedule(port, 3_600_000);
    const attempts = [0, 1, 2, 3, 4].map((index) =>
      port.scheduler.schedule({ ...schedule, at: schedule.at + index * 60_000 }),
    );
    const outcomes = await Promise.allSettled(attempts);
    expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).toHaveLength(1);
  });

  test("a schedule is counted", async (port) => {
    const schedule = aSchedule(port, 3_600_000, { runId: "run-costs" });
    expect(await costOf(port.meter, "schedules", () => port.scheduler.schedule(schedule))).toBe(1);
    expect(port.meter.drain("run-costs")?.schedules).toBe(1);
  });
}

function firing(test: Test): void {
  test("a schedule puts its message on the work queue at its time, once (2)", async (port) => {
    const [soon, far] = [aSchedule(port, 2_000), aSchedule(port, 7_200_000)];
    await port.scheduler.schedule(far);
    await port.scheduler.schedule(soon);
    expect(await nextFired(port)).toBe(soon.body);
    expect(port.clock.now()).toBeGreaterThanOrEqual(soon.at);
    await port.advance(1_500);
    expect(await fired(port)).toEqual([]);
  });

  test("a schedule that has fired is gone: its name is free (2)", async (port) => {
    const first = aSchedule(port, 1_000);
    await port.scheduler.schedule(first);
    expect(await nextFired(port)).toBe(first.body);
    await port.scheduler.schedule({ ...first, at: first.at + 7_200_000 });
  });

  test("schedules fire in the order of their times, whatever the order of their making (2)", async (port) => {
    const [second, first] = [aSchedule(port, 3_000), aSchedule(port, 1_000)];
    await port.scheduler.schedule(second);
    await port.scheduler.schedule(first);
    expect(await nextFired(port)).toBe(first.body);
    expect(await nextFired(port)).toBe(second.body);
    expect(port.clock.now()).toBeGreaterThanOrEqual(second.at);
  });
}

function removing(test: Test): void {
  test("an unscheduled one does not fire, and its name is free", async (port) => {
    const schedule = aSchedule(port, 1_000);
    await port.scheduler.schedule(schedule);
    await port.scheduler.unschedule(schedule.name, schedule.runId);
    await port.advance(2_500);
    expect(await fired(port)).toEqual([]);
    await port.scheduler.schedule({ ...schedule, at: schedule.at + 7_200_000 });
  });

  test("unscheduling what is not there is nothing", async (port) => {
    await port.scheduler.unschedule("never-made", "run-1");
  });
}
