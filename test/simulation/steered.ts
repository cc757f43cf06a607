/** Workflows that ask the outside and are steered by it: decisions, tokens, pauses, redrives, successors. */
import { OperationError } from "../../shared/core/errors.ts";
import type { Json } from "../../shared/core/json.ts";
import type { RetryOptions } from "../../shared/core/retry.ts";
import { type AnyWorkflow, workflow } from "../../shared/core/workflow.ts";
import { Refused, type World } from "./workflows.ts";

export function steeredWorkflows(world: World, retry: RetryOptions): AnyWorkflow[] {
  const options = { version: 1, retry };

  const gates = workflow("gates", options, async (run) => {
    const { at: _at, ...verdict } = { at: 0, ...(await run.gate("approval", { prompt: "Go?" })) };
    const silence = await run.gate("silence", { timeout: "30m" }).catch(codeOf);
    return run.step("note", () => ({ verdict, silence }) as Json);
  });

  const tokens = workflow("tokens", options, async (run) => {
    const answer = await run.callback("answer", (token) => world.handOut(`${run.runId} answer`, token));
    const none = await run
      .callback("none", (token) => world.handOut(`${run.runId} none`, token), { timeout: "20m" })
      .catch(codeOf);
    return { answer, none };
  });

  const polls = workflow("polls", options, async (run) => {
    const found = await run.poll("ready", ({ attempt }) => attempt > 3 && "ready", {
      every: "40s",
      backoff: 2,
    });
    const never = await run.poll("never", () => false, { every: "2m", timeout: "15m" }).catch(codeOf);
    return { found, never };
  });

  const mapped = workflow("mapped", options, (run) =>
    run.map(
      "each",
      [0, 1, 2, 3, 4, 5],
      async (run, item) => {
        if (item === 2) await run.sleep("nap", "20s");
        return run.step("work", async (step) => {
          await world.busy(step, 300 * (6 - item));
          return item * item;
        });
      },
      { concurrency: 2 },
    ),
  );

  const undone = workflow("undone", options, async (run) => {
    for (const name of ["a", "b", "c"])
      await run.step(name, () => name, {
        compensate: (output) => world.handOut(`${run.runId} undo`, output),
      });
    await run.sleep("pause for thought", "2m");
    await run.step("refuse", () => {
      throw new Refused("no");
    });
  });

  const paused = workflow("paused", options, async (run) => {
    let sum = 0;
    for (let index = 0; index < 4; index++) {
      sum += await run.step(`s${index}`, async (step) => {
        await world.busy(step, 700);
        return index;
      });
      await run.sleep(`n${index}`, index === 2 ? "10m" : "100ms");
    }
    return sum;
  });

  const redriven = workflow("redriven", options, async (run) => {
    const first = await run.step("first", () => run.uuid());
    const both = await run.all("both", {
      quick: (run) => run.step("quick", () => "quick"),
      nap: (run) => run.sleep("nap", "1m"),
    });
    const healed = await run.step("heal", () => {
      if (!world.isHealed(run.runId)) throw new Refused("not yet");
      return "healed";
    });
    return { first, quick: both.quick, healed };
  });

  const continued: AnyWorkflow = workflow<{ n: number; items: Json[] }, Json>(
    "continued",
    options,
    async (run, { n, items }) => {
      const item = await run.waitForSignal("item");
      await run.step("take", () => item);
      if (n > 1) run.continueAsNew({ n: n - 1, items: [...items, item] });
      return [...items, item];
    },
  );
  const follows = workflow<{ n: number }, Json>("follows", options, async (run, { n }) => {
    const child = await run.child("chain", chain, { n });
    return { child } as Json;
  });
  const chain = workflow<{ n: number }, Json>("chain", options, async (run, { n }) => {
    await run.step("link", () => n);
    await run.sleep("rest", "30s");
    if (n > 0) run.continueAsNew({ n: n - 1 });
    return "end of chain";
  });

  const chained = workflow("chained", options, (run) =>
    run.race("first", {
      chain: (run) => run.child("chain", chain, { n: 9 }),
      timer: async (run) => run.sleep("patience", "70s").then(() => "timer"),
    }),
  );

  const once = workflow("once", options, async (run) => {
    const done = await run
      .step(
        "once",
        async (step) => {
          await world.busy(step, 500);
          return "done";
        },
        { atMostOnce: true },
      )
      .catch(codeOf);
    return { done, isNew: run.patched("gate") };
  });

  const spread = workflow("spread", options, (run) =>
    run.map(
      "each",
      [0, 1, 2, 3, 4, 5, 6],
      async (run, item) => {
        if (item === 3) await run.sleep("nap", "20s");
        return run.step("work", async (step) => {
          await world.busy(step, 300);
          if (item === 5) throw new Refused("five");
          return item * item;
        });
      },
      { batch: 2, concurrency: 4, tolerate: 1 },
    ),
  );

  const deadly = workflow(
    "deadly",
    { ...options, retry: { maxAttempts: 3, initialDelay: "1s" } },
    async (run) => {
      const ended = await run.step("kill", (step) => world.kill(step)).catch(codeOf);
      return run.step("bury", () => ended);
    },
  );

  return [
    spread,
    deadly,
    gates,
    tokens,
    polls,
    mapped,
    undone,
    paused,
    redriven,
    continued,
    follows,
    chain,
    chained,
    once,
  ];
}

const codeOf = (error: unknown): string =>
  error instanceof OperationError ? error.details.code : String(error);
