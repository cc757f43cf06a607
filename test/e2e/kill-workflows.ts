/**
 * What runs while the host is killed again and again: each step writes down that it was called, durably, before it
 * does anything, so that what had been stored and what was done can be held against each other.
 */
import { fsyncSync, openSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type RunContext, workflow } from "stepfold";

/** One call of a step's function. */
export interface Invocation {
  pid: number;
  /** Epoch ms. */
  at: number;
  runId: string;
  step: string;
  attempt: number;
  idempotencyKey: string;
}

const log = openSync(process.env.KILL_LOG ?? "/dev/null", "a");

/** A step that takes a while and answers `value`; with `failures`, its first attempts fail. */
function timed<T>(run: RunContext, step: string, ms: number, value: T, failures = 0): Promise<T> {
  return run.step(
    step,
    async ({ attempt, idempotencyKey }) => {
      const invocation: Invocation = {
        pid: process.pid,
        at: Date.now(),
        runId: run.runId,
        step,
        attempt,
        idempotencyKey,
      };
      writeSync(log, `${JSON.stringify(invocation)}\n`);
      fsyncSync(log);
      await sleep(ms);
      if (attempt <= failures) throw new Error(`attempt ${attempt} fails`);
      return value;
    },
    // A process that dies under a step uses up an attempt, and here processes die.
    { retry: { maxAttempts: 50, initialDelay: "20ms", maxDelay: "100ms", jitter: "none" } },
  );
}

export interface Plan {
  /** How long each round's step takes, in ms. */
  rounds: number[];
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Steps, one after the other. */
export const chain = workflow("chain", async (run, { rounds }: Plan) => {
  const done: number[] = [];
  for (const [index, ms] of rounds.entries()) done.push(await timed(run, `link ${index}`, ms, ms));
  return sum(done);
});

/** Steps with sleeps of both kinds between them: some are awaited in the leg, some park the run. */
export const naps = workflow("naps", async (run, { rounds }: Plan) => {
  let total = 0;
  for (const [index, ms] of rounds.entries()) {
    total += await timed(run, `work ${index}`, ms, ms);
    await run.sleep(`nap ${index}`, `${ms * 6} ms`);
  }
  return total;
});

/** As many signals as rounds, in the order in which they were sent. */
export const mail = workflow("mail", async (run, { rounds }: Plan) => {
  const letters: number[] = [];
  for (const [index, ms] of rounds.entries()) {
    const letter = await run.waitForSignal<number>("letter");
    letters.push(await timed(run, `read ${index}`, ms, letter));
  }
  return letters;
});

/** Races that either side may win; who has won is told to a further step, and may never change. */
export const races = workflow("races", async (run, { rounds }: Plan) => {
  const winners: string[] = [];
  for (const [index, ms] of rounds.entries()) {
    const winner = await run.race(`race ${index}`, {
      step: (run) => timed(run, `sprint ${index}`, ms, "step"),
      sleep: async (run) => {
        await run.sleep(`doze ${index}`, "80 ms");
        return "sleep";
      },
    });
    winners.push(await timed(run, `cheer ${index} for ${winner}`, 5, winner));
  }
  return winners;
});

/** Two children at once, several times. */
export const family = workflow("family", async (run, { rounds }: Plan) => {
  let total = 0;
  for (let index = 0; index + 3 < rounds.length; index += 4) {
    const { left, right } = await run.all(`generation ${index}`, {
      left: (run) => run.child(`left ${index}`, chain, { rounds: rounds.slice(index, index + 2) }),
      right: (run) => run.child(`right ${index}`, naps, { rounds: rounds.slice(index + 2, index + 4) }),
    });
    total += left + right;
  }
  return total;
});

/** Each step fails once before it works. */
export const stumbles = workflow("stumbles", async (run, { rounds }: Plan) => {
  let total = 0;
  for (const [index, ms] of rounds.entries()) total += await timed(run, `try ${index}`, ms, ms, 1);
  return total;
});
