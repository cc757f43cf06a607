/**
 * A program as a workflow: one definition, whose input is the program. It reports every choice that the engine has
 * made for it, so that the reference can judge them.
 */
import type { RunContext, StepContext } from "../../../shared/core/context.ts";
import { OperationError } from "../../../shared/core/errors.ts";
import type { RetryOptions } from "../../../shared/core/retry.ts";
import { type AnyWorkflow, workflow } from "../../../shared/core/workflow.ts";
import type { Node, ProgramInput, Report } from "./program.ts";

/** What the parts of a program do in the simulated world. */
export interface Stagehand {
  /** Notes that work at an address begins; the answer notes its end. */
  begin(runId: string, at: string, attempt: number): () => void;
  /** Takes virtual time; throws when the step's signal aborts. */
  busy(step: StepContext, ms: number): Promise<void>;
  /** Whether what was broken for a run has been mended. */
  isMended(runId: string): boolean;
  /** A gate will open. */
  asks(runId: string, at: string, gate: Node & { do: "gate" }): void;
  /** A callback's token is given to somebody, who will use it. */
  handToken(token: string, at: string, node: Node & { do: "callback" }): void;
}

export class Refused extends Error {
  override name = "Refused";
}

/** What the workflow's own code throws: nothing in a program catches it. */
export class Defect extends Error {
  override name = "Defect";
}

/** More attempts than a history has faults: a crash never decides an outcome. */
const retry: RetryOptions = { maxAttempts: 60, initialDelay: "1s", maxDelay: "20s", nonRetryable: [Refused] };

const LARGE_BYTES = 40_000;
const ENDED = new Set(["RunCancelled", "RunTimedOut"]);

export function generatedWorkflow(stagehand: Stagehand): AnyWorkflow {
  const generated: AnyWorkflow = workflow<ProgramInput, unknown>(
    "generated",
    { version: 1, retry },
    async (run, { root, left, reports, label }) => {
      const report = await new Interpreter(stagehand, generated, run.runId).does(run, root, "0");
      if (left > 0) return run.continueAsNew({ root, left: left - 1, reports: [...reports, report], label });
      return [...reports, report];
    },
  );
  return generated;
}

class Interpreter {
  readonly #stagehand: Stagehand;
  readonly #workflow: AnyWorkflow;
  readonly #runId: string;

  constructor(stagehand: Stagehand, workflow: AnyWorkflow, runId: string) {
    this.#stagehand = stagehand;
    this.#workflow = workflow;
    this.#runId = runId;
  }

  /** Does a part, and reports what it came to. */
  async does(run: RunContext, node: Node, at: string): Promise<Report> {
    switch (node.do) {
      case "step":
        return this.#step(run, node, at);
      case "defect":
        if (!this.#stagehand.isMended(this.#runId)) throw new Defect(at);
        return at;
      case "sleep": {
        const from = run.now().getTime();
        await run.sleep(at, `${node.ms}ms`);
        return { from, to: run.now().getTime() };
      }
      case "signal": {
        const signal = await run.waitForSignal<number>(node.name, timeout(node));
        return { signal, at: run.now().getTime() };
      }
      case "gate": {
        this.#stagehand.asks(this.#runId, at, node);
        const { approved } = await run.gate(at, timeout(node));
        return { approved };
      }
      case "callback":
        return {
          answered: await run.callback<string>(at, (token) => this.#hand(at, token, node), timeout(node)),
        };
      case "poll": {
        const every = `${node.everyMs}ms`;
        const look = (step: StepContext) => this.#look(node, at, step);
        return { looked: await run.poll(at, look, { every, ...timeout(node) }) };
      }
      case "publish":
        run.setState({ [at]: node.value });
        return run.state[at] === node.value;
      case "patched":
        return this.#patched(run, node, at);
      default:
        return this.#composed(run, node, at);
    }
  }

  async #composed(run: RunContext, node: Node, at: string): Promise<Report> {
    switch (node.do) {
      case "sequence": {
        const reports: Report[] = [];
        for (const [index, part] of node.parts.entries())
          reports.push(await this.does(run, part, `${at}.${index}`));
        return reports;
      }
      case "all":
        return Object.values(await run.all(at, this.#branches(node.parts, at)));
      case "any":
      case "race": {
        const named = node.parts.map(
          (part, index): Branch => [
            `b${index}`,
            async (run) => ({ first: index, report: await this.does(run, part, `${at}.${index}`) }),
          ],
        );
        return (await run[node.do](at, Object.fromEntries(named))) as Report;
      }
      case "map":
        return run.map(
          at,
          [...Array(node.count).keys()],
          (run, item) => this.#item(run, node, item, at),
          node,
        );
      case "child":
        return this.#child(run, node, at);
      case "catch":
        return this.#catch(run, node, at);
      case "finally":
        try {
          return await this.does(run, node.part, `${at}.0`);
        } finally {
          await this.does(run, node.after, `${at}.1`);
        }
      default:
        throw new Error(`Expected a part, got ${JSON.stringify(node)}`);
    }
  }

  #branches(parts: Node[], at: string): Record<string, (run: RunContext) => Promise<Report>> {
    return Object.fromEntries(
      parts.map((part, index) => [`b${index}`, (run: RunContext) => this.does(run, part, `${at}.${index}`)]),
    );
  }

  async #step(run: RunContext, node: Node & { do: "step" }, at: string): Promise<Report> {
    const work = async (step: StepContext) => {
      const end = this.#stagehand.begin(this.#runId, at, step.attempt);
      if (node.ms > 0) await this.#stagehand.busy(step, node.ms);
      if (node.refused || (node.broken && !this.#stagehand.isMended(this.#runId))) throw new Refused(at);
      if (step.attempt <= (node.failures ?? 0)) throw new Error("not yet");
      end();
      return { by: `${at}#${step.attempt}`, ...(node.large ? { filler: "x".repeat(LARGE_BYTES) } : {}) };
    };
    const compensate = ({ by }: { by: string }) => {
      const end = this.#stagehand.begin(this.#runId, `${at}~`, 1);
      if (!by.startsWith(`${at}#`)) throw new Error(`Expected to undo ${at}, got ${by}`);
      end();
    };
    const options = { ...(node.undo ? { compensate } : {}), ...(node.once ? { atMostOnce: true } : {}) };
    const { by } = await run.step(at, work, options);
    return by;
  }

  #hand(at: string, token: string, node: Node & { do: "callback" }): void {
    const end = this.#stagehand.begin(this.#runId, at, 1);
    this.#stagehand.handToken(token, at, node);
    end();
  }

  #look({ looks }: Node & { do: "poll" }, at: string, { attempt }: StepContext): number | false {
    const end = this.#stagehand.begin(this.#runId, at, attempt);
    end();
    return attempt >= looks && attempt;
  }

  async #patched(run: RunContext, { looks, everyMs }: Node & { do: "patched" }, at: string): Promise<Report> {
    for (let look = 1; run.state.patched !== true; look++) {
      if (look > looks) return { seen: false, at: run.now().getTime() };
      await run.sleep(`${at} ${look}`, `${everyMs}ms`);
    }
    return { seen: true, at: run.now().getTime() };
  }

  async #item(run: RunContext, node: Node & { do: "map" }, item: number, at: string): Promise<Report> {
    const address = `${at}.${item}`;
    if (node.refusing.includes(item)) return this.#step(run, { do: "step", ms: 0, refused: true }, address);
    return this.does(run, node.part, address);
  }

  async #child(run: RunContext, node: Node & { do: "child" }, at: string): Promise<Report> {
    const input: ProgramInput = { root: node.part, left: 0, reports: [], label: `${this.#runId} ${at}` };
    if (node.detached) return run.child(at, this.#workflow, input, { detached: true });
    return { child: (await run.child(at, this.#workflow, input)) as Report[] };
  }

  async #catch(run: RunContext, node: Node & { do: "catch" }, at: string): Promise<Report> {
    try {
      return { tried: await this.does(run, node.part, `${at}.0`) };
    } catch (error) {
      if (!(error instanceof OperationError) || ENDED.has(error.code)) throw error;
      const caught = { caught: error.name, at: run.now().getTime() };
      return { ...caught, report: await this.does(run, node.instead, `${at}.1`) };
    }
  }
}

type Branch = [string, (run: RunContext) => Promise<Report>];

const timeout = ({ timeoutMs }: { timeoutMs?: number }): { timeout?: string } =>
  timeoutMs === undefined ? {} : { timeout: `${timeoutMs}ms` };
