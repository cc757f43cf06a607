/**
 * What must hold of every journal, checked as each entry is stored and each effect leaves. It sees the store behind
 * all processes, and knows which process does what; it trusts nothing that a process says.
 */

import { isDriven } from "../../shared/core/driven.ts";
import type {
  CancelRequested,
  ChildFinished,
  Entry,
  RunCreated,
  RunEvent,
} from "../../shared/core/events.ts";
import { applyEntry, fold } from "../../shared/core/fold.ts";
import type { Json } from "../../shared/core/json.ts";
import { CLOCK_SKEW_MS, ITEM_BYTES_MAX, RETENTION_MS } from "../../shared/core/limits.ts";
import type { Effect, RunState } from "../../shared/core/state.ts";
import type { Wake } from "../../shared/engine/wake.ts";
import type { NewRun, Projection, RunKey } from "../../shared/ports/journal.ts";
import { Keys } from "./keys.ts";
import type { Process } from "./process.ts";

/** A run as the store has it. */
export interface Watched {
  key: RunKey;
  state: RunState;
  entries: Entry[];
  dueAt: number | undefined;
  expiresAt: number;
  /** How long after its end it must be kept. */
  retentionMs: number;
  /** The events that wakes have named. */
  named: Set<string>;
}

/** How a step's function is called. */
export interface Invocation {
  timeoutMs: number;
  isOnce?: boolean | undefined;
}

export interface Violation {
  invariant: string;
  runId: string;
  message: string;
}

const OUTSIDE = new Set<string>([
  ...["SignalReceived", "CancelRequested", "StatePatched", "ChildFinished", "GateDecided", "CallbackUsed"],
  ...["CallbackBeaten", "PauseRequested", "ResumeRequested", "RunRedriven", "UndoRequested"],
]);
const REQUESTS = new Set<string>(["CancelRequested", "StatePatched", "PauseRequested", "ResumeRequested"]);

const DELIVERED = new Set<string>([
  ...["StepCompleted", "StepFailed", "TimerFired", "SignalDelivered", "SignalTimedOut", "ChildSettled"],
  ...["GateSettled", "GateTimedOut", "CallbackSettled", "CallbackTimedOut", "ConditionTimedOut"],
]);

/** What a finished run's journal may go on with. */
const REOPENS = new Set<string>(["RunRedriven", "UndoRequested"]);

const isRedriveAfter =
  (time: number) =>
  ({ at, events }: Entry): boolean =>
    at >= time && events.some(({ type }) => type === "RunRedriven");

const opensAgain = ({ events }: Entry): boolean => REOPENS.has(events[0]!.type);

const isEnd = ({ events }: Entry): boolean =>
  events.some(({ type }) => /^Run(Completed|Failed|Cancelled|TimedOut)$/.test(type));

/** The name by which a wake calls an event from outside. */
function wakeNameOf(event: RunEvent): string | undefined {
  if (event.type === "SignalReceived") return `signal:${event.signalId}`;
  if (event.type === "GateDecided" || event.type === "CallbackUsed") return `answer:${event.operation}`;
  if (event.type === "UndoRequested") return `redrive:${event.requestId}`;
  if (event.type === "RunRedriven") return `redrive:${event.requestId}`;
  if (REQUESTS.has(event.type)) return `request:${(event as { requestId: string }).requestId}`;
  if (event.type === "ChildFinished") return `child:${event.operation}`;
  return undefined;
}

const cutOffAs = (childRunId: string, round: number | undefined): string =>
  round === undefined ? childRunId : `${childRunId} ${round}`;

export class Checker {
  readonly runs = new Map<string, Watched>();
  readonly violations: Violation[] = [];
  readonly #onViolation: () => void;
  readonly #onDue: () => void;
  readonly #onGate: (runId: string, name: string) => void;
  readonly #nowOf: (process: string) => number;
  readonly #retentionOf: (workflow: string) => number | undefined;
  readonly #isPublished: (runId: string, revision: number) => boolean;
  readonly #keys = new Keys();
  /** Told of each event before it is folded. */
  readonly #onEvent: (run: Watched, event: RunEvent) => void;
  /** Told of each entry of a managed or mirrored run, once it is folded. */
  readonly #onDriven: (run: Watched, entry: Entry) => void;
  /** What attempts of steps have returned, as JSON. */
  readonly #returned = new Map<string, Set<string>>();
  readonly #announced = new Set<string>();
  /** By run: the children that its entries have cut off, those of a map with their round. A redrive forgets them. */
  readonly #cutOff = new Map<string, Set<string>>();
  /** Wakes name events of runs that may not be there yet. */
  readonly #namedEarly = new Map<string, Set<string>>();

  constructor(options: {
    onViolation: () => void;
    /** A run's place in the due index has changed. */
    onDue: () => void;
    onGate: (runId: string, name: string) => void;
    onEvent: (run: Watched, event: RunEvent) => void;
    onDriven: (run: Watched, entry: Entry) => void;
    /** The time by a process' own clock. */
    nowOf: (process: string) => number;
    retentionOf: (workflow: string) => number | undefined;
    isPublished: (runId: string, revision: number) => boolean;
  }) {
    this.#onViolation = options.onViolation;
    this.#onDue = options.onDue;
    this.#onGate = options.onGate;
    this.#onEvent = options.onEvent;
    this.#onDriven = options.onDriven;
    this.#nowOf = options.nowOf;
    this.#retentionOf = options.retentionOf;
    this.#isPublished = options.isPublished;
  }

  violate(invariant: string, runId: string, message: string): void {
    this.violations.push({ invariant, runId, message });
    this.#onViolation();
  }

  /** A process is about to put a run. */
  creating(run: NewRun): void {
    if (/^[cn]-/.test(run.runId) && !this.#announced.has(run.runId))
      this.violate(
        "J5",
        run.runId,
        "A child or successor is started, and no stored entry of another says so",
      );
  }

  created(run: NewRun): void {
    const { runId, inc, created, createdAt, nonce } = run;
    const entry: Entry = { sequence: 0, at: createdAt, generation: 0, nonce, events: [created] };
    const known = this.runs.get(runId);
    if (known !== undefined) this.violate("J1", runId, `It was created twice: ${known.key.inc}, then ${inc}`);
    const named = this.#namedEarly.get(runId) ?? new Set();
    if (!isDriven(created) && !named.has(`${inc} created`))
      this.violate("J8", runId, "It was created, and no wake was sent before");
    const watched: Watched = {
      key: { runId, inc },
      state: fold({ runId, inc }, [entry]),
      entries: [entry],
      dueAt: run.dueAt,
      expiresAt: run.expiresAt,
      retentionMs: this.#retentionOf(created.workflow) ?? RETENTION_MS,
      named: new Set(),
    };
    this.runs.set(runId, watched);
    this.#handedOn(watched);
    this.#onDue();
    if (isDriven(created)) this.#onDriven(watched, entry);
  }

  /** A successor is to be cancelled if the run before it was, and its code was not told: a redrive takes that back. */
  #handedOn({ key, state: { created } }: Watched): void {
    if (created.continuedFrom === undefined) return this.#cutOffBefore(key.runId, created);
    const before = this.runs.get(created.continuedFrom)?.state.cancel;
    const isLeft = before !== undefined && !before.delivered;
    if (isLeft && created.cancel === undefined)
      this.violate("R5", key.runId, `It is not to be cancelled, as ${created.continuedFrom} was`);
    if (!isLeft && created.cancel !== undefined)
      this.violate("R5", key.runId, "It is to be cancelled, and nobody asked the run before it for that");
  }

  /** A child is to be cancelled from its start if its parent has cut it off. */
  #cutOffBefore(runId: string, { cancel }: RunCreated): void {
    if (cancel !== undefined && !this.#cutOffBy(cancel.by ?? "").has(runId))
      this.violate("J5", runId, "It is to be cancelled, and no stored entry of a parent says so");
  }

  /** A wake has been sent, whether or not it was lost since. */
  woken(wake: Wake): void {
    if (wake.event === undefined) return;
    const run = this.runs.get(wake.runId);
    if (run !== undefined) run.named.add(wake.event);
    else {
      const named = this.#namedEarly.get(wake.runId) ?? new Set();
      this.#namedEarly.set(wake.runId, named.add(`${wake.inc} ${wake.event}`));
    }
    if (wake.event.startsWith("child:") && run !== undefined) this.#toldInTime(run, wake.event.slice(6));
  }

  #toldInTime(parent: Watched, operation: string): void {
    const childRunId = parent.state.operations.get(operation)?.childRunId;
    const child = childRunId === undefined ? undefined : this.#lastOf(childRunId);
    // One that was started before a redrive may end after it: its word is late, and says nothing of the next.
    const isOther = [...this.runs.values()].some(({ entries, state: { created } }) => {
      const isOf = created.parent?.operation === operation.replace(/~$/, "");
      return isOf && created.parent?.runId === parent.key.runId && entries.some(isEnd);
    });
    if (child?.state.finished === undefined && !isOther)
      this.violate(
        "J5",
        parent.key.runId,
        `It is told that child ${operation} has ended, which is not stored`,
      );
  }

  appended(process: Process, key: RunKey, entry: Entry): void {
    const run = this.runs.get(key.runId);
    if (run === undefined || run.key.inc !== key.inc)
      return this.violate("J1", key.runId, "An entry was stored for a run that is not there");
    const isOutside = entry.events.every(({ type }) => OUTSIDE.has(type));
    if (entry.at < run.state.at)
      this.violate("R3", key.runId, `Entry ${entry.sequence} is of ${entry.at}, before ${run.state.at}`);
    if (run.expiresAt <= process.now())
      this.violate("J7", key.runId, "It expired while it was still running");
    // No leg comes for a driven run: it is nobody's, and only what changes its status sends a wake.
    const isOf = isDriven(run.state.created) ? "driven" : isOutside ? "outside" : "owner";
    if (isOf === "outside") this.#outside(run, entry);
    if (isOf === "owner") this.#owners(process, run, entry);
    this.#isNew(run, entry);
    const before = run.state.phase;
    try {
      for (const event of entry.events) this.#event(run, event, entry);
      applyEntry(run.state, entry);
    } catch (error) {
      return this.violate("legality", key.runId, String(error));
    }
    run.entries.push(entry);
    if (entry.events.some(({ type }) => type === "RunRedriven")) this.#shown(run);
    this.#cutsOff(run);
    if (isOf === "driven") this.#onDriven(run, entry);
    if (before !== "finished" && run.state.finished !== undefined) this.#keptLongEnough(run);
  }

  /** Gates that a redrive opens again are there to be seen again. */
  #shown({ key, state }: Watched): void {
    for (const { kind, name } of state.open.values()) if (kind === "gate") this.#onGate(key.runId, name);
  }

  #outside(run: Watched, entry: Entry): void {
    if (run.state.finished !== undefined && !REOPENS.has(entry.events[0]!.type)) return;
    const names = entry.events.map(wakeNameOf).filter((name) => name !== undefined);
    if (names.length > 0 && !names.some((name) => run.named.has(name)))
      this.violate("J8", run.key.runId, `No wake has named ${names.join(", ")}, which is stored now`);
  }

  #owners(process: Process, run: Watched, entry: Entry): void {
    const { runId } = run.key;
    const { lease, generation } = run.state;
    const outside = entry.events.find(({ type }) => OUTSIDE.has(type));
    if (outside !== undefined) this.violate("J4", runId, `An owner's entry holds ${outside.type}`);
    const claim = entry.events.find((event) => event.type === "LegStarted");
    if (claim === undefined) {
      if (entry.generation !== generation || (lease !== undefined && lease.owner !== process.name))
        this.violate(
          "J4",
          runId,
          `${process.name} wrote entry ${entry.sequence} as generation ${entry.generation}, but ${lease?.owner} holds it as ${generation}`,
        );
      return;
    }
    if (entry.generation !== entry.sequence || claim.owner !== process.name)
      this.violate("J4", runId, `The claim at ${entry.sequence} has generation ${entry.generation}`);
    if (lease === undefined) return;
    // By the clock of whom it is taken from, if clocks differ by no more than they may.
    const ownersNow = this.#nowOf(lease.owner);
    const isFar = Math.abs(ownersNow - process.now()) > CLOCK_SKEW_MS;
    if (!isFar && lease.owner !== process.name && ownersNow < lease.until)
      this.violate(
        "J4",
        runId,
        `${process.name} claims it ${lease.until - ownersNow} ms before the lease of ${lease.owner} ends`,
      );
  }

  /** What an entry may hold beside what is there already. */
  #isNew(run: Watched, entry: Entry): void {
    const { runId } = run.key;
    if (run.entries.some(({ nonce }) => nonce === entry.nonce))
      this.violate("J3", runId, `Entry ${entry.sequence} was stored twice`);
    const bytes = JSON.stringify(entry.events).length;
    if (bytes > ITEM_BYTES_MAX) this.violate("J2", runId, `Entry ${entry.sequence} has ${bytes} bytes`);
    for (const event of entry.events) {
      const isKnown =
        (event.type === "SignalReceived" && run.state.signals.has(event.signalId)) ||
        (REQUESTS.has(event.type) && run.state.requests.has((event as { requestId: string }).requestId));
      if (isKnown) this.violate("J3", runId, `${event.type} came twice: ${JSON.stringify(event)}`);
    }
  }

  #event(run: Watched, event: RunEvent, entry: Entry): void {
    const { state } = run;
    this.#onEvent(run, event);
    this.#keys.stored(run, event);
    const of = DELIVERED.has(event.type) ? (event as { operation: string }).operation : undefined;
    if (of !== undefined && state.operations.has(of) && !state.open.has(of))
      this.violate("J12", run.key.runId, `${event.type} comes after ${of} was settled`);
    switch (event.type) {
      case "StepCompleted":
        return this.#completed(run, event.operation, event.output);
      case "TimerFired": {
        const dueAt = state.operations.get(event.operation)?.dueAt ?? 0;
        if (entry.at < dueAt)
          this.violate("timer", run.key.runId, `${event.operation} fired ${dueAt - entry.at} ms early`);
        return;
      }
      case "GateOpened":
        return this.#onGate(run.key.runId, event.name);
      case "ChildStarted":
        // A node of a map is the same run through all redrives, and so is a child that is detached, or has completed.
        if (
          event.node === undefined &&
          event.detached !== true &&
          this.#announced.has(event.childRunId) &&
          this.runs.get(event.childRunId)?.state.finished?.status !== "completed"
        )
          this.violate("R5", run.key.runId, `${event.childRunId} is the id of two children`);
        this.#announced.add(event.childRunId);
        return;
      case "RunContinued":
        this.#announced.add(event.nextRunId);
        return;
      case "ChildFinished":
        return this.#childFinished(run, event);
      case "CancelRequested":
        return this.#cancelRequested(run, event);
      case "RunStalled":
        this.violate("R2", run.key.runId, `It stalled: ${event.message}`);
        return;
      default:
    }
  }

  #completed(run: Watched, operation: string, output: unknown): void {
    if (run.state.operations.get(operation)?.kind === "compensation") return;
    const returned = this.#returned.get(this.#keys.present({ run, operation }));
    const value = output === undefined ? undefined : (output as { v?: Json }).v;
    if (output !== undefined && !("v" in (output as object))) return;
    if (!returned?.has(JSON.stringify(value) ?? "undefined"))
      this.violate("step", run.key.runId, `${operation} completed with what no attempt has returned`);
  }

  #childFinished(run: Watched, { childRunId, status, operation }: ChildFinished): void {
    const child = this.#lastOf(childRunId);
    // A run that was asked to undo what it has done tells whether it could, however it had ended.
    if (run.state.operations.get(operation)?.kind === "compensation") {
      if (child?.state.finished === undefined)
        this.violate("J5", run.key.runId, `It is told that ${childRunId} is undone, which has not ended`);
      return;
    }
    if (child?.state.finished?.status !== status)
      this.violate("J5", run.key.runId, `It is told that ${childRunId} is ${status}, which is not stored`);
  }

  #cutsOff({ key, state }: Watched): void {
    for (const effect of state.effects.values())
      if (effect.kind === "cancelChild")
        this.#cutOff.set(key.runId, this.#cutOffBy(key.runId).add(cutOffAs(effect.childRunId, effect.round)));
  }

  #cutOffBy(runId: string): Set<string> {
    return this.#cutOff.get(runId) ?? new Set();
  }

  #cancelRequested({ key, state: { created } }: Watched, { by, requestId }: CancelRequested): void {
    const { parent, node, firstRunId } = created;
    if (by === undefined || parent?.operation === undefined || !this.runs.has(by)) return;
    const round = node === undefined ? undefined : Number(requestId.slice("parent:".length));
    if (!this.#cutOffBy(by).has(cutOffAs(firstRunId ?? key.runId, round)))
      this.violate("J5", key.runId, "Its parent cancels it, and no stored entry of the parent says so");
  }

  #keptLongEnough(run: Watched): void {
    const shortMs = run.state.finished!.at + run.retentionMs - run.expiresAt;
    if (shortMs > 0)
      this.violate("J7", run.key.runId, `It expires ${shortMs} ms before its retention is over`);
  }

  /** A header follows its journal, and never leads. */
  projected(key: RunKey, { headerSequence, status }: Projection): void {
    const run = this.runs.get(key.runId);
    if (run === undefined) return;
    const { sequence, finished } = run.state;
    if (headerSequence > sequence)
      this.violate("J1", key.runId, `Its header shows entry ${headerSequence}, and ${sequence} is the last`);
    if (headerSequence === sequence && finished !== undefined && finished.status !== status)
      this.violate("J1", key.runId, `Its header shows ${status}, its journal ${finished.status}`);
  }

  moved(key: RunKey, dueAt: number | null | undefined, headerSequence?: number): void {
    const run = this.runs.get(key.runId);
    if (run === undefined || dueAt === undefined) return;
    run.dueAt = dueAt ?? undefined;
    this.#onDue();
    if (dueAt !== null) return;
    // Whoever opens it again puts it back, if that comes between the end that this is of and this.
    if ((headerSequence ?? 0) < (run.entries.findLast(opensAgain)?.sequence ?? 0)) return;
    if (run.state.finished === undefined)
      return this.violate("J6", key.runId, "It left the due index unfinished");
    const owed = this.owed(run);
    if (owed !== undefined) this.violate("J10", key.runId, `It left the due index, but ${owed}`);
  }

  published(runId: string, revision: number): void {
    const stored = this.runs.get(runId)?.state.sequence ?? -1;
    if (revision > stored)
      this.violate("J5", runId, `Its entry ${revision} is published, and only ${stored} are stored`);
  }

  /** What a finished run still has to do. */
  owed(run: Watched): string | undefined {
    const { created, finished, continuedTo } = run.state;
    if (finished !== undefined && !this.#isPublished(run.key.runId, finished.sequence))
      return `nobody was told that it is ${finished.status}`;
    if (continuedTo !== undefined) {
      return this.runs.has(continuedTo) ? undefined : `its successor ${continuedTo} was not started`;
    }
    const parent = created.parent === undefined ? undefined : this.runs.get(created.parent.runId);
    if (parent !== undefined && parent.state.finished === undefined) {
      const operation = parent.state.open.get(created.parent!.operation);
      if (
        operation?.childRunId === (created.firstRunId ?? run.key.runId) &&
        // Redriven since, the parent asks its nodes anew.
        !(created.node !== undefined && parent.entries.some(isRedriveAfter(finished!.at))) &&
        !parent.state.childEnds.has(operation.id)
      )
        return `its parent was not told that it is ${finished?.status}`;
    }
    for (const operation of run.state.operations.values()) {
      const { childRunId, status } = operation;
      if (childRunId === undefined) continue;
      if (!this.isDone("startChild", childRunId)) return `its child ${childRunId} was not started`;
      if (status === "cancelled" && !this.isDone("cancelChild", childRunId))
        return `its child ${childRunId} was not cancelled`;
    }
    for (const childRunId of this.#cutOffBy(run.key.runId))
      if (this.runs.has(childRunId) && !this.isDone("cancelChild", childRunId))
        return `its child ${childRunId}, which was cut off before a redrive, was not cancelled`;
    return undefined;
  }

  /** The run that a chain of successors has come to. */
  #lastOf(runId: string): Watched | undefined {
    const run = this.runs.get(runId);
    return run?.state.continuedTo === undefined ? run : this.#lastOf(run.state.continuedTo);
  }

  /** Whether an effect on a child has taken place. */
  isDone(kind: Effect["kind"], childRunId: string | undefined): boolean {
    if (childRunId === undefined || !this.runs.has(childRunId)) return false;
    if (kind === "startChild") return true;
    return this.#isToEnd(childRunId);
  }

  /** Whether a run, or one that it has continued as, has ended or was asked to: what it was asked it hands on. */
  #isToEnd(runId: string): boolean {
    const state = this.runs.get(runId)?.state;
    if (state === undefined) return false;
    // What undoes what it has done had ended before.
    if (state.cancel !== undefined || state.undoing !== undefined) return true;
    return state.continuedTo === undefined ? state.finished !== undefined : this.#isToEnd(state.continuedTo);
  }

  extended(key: RunKey, expiresAt: number): void {
    const run = this.runs.get(key.runId);
    if (run !== undefined) run.expiresAt = expiresAt;
  }

  /** A process calls a step's function. */
  invoked(process: Process, idempotencyKey: string, attempt: number, name: string, how: Invocation): void {
    const step = this.#keys.of(idempotencyKey);
    if (step === undefined)
      return this.violate("J5", "?", `${process.name} calls step ${name}, which no stored entry has started`);
    const { run, operation } = step;
    const { attempts } = run.state.operations.get(operation)!;
    const where = `${process.name} calls attempt ${attempt} of step ${name} of`;
    if (attempt > attempts)
      return this.violate("J5", run.key.runId, `${where}, but only ${attempts} are in the journal`);
    const wrong = this.#keys.called(idempotencyKey, step, how.isOnce === true);
    if (wrong !== undefined && (how.isOnce || !process.mayBeStale))
      return this.violate("key", run.key.runId, `${where} ${wrong}`);
    const { timeoutMs } = how;
    if (run.state.lease?.owner !== process.name) {
      // It has lost the run and cannot know it yet: that takes a pause, or a clock that is wrong.
      if (process.mayBeStale) return;
      return this.violate("J4", run.key.runId, `${where} without holding it`);
    }
    const leftMs = run.state.lease.until - process.now();
    if (leftMs < timeoutMs)
      this.violate("J11", run.key.runId, `${where} for ${timeoutMs} ms, with ${leftMs} ms left of its leg`);
    const isRunning = run.state.open.get(operation)?.status === "running";
    if (!isRunning || attempt !== attempts)
      this.violate("step", run.key.runId, `${where}, which is at attempt ${attempts}, running: ${isRunning}`);
  }

  returned(idempotencyKey: string, text: string | undefined): void {
    const known = this.#returned.get(idempotencyKey) ?? new Set();
    this.#returned.set(idempotencyKey, known.add(text ?? "undefined"));
  }
}
