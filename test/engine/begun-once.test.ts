import { expect, it } from "vitest";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import type { RunContext } from "../../shared/core/context.ts";
import { type AnyWorkflow, workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { pause, resume, start } from "../../shared/engine/control.ts";
import { loadRun } from "../../shared/engine/load.ts";
import { createEngine, type Engine } from "../../shared/engine/settings.ts";
import { testHost } from "../../shared/testing/index.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** `around` is told of each call of the port, and does it. */
function watched<Port extends object>(
  port: Port,
  around: (name: string, call: () => Promise<unknown>) => Promise<unknown>,
): Port {
  return new Proxy(port, {
    get: (target, key) => {
      const member: unknown = Reflect.get(target, key, target);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => around(String(key), async () => member.apply(target, args));
    },
  });
}

const engineOf = (
  ports: Parameters<typeof createEngine>[0],
  definition: AnyWorkflow,
  owner: string,
): Engine =>
  createEngine(ports, { workflows: [definition], log: silent, settings: { owner, codeHash: "c" } });

type Failure = "before" | "after";

/** One port call of the first leg fails, before or after it is done. How often was the step called, and was it so? */
async function failedAt(failing: number, failure: Failure): Promise<{ begun: number; failed: boolean }> {
  const ports = memoryPorts();
  let [begun, calls] = [0, 0];
  const pays = workflow("pays", async (run) => {
    await run.step("pay", () => void begun++, { atMostOnce: true });
    await run.sleep("rest", "1h");
  });
  const around = async (name: string, call: () => Promise<unknown>): Promise<unknown> => {
    if (name === "onMessage" || ++calls !== failing) return call();
    if (failure === "after") await call();
    throw new Error("throttled");
  };
  const flaky = { ...ports, journal: watched(ports.journal, around), queue: watched(ports.queue, around) };
  const worker = engineOf(flaky, pays, "worker");
  await start(engineOf(ports, pays, "api"), { workflow: "pays", runId: "run" });
  for (let minute = 0; minute < 90; minute++) {
    for (const { body, receipt } of await ports.queue.receive("work", { max: 10, waitMs: 0 })) {
      const isDone = await advance(worker, body).then(
        () => true,
        () => false,
      );
      if (isDone) await ports.queue.acknowledge("work", [receipt]);
    }
    await ports.clock.advance(60_000);
  }
  return { begun, failed: calls >= failing };
}

it.each<Failure>(["before", "after"])(
  "a step that is to be begun at most once is, whichever port call fails %s it is done",
  async (failure) => {
    let call = 1;
    for (; ; call++) {
      const { begun, failed } = await failedAt(call, failure);
      if (!failed) break;
      expect({ call, begun: begun <= 1 }).toEqual({ call, begun: true });
    }
    expect(call).toBeGreaterThan(8);
  },
);

it("an attempt that ends as its run is resumed is not begun again", async () => {
  const ports = memoryPorts();
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const begun: string[] = [];
  const work = workflow("work", (run) =>
    run.all("both", {
      beside: (branch) =>
        branch.step("beside", () => {
          begun.push("beside");
          return second.promise;
        }),
      held: async (branch) => {
        await branch.step("first", () => first.promise);
        await branch.step("held", () => void begun.push("held"));
      },
    }),
  );
  let isResumed = false;
  const journal = watched(ports.journal, async (name, call) => {
    const answer = await call();
    if (name !== "tail" || !isResumed) return answer;
    second.resolve();
    await new Promise(setImmediate);
    return answer;
  });
  const api = engineOf(ports, work, "api");
  const worker = engineOf({ ...ports, journal }, work, "worker");
  await start(api, { workflow: "work", runId: "run" });
  const leg = advance(worker, ports.queue.pending("work")[0]!.body);
  await ports.clock.advance(10);
  await pause(api, "run");
  first.resolve();
  await ports.clock.advance(10);
  await resume(api, "run");
  isResumed = true;
  await ports.clock.advance(10);
  const woken = advance(worker, ports.queue.pending("work").at(-1)!.body);
  await ports.clock.advance(10_000);
  await Promise.all([leg, woken]);
  expect(begun).toEqual(["beside", "held"]);
  expect((await loadRun(ports, "run"))?.state.finished?.status).toBe("completed");
});

it("nor is any of many that a crash has interrupted, however much the end of one makes the code ask for", async () => {
  const begun: string[] = [];
  const pays = (name: string) => async (branch: RunContext) => {
    const pay = () => {
      begun.push(name);
      return new Promise<void>(() => {});
    };
    try {
      await branch.step(name, pay, { atMostOnce: true });
    } catch {
      for (let n = 0; n < 20; n++) branch.setState({ [`${name} ${n}`]: "x".repeat(30_000) });
    }
  };
  const both = workflow("both", (run) => run.all("both", { a: pays("a"), b: pays("b"), c: pays("c") }));
  const host = testHost({ workflows: [both], patienceMs: 5 });
  const runId = await host.start(both, {});
  host.crash();
  await host.skip("10 minutes");
  expect(begun).toEqual(["a", "b", "c"]);
  expect((await host.get(runId)).status).toBe("completed");
});
