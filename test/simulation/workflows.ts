/**
 * Small workflows that between them use all that a run can do. Their outcome is known whatever happens to the
 * processes that run them: `models.ts` says what it is.
 */
import { z } from "zod";
import type { StepContext } from "../../shared/core/context.ts";
import { OperationError } from "../../shared/core/errors.ts";
import type { Json } from "../../shared/core/json.ts";
import type { RetryOptions } from "../../shared/core/retry.ts";
import { type AnyWorkflow, workflow } from "../../shared/core/workflow.ts";
import { steeredWorkflows } from "./steered.ts";

/** What steps do in the simulated world. */
export interface World {
  /** Takes virtual time; throws when the step's signal aborts. */
  busy(step: StepContext, ms: number): Promise<void>;
  /** Ends the process that calls it. */
  kill(step: StepContext): Promise<never>;
  /** Leaves a value where the outside finds it. */
  handOut(name: string, value: unknown): void;
  /** Whether what made a run fail has been mended. */
  isHealed(runId: string): boolean;
}

export class Refused extends Error {
  override name = "Refused";
}

/** More attempts than a history has crashes, so that a crash never decides an outcome. */
const retry: RetryOptions = {
  maxAttempts: 60,
  initialDelay: "1s",
  maxDelay: "20s",
  backoff: 2,
  jitter: "full",
  nonRetryable: [Refused],
};
const options = { version: 1, retry };

const codeOf = (error: unknown): string =>
  error instanceof OperationError ? error.details.name : String(error);
const refuse = (): never => {
  throw new Refused("no");
};

export function workflowsOf(world: World): AnyWorkflow[] {
  const after = (ms: number, value: Json) => async (step: StepContext) => {
    await world.busy(step, ms);
    return value;
  };

  const retries = workflow("retries", options, async (run) => {
    const flaky = await run.step("flaky", ({ attempt }) => {
      if (attempt <= 2) throw new Error("not yet");
      return "flaky";
    });
    const slow = await run.step(
      "slow",
      async (step) => {
        await world.busy(step, step.attempt === 1 ? 60_000 : 10);
        return "slow";
      },
      { timeout: "5s" },
    );
    const hopeless = await run.step("hopeless", refuse).catch(codeOf);
    const large = await run.step("large", () => "x".repeat(40_000));
    return { flaky, slow, hopeless, large: large.length };
  });

  const timers = workflow("timers", options, async (run) => {
    const elapsed: number[] = [];
    const asked = [100, 900, 2_500, 5_000, 1_200_000, 172_800_000];
    for (const ms of asked) {
      const before = run.now().getTime();
      await run.sleep(`${ms} ms`, ms / 1_000);
      elapsed.push(run.now().getTime() - before - ms);
    }
    await run.sleepUntil("long ago", 0);
    return { early: elapsed.filter((ms) => ms < 0), random: run.random(), uuid: run.uuid() };
  });

  const race = workflow("race", options, async (run) => {
    const first = await run.race("first", {
      signal: (run) => run.waitForSignal<string>("go"),
      timer: async (run) => {
        await run.sleep("patience", "10m");
        return "timer";
      },
    });
    const timed = await run.waitForSignal<string>("second", { timeout: "5m" }).catch(codeOf);
    return { first, timed, checked: await run.step(`after ${first}`, () => first) };
  });

  const failing = workflow("failing", options, async (run) => {
    try {
      await run.all("all", {
        kept: (run) => run.step("kept", after(1_000, "kept")),
        refused: (run) =>
          run.step("refused", async (step) => {
            await world.busy(step, 2_000);
            return refuse();
          }),
        long: (run) => run.sleep("long", "1h"),
        endless: (run) => run.waitForSignal("never"),
      });
      return "no failure";
    } catch (error) {
      return run.step("undo", () => `undone: ${codeOf(error)}`);
    }
  });

  const nested = workflow("nested", options, (run) =>
    run.all("outer", {
      left: (run) =>
        run.race("left", {
          quick: async (run) => run.sleep("quick", "1s").then(() => "quick"),
          slow: async (run) => run.sleep("slow", "1h").then(() => "slow"),
        }),
      right: (run) =>
        run.any("right", {
          bad: (run) => run.step("bad", refuse),
          good: (run) => run.step("good", after(3_000, "good")),
          worse: async (run) => run.any("worse", { none: (run) => run.step("none", refuse) }),
        }),
      deep: (run) =>
        run.all("deep", {
          x: (run) => run.step("x", after(10, "x")),
          y: (run) => run.all("deeper", { z: (run) => run.step("z", after(400, "z")) }),
        }),
    }),
  );

  const plain = workflow("plain", options, async (run) => {
    const order: string[] = [];
    const steps = [3_000, 1_000, 2_000].map((ms, index) => {
      const step = run.step(`s${index}`, after(ms, `s${index}`));
      return step.then(async (value) => {
        order.push(value as string);
        await run.step(`${order.length} after ${value}`, () => null);
        return value as string;
      });
    });
    const first = await Promise.race(steps);
    const next = await run.step(`first was ${first}`, () => order.length);
    await Promise.all(steps);
    return { first, order, next };
  });

  const double = workflow<{ n: number }, Json>("double", options, async (run, input) => {
    await run.sleep("think", "30s");
    return run.step("double", after(20, input.n * 2));
  });
  const quadruple = workflow<{ n: number }, Json>("quadruple", options, async (run, input) => {
    const twice = await run.child("twice", double, input);
    return run.child("thrice", double, { n: twice as number });
  });
  const refusing = workflow("refusing", options, (run) => run.step("refuse", refuse));
  const endless = workflow("endless", options, async (run) => {
    try {
      await run.child("inner", double, { n: 1 });
      await run.waitForSignal("never");
    } finally {
      await run.step("clean up", after(50, "clean"));
    }
  });
  const family = workflow<{ n: number }, Json>("family", options, async (run, input) => {
    const { apart, ...sums } = await run.all("kids", {
      double: (run) => run.child("double", double, input),
      quadruple: (run) => run.child("quadruple", quadruple, input),
      apart: (run) => run.child("apart", double, { n: 5 }, { detached: true }),
      refused: (run) => run.child("refused", refusing, null).catch(codeOf),
    });
    const outlived = await run.race("outlived", {
      child: (run) => run.child("endless", endless, null),
      timer: (run) => run.sleep("patience", "1m"),
    });
    return { ...sums, apart: apart.startsWith("c-"), outlived: outlived ?? "timer" };
  });

  const board = workflow("board", options, async (run) => {
    run.setState({ phase: "open", seen: 0 });
    let seen = 0;
    while (run.state.done !== true) {
      await run.waitForSignal("nudge", { timeout: "20m" }).catch(codeOf);
      run.setState({ seen: ++seen });
    }
    run.setState({ phase: "closed" });
    await run.step("close", () => null);
    return run.state;
  });

  const cancellable = workflow("cancellable", options, async (run) => {
    try {
      await run.step("begin", after(2_000, 1));
      await run.all("both", {
        nap: (run) => run.sleep("nap", "2m"),
        child: (run) => run.child("child", double, { n: 4 }),
      });
      await run.step("end", after(30_000, 2));
      await run.waitForSignal("go on", { timeout: "1h" }).catch(onlyTimeout);
    } finally {
      await run.step("clean up", after(500, 3));
    }
    return "whole";
  });

  const deadline = workflow("deadline", { ...options, timeout: "30m" }, async (run) => {
    try {
      await run.step("begin", after(1_000, 1));
      await run.sleep("too long", "1h");
    } finally {
      await run.step("clean up", after(500, 2));
    }
  });
  const cancelledLate = workflow("cancelledLate", { ...options, timeout: "30m" }, async (run) => {
    try {
      await run.sleep("too long", "1h");
    } finally {
      await run.sleep("let it settle", "45m");
      await run.step("clean up", after(500, 2));
    }
  });

  const collect = workflow<{ count: number }, Json>("collect", options, async (run, input) => {
    const items: Json[] = [];
    for (let index = 0; index < input.count; index++) items.push(await run.waitForSignal("item"));
    return items;
  });
  const choosy = workflow("choosy", options, async (run) => {
    const chosen = await run.waitForSignal("number", { schema: z.number(), where: (number) => number > 5 });
    const other = await run.waitForSignal("number", { schema: z.number() });
    return { chosen, other };
  });

  const simple = workflow<{ n: number }, number>("simple", options, async (run, input) => {
    const one = await run.step("one", () => input.n + 1);
    return run.step("two", () => one * 2);
  });
  const handover = workflow("handover", options, async (run) => {
    const minute = { timeout: "60s" };
    await run.step("first", after(59_600, 1), minute);
    await run.step("second", after(59_600, 2), minute);
    await run.sleep("nap", "10m");
    return run.all("parallel", {
      long: (run) => run.step("long", after(90_000, "long"), { timeout: "100s" }),
      again: (run) => run.step("again", again, { timeout: "100s" }),
    });
    async function again(step: StepContext) {
      await world.busy(step, 30_000);
      if (step.attempt === 1) throw new Error("not yet");
      return "again";
    }
  });
  const keeper = workflow("keeper", { ...options, retention: "90 days" }, async (run) => {
    await run.sleep("half", "16 days");
    await run.sleep("other half", "15 days");
    return run.step("end", () => "kept");
  });

  return [
    ...[retries, timers, race, failing, nested, plain, double, quadruple, refusing, endless, family, board],
    ...[cancellable, deadline, cancelledLate, collect, choosy, simple, handover, keeper],
    ...steeredWorkflows(world, retry),
  ];
}

function onlyTimeout(error: unknown): void {
  if (codeOf(error) !== "SignalTimeout") throw error;
}
