/**
 * Remote workflows in the simulation: a runner that is slow, hangs, falls over and answers, on virtual time, and what
 * must hold of every turn that it is asked.
 *
 * 1. It is asked for a turn only once the entry is stored that begins it, and no longer once its answer is (J5).
 * 2. A turn that is asked again has the same id and the same words; no other turn has that id.
 * 3. What is stored as its answer is what the runner answered.
 */
import type { RunEvent, TurnAnswered } from "../../shared/core/events.ts";
import { digest } from "../../shared/core/ids.ts";
import type { Json, JsonObject } from "../../shared/core/json.ts";
import { RUNNER_LOST_MS_MAX } from "../../shared/core/limits.ts";
import { parseAnswer, type TurnAction, type TurnRequest } from "../../shared/core/remote/protocol.ts";
import { remote } from "../../shared/core/remote/remote.ts";
import type { RunState } from "../../shared/core/state.ts";
import type { AnyWorkflow } from "../../shared/core/workflow.ts";
import type { Runners, Turn } from "../../shared/ports/runners.ts";
import type { Watched } from "./checker.ts";
import type { Ended, Model } from "./models.ts";
import type { Process } from "./process.ts";
import { hashOf, Random } from "./random.ts";
import type { Scenario, Stage } from "./scenarios.ts";
import type { World } from "./world.ts";

const NAME = "distant";
const LARGE = 33_000;
/** How it behaves, try by try. */
const CONDUCTS = ["quick", "quick", "quick", "quick", "quick", "slow", "hangs", "falls"] as const;

export const remoteWorkflows: readonly AnyWorkflow[] = [
  remote(NAME, { url: "http://runner.simulated", maxRetries: 2, stepTimeout: "10s" }),
];

/** Answers as the runner does, from what has been done; `isHealed` is what it finds in the world. */
function nextAction(turn: TurnRequest, isHealed: boolean): TurnAction {
  const done = new Map(turn.completed_steps.map(({ name, status, output }) => [name, { status, output }]));
  const isDone = (name: string): boolean => done.get(name)?.status === "completed";
  const failures = turn.completed_steps.filter(({ status }) => status === "failed").length;
  if (breaksIn(turn.input)) {
    if (!isDone("event:go")) return { action: "wait_event", event: "go" };
    if (!isHealed) return { action: "fail", step_name: "last", error: "broken" };
    if (!isDone("last")) return { action: "step_complete", step_name: "last" };
    return { action: "complete", output: done.get("event:go")!.output! };
  }
  if (!isDone("flaky"))
    return failures < 2
      ? { action: "fail", step_name: "flaky", error: { name: "Refused", message: `no ${failures}` } }
      : { action: "step_complete", step_name: "flaky", output: "flaky", duration_ms: 5 };
  if (turn.current_step === 1) return { action: "sleep", duration: "40s" };
  if (!isDone("large")) return { action: "step_complete", step_name: "large", output: "x".repeat(LARGE) };
  if (turn.current_step === 3) return { action: "sleep", duration: "2h" };
  if (!isDone("event:go")) return { action: "wait_event", event: "go" };
  if (!isDone("last")) return { action: "step_complete", step_name: "last" };
  const large = done.get("large")!.output as string;
  return {
    action: "complete",
    output: { flaky: done.get("flaky")!.output!, large: large.length, go: done.get("event:go")!.output! },
  };
}

/** Its last step fails until the world is healed. */
const breaksIn = (input: Json | undefined): boolean =>
  (input as { breaks?: boolean } | null)?.breaks === true;

/** The runner of one world, and what it was asked. */
export class Remotes {
  readonly #world: World;
  readonly #seed: number;
  readonly #tries = new Map<string, number>();
  readonly #words = new Map<string, string>();
  /** Answers by the turn's id, as the journal should have them. */
  readonly #answers = new Map<string, Set<string>>();

  constructor(world: World, seed: number) {
    this.#world = world;
    this.#seed = seed;
    world.memory.runners.script(NAME, (turn, { turnId }) => this.#answer(turn, turnId));
  }

  async #answer(turn: TurnRequest, turnId: string): Promise<TurnAction> {
    const { memory, services } = this.#world;
    const tries = (this.#tries.get(turnId) ?? 0) + 1;
    this.#tries.set(turnId, tries);
    const random = new Random(hashOf(`${turnId} ${tries}`, this.#seed));
    const conduct = tries > 2 ? "quick" : random.pick(CONDUCTS);
    if (conduct !== "quick")
      await memory.clock.sleep(conduct === "hangs" ? 25_000 : random.between(1, 9_000));
    if (conduct === "falls") throw new Error("status 503");
    const action = nextAction(turn, services.healed.has(turn.workflow_id));
    const { output, ...said } = parseAnswer(JSON.parse(JSON.stringify(action)));
    const known = this.#answers.get(turnId) ?? new Set();
    this.#answers.set(turnId, known.add(answerText(said, output)));
    return action;
  }

  /** A process is about to ask. */
  #asked(process: Process, { id, runId, body }: Turn): void {
    const { checker } = this.#world;
    const state = checker.runs.get(runId)?.state;
    const words = this.#words.get(id);
    this.#words.set(id, body);
    if (words !== undefined && words !== body)
      return checker.violate("turn", runId, `Turn ${id} was asked as ${words}, now as ${body}`);
    if (state?.lease?.owner === process.name && openTurn(state) === id) return;
    if (process.mayBeStale) return;
    checker.violate("J5", runId, `${process.name} asks turn ${id}, which no stored entry has open for it`);
  }

  /** An entry is stored that holds this event; `run` is as it was before. */
  stored({ state }: Watched, event: RunEvent): void {
    if (event.type !== "TurnAnswered" || event.action === "complete") return;
    const answers = this.#answers.get(turnIdOf(state, event.operation));
    const { type: _type, operation: _operation, output, nextAttemptAt: _next, ...said } = event;
    if (output !== undefined && !("v" in output)) return;
    if (answers?.has(answerText(said, output?.v))) return;
    this.#world.checker.violate("turn", state.runId, `${event.operation} has what no runner answered`);
  }

  observed(runners: Runners, process: Process): Runners {
    return {
      ask: (runner, turn, signal) => {
        this.#asked(process, turn);
        return runners.ask(runner, turn, signal);
      },
    };
  }
}

const answerText = (said: Partial<TurnAnswered>, output: Json | undefined): string =>
  JSON.stringify([said.action, said.step, said.failure, said.durationMs, said.signal, output]);

const turnIdOf = (state: RunState, operation: string): string =>
  digest("turn", state.inc, operation, state.redrives);

function openTurn(state: RunState): string | undefined {
  for (const { id, kind, status } of state.open.values())
    if (kind === "turn" && status === "running") return turnIdOf(state, id);
  return undefined;
}

async function begun({ client, random, sleep }: Stage, runId: string, input: JsonObject = {}): Promise<void> {
  await client.start({ workflow: NAME, runId, input });
  await sleep(random.pick(input.breaks === true ? [0, 1_000, 90_000] : [0, 1_000, 90_000, 3 * 3_600_000]));
  await client.signal({ runId, name: "go", payload: { n: 7 }, signalId: "go" });
}

export const remoteScenarios: Record<string, Scenario> = {
  distant: begun,
  distantCancelled: async (stage, runId) => {
    const { client, random, sleep } = stage;
    await client.start({ workflow: NAME, runId });
    await sleep(random.pick([0, 5, 2_000, 20_000, 60_000, 3_600_000, 3 * 3_600_000]));
    await client.cancel(runId);
  },
  distantRedriven: async (stage, runId) => {
    await begun(stage, runId, { breaks: true });
    await stage.client.until(runId, ({ finished }) => finished !== undefined);
    stage.client.world.services.healed.add(runId);
    await stage.client.redrive(runId, "again");
  },
};

const completes = ({ status, input, output, error }: Ended): string | undefined => {
  const go = { n: 7 };
  const expected = breaksIn(input) ? go : { flaky: "flaky", large: LARGE, go };
  const isWhole = status === "completed" && JSON.stringify(output) === JSON.stringify(expected);
  return isWhole ? undefined : `Got ${status} ${JSON.stringify(output ?? error)}`;
};

/** Only a runner that was out of reach for so long fails it. */
const isLost = ({ error, events }: Ended): boolean =>
  error?.code === "RunnerUnavailable" &&
  events.some((event) => event.type === "TurnUnanswered" && event.lostMs >= RUNNER_LOST_MS_MAX);

export const remoteModels: Record<string, Model> = {
  [NAME]: (ended) => {
    if (ended.status === "cancelled")
      return ended.events.some(({ type }) => type === "CancelRequested") ? undefined : "Nobody cancelled it";
    return isLost(ended) ? undefined : completes(ended);
  },
};
