/**
 * What must hold once all is over: every run has the one outcome that it may have, and its journal is one that the
 * code repeats, from its beginning and from wherever a process might take it up.
 */
import type { MemoryPorts } from "../../shared/adapters/memory/index.ts";
import { isDriven } from "../../shared/core/driven.ts";
import type { Delivery, Ending, Entry } from "../../shared/core/events.ts";
import { Execution, type Outcome } from "../../shared/core/execution.ts";
import { fold } from "../../shared/core/fold.ts";
import { canonicalJson, type Json, type Payload } from "../../shared/core/json.ts";
import { LEG_MS } from "../../shared/core/limits.ts";
import { mergedState, replay } from "../../shared/core/replay.ts";
import type { RunState } from "../../shared/core/state.ts";
import type { AnyWorkflow } from "../../shared/core/workflow.ts";
import { recordedIn } from "../../shared/engine/executions.ts";
import { readPayload } from "../../shared/engine/load.ts";
import type { Checker, Watched } from "./checker.ts";
import { exampleModels, wrongAccounts } from "./examples.ts";
import { type FinishedRun, Judge } from "./generated/judge.ts";
import type { ProgramInput } from "./generated/program.ts";
import { type Ended, models } from "./models.ts";
import { remoteModels } from "./remotes.ts";
import type { World } from "./world.ts";

const named = (workflows: Iterable<AnyWorkflow>): Map<string, AnyWorkflow> =>
  new Map([...workflows].map((workflow) => [workflow.name, workflow]));

const silent = { debug() {}, info() {}, warn() {}, error() {} };

export class Endings {
  readonly #memory: MemoryPorts;
  readonly #checker: Checker;
  readonly #world: World;
  readonly #workflows: Map<string, AnyWorkflow>;
  readonly #mended: Map<string, AnyWorkflow>;
  readonly #ended: Ended[] = [];

  /** The code that runs are begun with, and that which they are redriven by. */
  constructor(world: World, workflows: Iterable<AnyWorkflow>, mended: Iterable<AnyWorkflow>) {
    this.#world = world;
    this.#memory = world.memory;
    this.#checker = world.checker;
    this.#workflows = named(workflows);
    this.#mended = named(mended);
  }

  async checkAll(): Promise<void> {
    for (const run of this.#checker.runs.values()) await this.#check(run);
    if (this.#checker.violations.length > 0) return;
    await this.#judge();
    await this.#world.driven.checkEnds(this.#memory);
    const wrong = wrongAccounts(this.#ended);
    if (wrong !== undefined) this.#checker.violate("outcome", "?", wrong);
  }

  /** The runs of programs, of which each may tell of the others. */
  async #judge(): Promise<void> {
    const runs: FinishedRun[] = [];
    const present = new Set(
      [...this.#checker.runs.values()].flatMap(({ state }) =>
        [...state.operations.values()].map(({ childRunId }) => childRunId),
      ),
    );
    for (const { key, state } of this.#checker.runs.values())
      if (state.created.workflow === "generated" && state.created.node === undefined)
        runs.push({
          runId: key.runId,
          status: state.finished!.status,
          input: (await this.#read(state.created.input)) as unknown as ProgramInput,
          output: await this.#read(state.finished!.output),
          error: state.finished!.error,
          finishedAt: state.finished!.at,
          deadline: state.created.deadline,
          firstRunId: state.created.firstRunId,
          parentRunId: state.created.parent?.runId,
          isOfPresent: present.has(key.runId),
          continuedTo: state.continuedTo,
          isRedriven: state.redrives > 0,
          isUncompensated: state.uncompensated.length > 0,
        });
    const judge = new Judge(this.#world.ledger, runs, this.#world.disturbance());
    for (const run of runs) {
      const wrong = judge.judge(run);
      if (wrong !== undefined) this.#checker.violate("outcome", run.runId, wrong);
    }
  }

  async #check(run: Watched): Promise<void> {
    const { runId } = run.key;
    const { created, finished, open } = run.state;
    if (finished === undefined) {
      const waits = [...open.values()].map(({ kind, name, status }) => `${kind} ${name} (${status})`);
      return this.#checker.violate(
        "progress",
        runId,
        `The ${created.workflow} is not finished, nothing moves; open: ${waits.join(", ")}`,
      );
    }
    if (this.#isForTheSweep(run)) return;
    if (run.dueAt !== undefined)
      this.#checker.violate("J10", runId, "It is finished, and still in the due index");
    const header = await this.#memory.journal.header(runId, { consistent: true });
    const isKept = run.expiresAt > this.#memory.clock.now();
    if (isKept && header?.status !== finished.status)
      this.#checker.violate("J1", runId, `It ended ${finished.status}, its header shows ${header?.status}`);
    const ended: Ended = {
      runId,
      created,
      input: await this.#read(created.input),
      status: finished.status,
      output: await this.#read(finished.output),
      error: finished.error,
      events: run.entries.flatMap(({ at, events }) => events.map((event) => ({ ...event, at }))),
    };
    this.#ended.push(ended);
    const wrong = (
      models[created.workflow] ??
      exampleModels[created.workflow] ??
      remoteModels[created.workflow]
    )?.(ended);
    if (wrong !== undefined) this.#checker.violate("outcome", runId, `${created.workflow}: ${wrong}`);
    try {
      await this.#replays(run);
    } catch (error) {
      this.#checker.violate("R1", runId, `Its journal cannot be repeated: ${String(error)}`);
    }
  }

  /** The end of a driven run that could not be published waits for the sweep, which lossless histories have not. */
  #isForTheSweep({ dueAt, state: { created, finished } }: Watched): boolean {
    const { isLossy, plan } = this.#world;
    const isFailing = (plan.counts.get("publisherFail") ?? 0) > 0;
    return !isLossy && isFailing && isDriven(created) && (dueAt ?? 0) > finished!.at;
  }

  async #replays(run: Watched): Promise<void> {
    const { entries, state } = run;
    if (isDriven(state.created)) return;
    // A leaf of a map takes its items and its code from the run that maps, which is repeated itself.
    if (state.created.node !== undefined) return;
    if (!isCalled(entries)) return;
    for (let length = 1; length <= entries.length; length++) {
      const known = fold(run.key, entries.slice(0, length));
      const execution = await this.#replayed(known);
      const ahead = execution.take();
      if (known.finished !== undefined && !isCalled(entries.slice(0, length))) continue;
      if (known.finished !== undefined) await this.#sameEnd(known, ahead as Ending | undefined);
      if (known.finished !== undefined || state.redrives > 0) continue;
      const next = state.history[known.history.length]?.event;
      if (ahead !== undefined && ahead.type !== next?.type && !ahead.type.startsWith("Run"))
        throw new Error(
          `after entry ${length - 1} the code asks for ${ahead.type}, the journal has ${next?.type}`,
        );
    }
  }

  async #replayed(state: RunState): Promise<Execution> {
    const { created, runId, inc } = state;
    const code = state.redrives > 0 ? this.#mended : this.#workflows;
    const execution = new Execution(code.get(created.workflow)!, {
      runId,
      inc,
      dryRun: false,
      markers: state.markers,
      input: await this.#read(created.input),
      state: await mergedState(created.state === undefined ? [] : [created.state], this.#hydrate(state)),
      legMs: LEG_MS,
      log: silent,
      ...recordedIn({ state }),
    });
    await replay(execution, state, this.#hydrate(state));
    return execution;
  }

  #hydrate(state: RunState) {
    return {
      payload: (payload: Payload) => this.#read(payload),
      outcome: async (event: Delivery): Promise<Outcome> => {
        const operation = "operation" in event ? state.operations.get(event.operation) : undefined;
        if (operation?.error !== undefined) return { error: operation.error };
        return { value: await this.#read(operation?.output) };
      },
    };
  }

  async #sameEnd({ finished, continuedTo }: RunState, ending: Ending | undefined): Promise<void> {
    if (continuedTo !== undefined && ending?.type === "RunContinued" && ending.nextRunId === continuedTo)
      return;
    const output = ending?.type === "RunCompleted" ? await this.#read(ending.output) : undefined;
    const error = ending !== undefined && "error" in ending ? ending.error : undefined;
    const found = { status: ending?.type.slice(3).toLowerCase(), output, error };
    const recorded = {
      status: finished!.status.toLowerCase(),
      output: await this.#read(finished!.output),
      error: finished!.error,
    };
    const [left, right] = [recorded, found].map((end) =>
      canonicalJson(JSON.parse(JSON.stringify(end)) as Json),
    );
    if (left !== right) throw new Error(`it ended with ${left}, its code ends with ${right}`);
  }

  #read(payload: Payload | undefined): Promise<Json | undefined> {
    return readPayload(this.#memory, payload);
  }
}

const isCalled = (entries: readonly Entry[]): boolean =>
  entries.some(({ events }) => events.some(({ type }) => type !== "LegStarted" && isOfCode(type)));

/** Whether an event says that the code was called: a run that was cancelled before that is never replayed. */
const isOfCode = (type: string): boolean =>
  /^(Step|Turn|Timer|SignalAwaited|SignalDelivered|Child(Started|Settled)|Branches|StateSet|CancelDelivered|Deadline|RunCompleted)/.test(
    type,
  );
