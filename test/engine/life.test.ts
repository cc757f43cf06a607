import { expect, it } from "vitest";
import { workflow } from "../../shared/core/workflow.ts";
import { testHost } from "../../shared/testing/index.ts";

const ten = workflow("ten", async (run) => {
  let sum = 0;
  for (let index = 0; index < 10; index++) sum += await run.step(`s${index}`, () => index);
  return sum;
});

it("runs ten steps in twelve entries", async () => {
  const host = testHost({ workflows: [ten] });
  const id = await host.start(ten, {});
  expect(await host.result(id)).toBe(45);
  const journal = await host.journal(id);
  expect(journal.at(-1)?.sequence).toBe(11);
});

it("races, signals, sleeps and children", async () => {
  const child = workflow("child", async (run, input: { n: number }) => {
    await run.sleep("nap", "1h");
    return run.step("double", () => input.n * 2);
  });
  const parent = workflow("parent", async (run) => {
    const first = await run.race("which", {
      signal: (branch) => branch.waitForSignal<string>("go", { timeout: "2h" }),
      timer: async (branch) => {
        await branch.sleep("t", "30m");
        return "timer";
      },
    });
    const both = await run.all("both", {
      a: (branch) => branch.child("c", child, { n: 21 }),
      b: async (branch) => branch.step("b", () => "b"),
    });
    run.setState({ first });
    return { first, both, state: run.state };
  });
  const host = testHost({ workflows: [child, parent] });
  const id = await host.start(parent, {});
  await host.signal(id, "go", "signal");
  await host.skip("2h");
  expect(await host.result(id)).toEqual({
    first: "signal",
    both: { a: 42, b: "b" },
    state: { first: "signal" },
  });
});

it("cancels what sleeps, and runs finally", async () => {
  const done: string[] = [];
  const sleeper = workflow("sleeper", async (run) => {
    try {
      await run.sleep("long", "30 days");
    } finally {
      await run.step("clean", () => {
        done.push("clean");
      });
    }
  });
  const host = testHost({ workflows: [sleeper] });
  const id = await host.start(sleeper, {});
  await host.cancel(id, { reason: "enough", by: "me" });
  expect((await host.get(id)).status).toBe("cancelled");
  expect(done).toEqual(["clean"]);
});

it("a cancel after the deadline does not interrupt what cleans up", async () => {
  const done: string[] = [];
  const slow = workflow("slow", { timeout: "1h" }, async (run) => {
    try {
      await run.sleep("long", "1 day");
    } finally {
      await run.sleep("settle", "1h");
      await run.step("clean", () => {
        done.push("clean");
      });
    }
  });
  const host = testHost({ workflows: [slow] });
  const id = await host.start(slow, {});
  await host.skip("90m");
  await host.cancel(id);
  await host.skip("1h");
  expect((await host.get(id)).status).toBe("timedOut");
  expect(done).toEqual(["clean"]);
});

it("a wake left over from a start that another overtook stands for no wake of the run", async () => {
  let during: () => Promise<void> = async () => {};
  const busy = workflow("busy", async (run) => {
    await run.step("work", () => during());
    await run.sleep("nap", "1s");
    return "done";
  });
  const host = testHost({ workflows: [busy] });
  during = async () => {
    // What meets a live lease comes again at its end; this one is of no incarnation that there is.
    const stray = { runId: "one", inc: "another", event: "created", until: host.now().getTime() + 60_000 };
    await host.ports.queue.send("work", [{ runId: "one", body: JSON.stringify(stray) }]);
    await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const id = await host.start(busy, undefined, { runId: "one" });
  await host.skip("1s");
  expect(await host.result(id)).toBe("done");
  const strays = host.ports.queue.pending("work").filter(({ body }) => body.includes("another"));
  expect(strays).toEqual([]);
});
