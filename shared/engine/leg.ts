/**
 * A leg: one stretch of a run in one process. Claim → replay → decide → append → effects … → park or finish.
 *
 * 1. The claim and the first decisions are one entry; so are a result, what the code made of it, and the run's end
 *    or its park (J2). Steps begin only after the entry that says so is stored (J5).
 * 2. A leg that has lost its lease stops and writes nothing more (J4); so does one that has ended.
 * 3. It parks when everything that it waits for is outside; the wake for the earliest time goes out first (J5, J8).
 * 4. It hands over before a step that no longer fits into its time (J11).
 */

import { runTimedOut } from "../core/endings.ts";
import { LeaseLost, type RunError } from "../core/errors.ts";
import type {
  CallbackSettled,
  ChildStarted,
  Command,
  Delivery,
  GateSettled,
  ItemKept,
  ItemSettled,
  RunEvent,
  StepCompleted,
} from "../core/events.ts";
import type { Execution, Outcome } from "../core/execution.ts";
import { childRunId, idempotencyKeyOf } from "../core/ids.ts";
import type { Json, Payload } from "../core/json.ts";
import {
  AWAIT_IN_LEG_MS,
  ENTRY_BYTES_MAX,
  LEG_CLOSING_MS,
  MAP_CHECKPOINT_MS,
  TAIL_READ_MS,
} from "../core/limits.ts";
import { turnedOf } from "../core/remote/driver.ts";
import { mergedState, NonDeterminism, replay } from "../core/replay.ts";
import { retryDelayMs } from "../core/retry.ts";
import {
  isFork,
  isHeldFailure,
  isToBeCancelled,
  needsAttempt,
  type Operation,
  type RunState,
  wakeAtOf,
} from "../core/state.ts";
import { Announcer } from "./announce.ts";
import { type Attempt, type AttemptResult, Attempts } from "./attempts.ts";
import { answered, due, matchSignal } from "./decide.ts";
import { Draft } from "./draft.ts";
import { performAll } from "./effects.ts";
import { hydrateFrom, newExecution } from "./executions.ts";
import { catchUp, externalized, loadRun, payloadOf, readPayload } from "./load.ts";
import { otherDefinition } from "./refusals.ts";
import { answeredTurn, asker, unansweredTurn } from "./remote.ts";
import { letGo, type Resident, settledBy } from "./residents.ts";
import type { Engine } from "./settings.ts";
import { MapSiteLost } from "./sites.ts";
import { eventIsThere, sendWake, timerWake } from "./wake.ts";

export type LegEnd = "finished" | "parked" | "handedOver" | "stalled";

export class Leg {
  readonly #engine: Engine;
  readonly #run: Resident;
  readonly #attempts: Attempts;
  readonly #announcer: Announcer;
  readonly #until: number;
  readonly #results: AttemptResult[] = [];
  readonly #passed = new Set<string>();
  readonly #kept: (StepCompleted | ItemKept)[] = [];
  #execution!: Execution;
  #draft: Draft | undefined;
  #generation: number | undefined;
  #handover = false;
  /** The owner before died, and had got on with the run. */
  #tookOver = false;
  /** Effects that were owed at the claim: whoever does them again notes that they are done. */
  #repeated: string[] = [];
  /** A pause keeps attempts from beginning. */
  #heldBack = false;
  /** When results that wait for others to be stored with them wait no longer. */
  #heldUntil = 0;
  #closed = false;
  #poked = false;
  /** Something is there to deliver that the present draft cannot take: it is for the next. */
  #hasMore = false;
  #notify: (() => void) | undefined;

  constructor(engine: Engine, run: Resident) {
    this.#engine = engine;
    this.#run = run;
    this.#until = engine.clock.now() + engine.settings.legMs;
    this.#announcer = new Announcer(engine, run.state);
    this.#attempts = new Attempts(engine.clock, engine.log, (result) => {
      if (this.#closed) return;
      if (this.#results.length === 0) this.#heldUntil = engine.clock.now() + MAP_CHECKPOINT_MS;
      this.#results.push(result);
      this.#stir();
    });
  }

  get inc(): string {
    return this.#run.header.inc;
  }
  get until(): number {
    return this.#until;
  }
  get generation(): number {
    return this.#generation ?? 0;
  }
  /** Whether the event that a wake names has reached this leg. */
  knows(event: string | undefined): boolean {
    return eventIsThere(this.#run.state, event);
  }

  /** Makes the leg read the journal's tail. */
  poke(): void {
    this.#poked = true;
    this.#stir();
  }

  /** Runs the leg to its end. Throws `LeaseLost`, or a `PortError` when a port has failed. */
  async run(cause: string | undefined): Promise<LegEnd> {
    try {
      const stalled = await this.#prepare();
      await this.#claim(cause, stalled);
      return stalled === undefined ? await this.#advance() : "stalled";
    } catch (error) {
      if (!(error instanceof LeaseLost)) await this.#giveUp();
      throw error;
    } finally {
      this.#close();
      await this.#announcer.settled();
    }
  }

  /** A port has failed: the lease is given up, so that whoever comes next need not wait for its end. */
  async #giveUp(): Promise<void> {
    if (this.#generation === undefined || this.#run.state.finished !== undefined) return;
    // Attempts in flight may still do their work: whoever comes next must see that this leg never parked.
    if (this.#attempts.size > 0) return;
    this.#closed = true;
    try {
      const fresh = await loadRun(this.#engine, this.#run.state.runId, { consistent: true });
      if (fresh?.state.generation !== this.#generation || fresh.state.phase !== "leased") return;
      // So it must where one has ended, and its end is not stored.
      if (runningSteps(fresh).some((step) => this.#attempts.hasBegun(step))) return;
      const wakeAt = wakeAtOf(fresh.state);
      if (wakeAt !== undefined) await sendWake(this.#engine, timerWake(fresh.state, wakeAt));
      const draft = new Draft(this.#engine, fresh);
      draft.push({ type: "LegParked", handover: true });
      await draft.store(this.#generation);
    } catch (error) {
      this.#engine.log.warn("The lease could not be given up; it ends by itself.", {
        runId: this.#run.state.runId,
        error: String(error),
      });
    }
  }

  #close(): void {
    this.#closed = true;
    if (this.#execution !== undefined) this.#execution.onIssued = undefined;
    this.#attempts.abort(() => false, "The leg has ended.");
    const kept =
      this.#run.state.phase === "parked" &&
      this.#draft === undefined &&
      this.#run.state.stalled === undefined;
    this.#run.execution = kept ? this.#execution : undefined;
  }

  /** Brings the code to where the journal is. Answers why that cannot be, if so. */
  async #prepare(): Promise<RunError | undefined> {
    const { state } = this.#run;
    const { workflow, version } = state.created;
    const definition = this.#engine.registry.find(workflow, version);
    if (definition === undefined)
      return {
        code: "WorkflowNotFound",
        name: "WorkflowNotFound",
        message: `This code has no workflow ${JSON.stringify(workflow)} of version ${version}. Put it back, or let the run go on elsewhere.`,
      };
    const other = otherDefinition(state.created.definitionHash, definition.definitionHash);
    if (other !== undefined) {
      const { message, ...data } = other;
      return { code: "DefinitionMismatch", name: "DefinitionMismatch", message, data };
    }
    if (endsUnstarted(this.#run)) return undefined;
    try {
      await this.#replay(
        this.#run.execution ??
          (await newExecution(
            this.#engine,
            definition,
            this.#run,
            asker(this.#engine, this.#run, definition),
          )),
      );
      return undefined;
    } catch (error) {
      if (!(error instanceof NonDeterminism) && !(error instanceof MapSiteLost)) throw error;
      return { code: error.code, name: error.name, message: error.message, data: error.data };
    }
  }

  async #replay(execution: Execution): Promise<void> {
    execution.live = false;
    this.#execution = execution;
    await replay(execution, this.#run.state, hydrateFrom(this.#engine, this.#run));
    letGo(this.#run, this.#run.state.operations.values());
    execution.live = true;
    execution.onIssued = () => this.#stir();
    for (const operation of this.#run.state.open.values()) this.#keep(operation);
  }

  async #claim(cause: string | undefined, stalled: RunError | undefined): Promise<void> {
    const { state } = this.#run;
    const { owner, codeHash } = this.#engine.settings;
    const interrupted = state.phase === "leased" ? runningSteps(this.#run) : [];
    const { progressed, owned } = state;
    this.#tookOver = progressed;
    this.#repeated = [...state.effects.keys()].filter((id) => !this.#run.effectsDone.has(id));
    const draft = this.#open();
    draft.push({
      type: "LegStarted",
      owner,
      until: this.#until,
      codeHash,
      ...(cause === undefined ? {} : { cause }),
      ...(this.#run.reread === 0 ? {} : { reread: this.#run.reread }),
    });
    this.#run.reread = 0;
    this.#noteEffects(draft);
    if (stalled !== undefined) return this.#stall(stalled);
    if (this.#execution === undefined) return this.#endUnstarted();
    if (!this.#execution.started) await this.#execution.start(draft.seen);
    const crashed = interrupted.filter(({ id, kind, attemptIn }) => {
      // Nothing of the owner's has come since its attempt began: it may be what ends the process (J11).
      const isPoison = !progressed || (kind !== "turn" && attemptIn === owned);
      return isPoison || this.#execution.steps.get(id)?.atMostOnce;
    });
    let isFull = false;
    for (const step of crashed) {
      const result = this.#crashed(step);
      // The end of one may have cancelled another.
      if (result === undefined || !this.#run.state.open.has(step.id)) continue;
      this.#attempts.took(result.attempt);
      // What the end of one makes of the run may fill the entry: the others' ends are for the next.
      if (isFull) this.#results.push(result);
      else await this.#failed(result);
      isFull ||= await this.#draftCommands();
    }
  }

  async #stall(error: RunError): Promise<void> {
    const { operation, recorded, found } = (error.data ?? {}) as Record<string, string | undefined>;
    const { codeHash } = this.#engine.settings;
    for (;;) {
      const draft = this.#open();
      if (!draft.events.some((event) => event.type === "RunStalled"))
        draft.push({
          type: "RunStalled",
          code: error.code,
          message: error.message,
          operation,
          recorded,
          found,
          codeHash,
        });
      if (draft.events.at(-1)?.type !== "LegParked") draft.push({ type: "LegParked" });
      if (await draft.store(this.#generation)) break;
    }
    this.#draft = undefined;
    this.#engine.log.warn("The run is stalled.", { runId: this.#run.state.runId, ...error });
  }

  #endUnstarted(): void {
    const { cancel } = this.#run.state;
    this.#open().push(
      cancel === undefined ? { type: "RunTimedOut", error: runTimedOut() } : { type: "RunCancelled" },
    );
  }

  /** What came of an attempt that the owner before had begun, and did not end. */
  #crashed({ id, name, attempts }: Operation): (AttemptResult & { ok: false }) | undefined {
    const work = this.#execution.steps.get(id);
    if (work === undefined) return undefined;
    const code = work.atMostOnce ? "StepInterrupted" : "LegCrashed";
    const message = `The process ended while it ran the step ${JSON.stringify(name)}.`;
    return {
      attempt: { operation: id, attempt: attempts, work },
      ok: false,
      error: { code, name: code, message, operation: name, attempts },
      thrown: undefined,
    };
  }

  #open(): Draft {
    this.#draft ??= new Draft(this.#engine, this.#run);
    return this.#draft;
  }

  /** Effects that this process has done need no leg to do them again (J10). */
  #noteEffects(draft: Draft): void {
    const effects = [...this.#run.effectsDone].filter((id) => this.#run.state.effects.has(id));
    if (effects.length > 0) draft.push({ type: "EffectsDone", effects });
  }

  /** The leg's life after its claim was drafted. */
  async #advance(): Promise<LegEnd> {
    for (;;) {
      await this.#decide();
      const parking = this.#parks();
      if (parking) await this.#preparePark();
      const draft = this.#draft;
      if (draft === undefined) {
        await this.#wait();
        continue;
      }
      if (!(await draft.store(this.#generation))) {
        draft.withoutPark();
        if (draft.dropIfEmpty()) this.#draft = undefined;
        this.#beginHeldBack();
        continue;
      }
      this.#generation ??= this.#run.state.generation;
      this.#draft = undefined;
      this.#announcer.stored(this.#run.state);
      await this.#afterStore(draft.events);
      if (this.#run.state.finished !== undefined) return "finished";
      if (this.#run.state.phase === "parked") return this.#handover ? "handedOver" : "parked";
    }
  }

  /** Delivers what is there to deliver, and drafts what the code makes of it, until there is nothing more. */
  async #decide(): Promise<void> {
    if (this.#poked && this.#draft === undefined) await this.#readTail();
    this.#hasMore = true;
    while (!(await this.#draftCommands())) {
      if ((this.#draft?.bytes ?? 0) > ENTRY_BYTES_MAX) return;
      if (await this.#deliverNext()) continue;
      this.#hasMore = this.#run.state.firstUndelivered !== undefined;
      return;
    }
  }

  /** True once the run is finished, or the draft is full. */
  async #draftCommands(): Promise<boolean> {
    if (this.#run.state.finished !== undefined) return true;
    for (let command = this.#execution.peek(); command !== undefined; command = this.#execution.peek()) {
      if ((this.#draft?.bytes ?? 0) > ENTRY_BYTES_MAX) return true;
      this.#execution.take();
      const stored = await this.#storable(command);
      this.#open().push(stored, bytesOf(stored));
      if ("operation" in stored && BEGUN.has(stored.type))
        this.#keep(this.#run.state.open.get(stored.operation)!);
      if (this.#run.state.finished !== undefined) return true;
    }
    return false;
  }

  /** What is asked for again after a redrive may have its result already. */
  #keep({ id: operation, kept }: Operation): void {
    const step = this.#run.state.kept.get(operation);
    if (kept) this.#kept.push({ type: "ItemKept", operation });
    else if (step !== undefined) this.#kept.push({ type: "StepCompleted", operation, output: step.output });
  }

  async #storableChild(command: ChildStarted): Promise<ChildStarted> {
    const { inc, redrives, kept } = this.#run.state;
    const { operation, name, detached, input, node } = command;
    const before = kept.get(operation);
    const ofKept = before?.kind === "child" && before.name === name ? before.childRunId : undefined;
    const stored =
      detached || node !== undefined
        ? command
        : { ...command, childRunId: ofKept ?? childRunId(inc, operation, redrives) };
    return input === undefined
      ? stored
      : { ...stored, input: await externalized(this.#engine, this.#run.header, input) };
  }

  async #storable(command: Command): Promise<Command> {
    const { header } = this.#run;
    if (command.type === "StateSet")
      return { ...command, patch: await externalized(this.#engine, header, command.patch) };
    if (command.type === "ChildStarted") return this.#storableChild(command);
    if (command.type === "ItemSettled" && command.output !== undefined)
      return itemSettled(this.#run.state, command, await externalized(this.#engine, header, command.output));
    if (command.type === "RunContinued" && command.input !== undefined)
      return { ...command, input: await externalized(this.#engine, header, command.input) };
    if (command.type === "RunCompleted" && command.output !== undefined)
      return { ...command, output: await externalized(this.#engine, header, command.output) };
    return command;
  }

  async #deliverNext(): Promise<boolean> {
    const { state } = this.#run;
    const now = this.#draft?.seen ?? this.#engine.clock.now();
    if (isToBeCancelled(state)) return this.#deliver({ type: "CancelDelivered" }, {});
    if (state.pause !== undefined) {
      const result = this.#results.shift();
      return result === undefined ? false : this.#settled(result);
    }
    if (
      state.created.deadline !== undefined &&
      state.created.deadline <= now &&
      !state.deadlineReached &&
      state.cancel === undefined
    )
      return this.#deliver({ type: "DeadlineReached" }, {});
    const limit = this.#exceededLimit();
    if (limit !== undefined) return this.#deliver({ type: "HistoryLimitReached", limit }, {});
    if (
      state.firstUndelivered !== undefined &&
      !this.#draft?.events.some((event) => event.type === "StateSet")
    )
      return this.#deliverPatches();
    const result = this.#isRipe() ? this.#results.shift() : undefined;
    if (result !== undefined) return this.#settled(result);
    const kept = this.#kept.shift();
    if (kept !== undefined) return this.#deliverKept(kept);
    const answer = answered(state);
    if (answer !== undefined) return this.#deliverAnswer(answer);
    const ended = state.childEnds.keys().next().value;
    if (ended !== undefined) return this.#deliverChild(ended);
    return (await this.#deliverSignal()) || this.#deliverDue(now);
  }

  /** The workflow's limit, if the journal is as long and the run is not ending anyway. */
  #exceededLimit(): number | undefined {
    const { sequence, overgrown, deadlineReached, cancel } = this.#run.state;
    const { definition, undoing, ended } = this.#execution;
    const limit = definition.options.historyLimit;
    if (limit === undefined || sequence < limit) return undefined;
    return overgrown || deadlineReached || cancel !== undefined || undoing || ended ? undefined : limit;
  }

  /** Whether results are to be stored now, or wait for others: for so many as the map asks for, while more are on
   * their way, but not for long. */
  #isRipe(): boolean {
    const { length } = this.#results;
    if (length === 0 || this.#draft !== undefined || this.#handover) return length > 0;
    const together = this.#run.state.created.node?.tree.checkpoint ?? 1;
    return length >= together || this.#attempts.size === 0 || this.#engine.clock.now() >= this.#heldUntil;
  }

  async #deliver(event: Delivery, outcome: Outcome, bytes?: number): Promise<boolean> {
    const draft = this.#open();
    draft.push(event, bytes);
    await this.#execution.deliver(event, draft.seen, outcome);
    return true;
  }

  async #deliverKept(kept: StepCompleted | ItemKept): Promise<boolean> {
    const { output } = kept.type === "StepCompleted" ? kept : this.#run.state.open.get(kept.operation)!;
    return this.#deliver(kept, { value: await readPayload(this.#engine, output) });
  }

  async #deliverPatches(): Promise<boolean> {
    const { patches } = this.#run.state;
    const value = await mergedState(patches, { payload: (payload) => readPayload(this.#engine, payload) });
    return this.#deliver({ type: "PatchDelivered", count: patches.length }, { value });
  }

  async #deliverChild(operation: string): Promise<boolean> {
    const end = this.#run.state.childEnds.get(operation)!;
    const outcome: Outcome =
      end.status === "completed"
        ? { value: await readPayload(this.#engine, end.output) }
        : { error: end.error! };
    return this.#deliver({ type: "ChildSettled", operation }, outcome);
  }

  async #deliverAnswer(event: GateSettled | CallbackSettled): Promise<boolean> {
    const { decision, used } = this.#run.state.open.get(event.operation)!;
    if (used?.error !== undefined) return this.#deliver(event, { error: used.error });
    if (decision === undefined)
      return this.#deliver(event, { value: await readPayload(this.#engine, used?.output) });
    const { at: _at, ...verdict } = decision;
    return this.#deliver(event, { value: verdict as Json });
  }

  async #deliverSignal(): Promise<boolean> {
    const { state } = this.#run;
    if (state.buffered.size === 0 || state.waits.size === 0) return false;
    const decision = await matchSignal(
      state,
      this.#execution,
      (signal) => readPayload(this.#engine, signal.payload),
      this.#passed,
    );
    if (decision === undefined) return false;
    if (!("value" in decision)) {
      this.#open().push(decision.event, 100 + decision.event.message.length);
      return true;
    }
    const { event, value } = decision;
    if (event.payload === undefined) return this.#deliver(event, { value });
    const payload = await externalized(this.#engine, this.#run.header, event.payload);
    return this.#deliver({ ...event, payload }, { value }, 100 + jsonBytes(payload));
  }

  async #deliverDue(now: number): Promise<boolean> {
    const event = due(this.#run.state, now);
    if (event === undefined) return false;
    if (event.type === "StepRetried") {
      if (!this.#fits(event.operation)) return false;
      this.#open().push(event);
      return true;
    }
    const draft = this.#open();
    draft.push(event);
    const { error } = this.#run.state.operations.get(event.operation)!;
    await this.#execution.deliver(event, draft.seen, error === undefined ? {} : { error });
    return true;
  }

  /** Drafts the end of a step's attempt. */
  async #settled(result: AttemptResult): Promise<boolean> {
    const { operation } = result.attempt;
    if (!result.ok) return this.#failed(result);
    if (result.attempt.work.isTurn && this.#run.state.open.has(operation)) return this.#turned(result);
    const value = result.text === undefined ? undefined : (JSON.parse(result.text) as Json);
    if (this.#run.state.open.has(operation) && this.#noted(result.attempt, value)) return true;
    const output =
      value === undefined ? undefined : await payloadOf(this.#engine, this.#run.header, value, result.text!);
    const stored = output === undefined ? {} : { output };
    const bytes = 100 + (output !== undefined && "v" in output ? result.text!.length : 100);
    if (!this.#run.state.open.has(operation)) {
      this.#open().push({ type: "LateResultRecorded", operation, ...stored }, bytes);
      this.#execution.late(operation, value);
      return true;
    }
    return this.#deliver({ type: "StepCompleted", operation, ...stored }, { value }, bytes);
  }

  /** Drafts what a remote run's runner has answered. */
  async #turned(result: AttemptResult & { ok: true }): Promise<boolean> {
    const draft = this.#open();
    const { event, output } = await answeredTurn(this.#engine, this.#run, result, draft.seen);
    // The run's end, which holds its output, goes into this very entry: a full one would leave it for the next.
    const bytes =
      event.action === "complete" ? 0 : 200 + jsonBytes(event.output) + jsonBytes({ v: event.failure ?? "" });
    return this.#deliver(event, { value: turnedOf(event, output) as unknown as Json }, bytes);
  }

  /** What an attempt of other things than steps comes to: a token handed out, a condition that does not hold. */
  #noted({ operation, attempt, work }: Attempt, value: Json | undefined): boolean {
    if (this.#run.state.open.get(operation)!.kind === "callback") {
      this.#open().push({ type: "CallbackSent", operation });
      return true;
    }
    if (work.again === undefined || (value !== undefined && value !== false)) return false;
    const draft = this.#open();
    draft.push({
      type: "ConditionUnmet",
      operation,
      attempt,
      nextAttemptAt: draft.seen + work.again(attempt),
    });
    return true;
  }

  async #failed(result: AttemptResult & { ok: false }): Promise<boolean> {
    const { attempt, error, thrown } = result;
    const { operation } = attempt;
    if (!this.#run.state.open.has(operation)) {
      this.#open().push({ type: "LateResultRecorded", operation, error });
      return true;
    }
    if (attempt.work.isTurn) {
      const missed = unansweredTurn(this.#engine, this.#run, result, this.#open().seen);
      if (missed.type === "StepFailed") return this.#deliver(missed, { error: missed.error });
      this.#open().push(missed);
      return true;
    }
    if (attempt.work.again !== undefined && error.code !== "NotSerializable") {
      const draft = this.#open();
      const nextAttemptAt = draft.seen + this.#delayAfter(error, attempt.work.again(attempt.attempt));
      draft.push({ type: "StepAttemptFailed", operation, attempt: attempt.attempt, error, nextAttemptAt });
      return true;
    }
    const delayMs = retryDelayMs(
      attempt.work.policy,
      { attempt: attempt.attempt, error, thrown },
      this.#engine.clock.random(),
    );
    if (delayMs === undefined) return this.#deliver({ type: "StepFailed", operation, error }, { error });
    const draft = this.#open();
    draft.push({
      type: "StepAttemptFailed",
      operation,
      attempt: attempt.attempt,
      error,
      nextAttemptAt: draft.seen + this.#delayAfter(error, delayMs),
    });
    return true;
  }

  #delayAfter({ code }: RunError, delayMs: number): number {
    const isAtOnce = this.#tookOver || this.#engine.settings.retriesCrashedAtOnce;
    return code === "LegCrashed" && isAtOnce ? 0 : delayMs;
  }

  /** Whether a step's attempt fits into what is left of the leg; if not, the leg hands over (J11). */
  #fits(operation: string): boolean {
    const work = this.#execution.steps.get(operation);
    if (work === undefined || this.#engine.clock.now() + work.timeoutMs <= this.#until) return true;
    this.#handover = true;
    return false;
  }

  /** What a stored entry sets off. */
  async #afterStore(events: RunEvent[]): Promise<void> {
    const { state } = this.#run;
    letGo(this.#run, settledBy(state, events));
    const interrupted = events.some(
      ({ type }) =>
        type === "OperationCancelled" ||
        type === "CancelDelivered" ||
        type === "DeadlineReached" ||
        type === "HistoryLimitReached",
    );
    if (interrupted || state.finished !== undefined)
      this.#attempts.abort((operation) => state.open.has(operation), "The operation was cancelled.");
    if (events[0]?.type === "LegStarted" || this.#heldBack) this.#beginAll();
    else
      for (const event of events)
        if (BEGINS.has(event.type) && "operation" in event)
          this.#begin(state.open.get(event.operation ?? ""));
    // A leg that were still at it at its end would lose its lease, and note nothing as done: it hands over what is left.
    const goesOn = state.phase === "leased";
    await performAll(this.#engine, this.#run, goesOn ? this.#until - LEG_CLOSING_MS : undefined);
  }

  #beginAll(): void {
    this.#heldBack = false;
    for (const step of runningSteps(this.#run)) this.#begin(step);
  }

  #begin(step: Operation | undefined): void {
    // What is parked is for the next leg.
    if (this.#run.state.phase !== "leased") return;
    if (step !== undefined && this.#run.state.pause !== undefined) {
      this.#heldBack = true;
      return;
    }
    if (step === undefined || !needsAttempt(step) || this.#run.state.kept.has(step.id)) return;
    if (this.#attempts.hasBegun(step) || !this.#fits(step.id)) return;
    const work = this.#execution.steps.get(step.id)!;
    this.#attempts.begin(
      { operation: step.id, attempt: step.attempts, work },
      idempotencyKeyOf(this.#run.state.inc, step.id, this.#run.state.undone.get(step.of ?? step.id)),
    );
  }

  /** Whether nothing is left for this leg: no attempt in flight or about to be, and no short delay to await. */
  #parks(): boolean {
    const { state } = this.#run;
    if (state.finished !== undefined || this.#results.length > 0 || this.#attempts.size > 0) return false;
    if (this.#execution.peek() !== undefined) return false;
    const now = this.#engine.clock.now();
    if (this.#handover || now >= this.#until - LEG_CLOSING_MS) {
      this.#handover = true;
      return true;
    }
    if (this.#repeated.some((id) => !this.#run.effectsDone.has(id))) return false;
    if (state.pause !== undefined) return true;
    if (this.#hasMore) return false;
    const begins = this.#draft?.events.some(({ type }) => type === "LegStarted" || BEGINS.has(type));
    if ((begins || this.#heldBack) && runningSteps(this.#run).length > 0) return false;
    if (!hasOpenLeaf(this.#run)) return false;
    const wakeAt = wakeAtOf(state);
    return wakeAt === undefined || wakeAt - now > AWAIT_IN_LEG_MS;
  }

  async #preparePark(): Promise<void> {
    const { state } = this.#run;
    const wakeAt = wakeAtOf(state);
    // Handed over, it is woken at once; but the next leg may find nothing to do before this time.
    if (wakeAt !== undefined) await sendWake(this.#engine, timerWake(state, wakeAt));
    if (this.#repeated.length > 0) this.#noteEffects(this.#open());
    this.#open().push(this.#handover ? { type: "LegParked", handover: true } : { type: "LegParked" });
  }

  /** Waits until something may have changed: a result, a poke, a time, or the leg's end. */
  async #wait(): Promise<void> {
    if (this.#isRipe() || this.#poked || this.#execution.peek() !== undefined) return;
    const now = this.#engine.clock.now();
    // What is due while the leg only waits to hand over is for the next leg.
    const wakeAt = this.#handover ? undefined : wakeAtOf(this.#run.state);
    const next = Math.min(
      wakeAt ?? Number.POSITIVE_INFINITY,
      now + TAIL_READ_MS,
      this.#results.length > 0 ? this.#heldUntil : Number.POSITIVE_INFINITY,
      Math.max(this.#until - LEG_CLOSING_MS, now + 1),
    );
    const waitMs = Math.max(0, next - now);
    await new Promise<void>((resolve) => {
      const cancelTimer = this.#engine.clock.after(waitMs, () => {
        if (waitMs >= TAIL_READ_MS) this.#poked = true;
        resolve();
      });
      this.#notify = () => {
        cancelTimer();
        resolve();
      };
    });
    this.#notify = undefined;
  }

  #stir(): void {
    this.#notify?.();
  }

  async #readTail(): Promise<void> {
    this.#poked = false;
    const entries = await catchUp(this.#engine, this.#run);
    for (const entry of entries)
      if (entry.events.some((event) => event.type === "LegStarted"))
        throw new LeaseLost(this.#run.state.runId, this.generation, entry.sequence);
    this.#beginHeldBack();
  }

  /** What a pause has kept from beginning, once there is none and nothing is drafted. */
  #beginHeldBack(): void {
    if (this.#heldBack && this.#draft === undefined && this.#run.state.pause === undefined) this.#beginAll();
  }
}

/** Events after whose entry an attempt begins. */
const BEGINS = new Set<RunEvent["type"]>([
  "StepStarted",
  "TurnStarted",
  "StepRetried",
  "ConditionStarted",
  "CallbackCreated",
  "CompensationStarted",
]);

/** Commands that begin what may have its result from before a redrive. */
const BEGUN = new Set<RunEvent["type"]>(["StepStarted", "ItemStarted"]);

/** A run that is cancelled before its code was ever called ends without calling it; a node that ended so has nothing
 * to undo, and ends so again. */
function endsUnstarted({ state }: Resident): boolean {
  const isUnstarted = state.generation === 0 || (state.undoing !== undefined && state.operations.size === 0);
  return isUnstarted && state.cancel !== undefined;
}

/** Most items are one step: its output is not stored again as the item's. */
function itemSettled(state: RunState, event: ItemSettled, output: Payload): ItemSettled {
  const first = state.operations.get(`${event.operation}/1`);
  const isSame = first?.status === "completed" && JSON.stringify(first.output) === JSON.stringify(output);
  return isSame ? { type: event.type, operation: event.operation, of: first.id } : { ...event, output };
}

function runningSteps(run: Resident): Operation[] {
  const running: Operation[] = [];
  for (const operation of run.state.open.values()) if (needsAttempt(operation)) running.push(operation);
  return running;
}

function hasOpenLeaf(run: Resident): boolean {
  for (const operation of run.state.open.values())
    if (!isFork(operation) && !isHeldFailure(operation)) return true;
  return false;
}

function bytesOf(command: Command): number {
  const payload =
    command.type === "StateSet"
      ? command.patch
      : command.type === "ChildStarted"
        ? command.input
        : command.type === "RunCompleted" || command.type === "ItemSettled"
          ? command.output
          : undefined;
  const error = "error" in command ? JSON.stringify(command.error ?? "").length : 0;
  const prompt = command.type === "GateOpened" ? (command.prompt?.length ?? 0) : 0;
  return 120 + error + prompt + jsonBytes(payload);
}

function jsonBytes(payload: Payload | undefined): number {
  if (payload === undefined || !("v" in payload)) return 40;
  return typeof payload.v === "string" ? 40 + payload.v.length : JSON.stringify(payload.v).length;
}
