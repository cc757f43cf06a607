/**
 * What managed and mirrored runs may come to, told from what was asked of them: it knows no event's meaning, only which
 * call each is of. Calls take effect one by one, in the order of the journal.
 *
 * 1. Each accepted change has exactly one event, no event is of two calls, and a refused call has none.
 * 2. A call that is bound to a revision changes the run at that revision only: no update is lost.
 * 3. A worker writes only under the generation that it was granted, while no other was granted since.
 * 4. Asked to end, a run takes no more changes but its end; ended, none but observations.
 */
import type { Entry, RunEvent } from "../../../shared/core/events.ts";
import type { Json, JsonObject } from "../../../shared/core/json.ts";
import { type Call, isRefused } from "./calls.ts";

interface Observed {
  status: string;
  at: number;
}
interface Gate {
  name: string;
  approved?: boolean;
  isTimedOut?: boolean;
  dueAt?: number;
}

const ENDED = new Set(["completed", "failed", "skipped", "cancelled"]);
const STEERING = new Set(["wait", "continue", "patch", "finish", "fail"]);
const WORK = new Set(["step", "change", "items", "itemChange"]);
/** What may be accepted and change nothing: it is so already. */
const MAY_BE_NOTHING = new Set([
  "pause",
  "resume",
  "cancel",
  "end",
  "approve",
  "reject",
  "observe",
  "release",
  "signal",
  // Told by its generation and time.
  "lease",
]);

export class Model {
  sequence = 0;
  /** What is shown of the run, by revision. */
  readonly shown: { status: string; step?: string; state: JsonObject }[] = [];
  readonly observed = new Map<string, Observed>();
  readonly steps = new Map<string, { id: string; status: string }>();
  readonly items = new Map<string, string>();
  readonly gates = new Map<string, Gate>();
  readonly signals = new Set<string>();
  /** By generation: who was granted it. */
  readonly granted = new Map<number, string>();
  /** Every time that was granted, with its generation. */
  readonly #terms = new Set<string>();
  #at = 0;
  readonly #isMirrored: boolean;
  readonly #deadline: number | undefined;
  #status: string;
  #step: string | undefined;
  #state: JsonObject = {};
  #paused = false;
  #cancelled = false;
  #lease: { token: string; until: number; generation: number } | undefined;
  #finished: string | undefined;

  constructor(driver: "managed" | "mirrored", deadline: number | undefined) {
    this.#isMirrored = driver === "mirrored";
    this.#deadline = deadline;
    this.#status = this.#isMirrored ? "running" : "pending";
    this.#show();
  }

  /** The worker that holds the lease, or has let it run out. */
  get holder(): string | undefined {
    return this.#lease?.token;
  }

  get isFinished(): boolean {
    return this.#finished !== undefined;
  }

  get status(): string {
    return this.#finished ?? (this.#paused ? "paused" : this.#status);
  }

  #show(): void {
    this.shown[this.sequence] = {
      status: this.status,
      ...(this.#step === undefined ? {} : { step: this.#step }),
      state: { ...this.#state },
    };
  }

  /** An entry is stored; `callOf` finds the call whose mark is in an event. Answers what is wrong with it. */
  stored(entry: Entry, callOf: (event: RunEvent) => Call | undefined): string | undefined {
    this.sequence = entry.sequence;
    this.#at = entry.at;
    const alone = entry.events.every(({ type }) => /^(SignalReceived|GateTimedOut|RunTimedOut)$/.test(type));
    if (entry.events.length !== 1 && !alone) return `One entry holds ${entry.events.length} changes`;
    for (const event of entry.events) {
      const wrong = this.#timed(event, entry) ?? this.#called(event, entry, callOf(event));
      if (wrong !== undefined) return wrong;
    }
    this.#show();
    return undefined;
  }

  /** What the run does by itself. */
  #timed(event: RunEvent, { at }: Entry): string | undefined {
    if (event.type === "GateTimedOut") {
      const gate = this.gates.get(event.operation);
      if (gate === undefined || gate.approved !== undefined || gate.isTimedOut || this.#finished)
        return `${event.operation} timed out, and was not open`;
      gate.isTimedOut = true;
      return gate.dueAt === undefined || at < gate.dueAt ? `${gate.name} timed out too early` : undefined;
    }
    if (event.type !== "RunTimedOut") return undefined;
    if (this.#deadline === undefined || at < this.#deadline) return "It timed out before its deadline";
    if (this.#cancelled) return "It timed out, and was asked to end before that";
    return this.#end("timedOut");
  }

  #called(event: RunEvent, entry: Entry, call: Call | undefined): string | undefined {
    if (event.type === "GateTimedOut" || event.type === "RunTimedOut") return undefined;
    if (call === undefined) return `${event.type} is stored, and nobody has asked for it`;
    const what = `${call.kind} ${call.mark}`;
    if (call.stored !== undefined)
      return `${what} is stored as ${call.stored}, and again as ${this.sequence}`;
    if (isRefused(call)) return `${what} was refused, and is stored as ${this.sequence}`;
    call.stored = this.sequence;
    if (call.ifMatch !== undefined && call.ifMatch !== this.sequence - 1)
      return `${what} is bound to revision ${call.ifMatch}, and became ${this.sequence}: an update is lost`;
    const wrong = this.#allowed(call, entry) ?? this.#take(call, event, entry);
    return wrong === undefined ? undefined : `${what} is stored as ${this.sequence}: ${wrong}`;
  }

  #allowed(call: Call, entry: Entry): string | undefined {
    if (this.#finished !== undefined && call.kind !== "observe") return `the run was ${this.#finished}`;
    if (this.#cancelled && STEERING.has(call.kind)) return "the run was asked to end";
    return WORK.has(call.kind) ? this.#fenced(call, entry) : undefined;
  }

  #fenced(call: Call, entry: Entry): string | undefined {
    const { generation, token, askedAt } = call;
    const lease = this.#lease;
    if (entry.generation !== generation)
      return `under ${entry.generation}, and it was asked under ${generation}`;
    if (lease === undefined || lease.generation !== generation)
      return `its generation ${generation} is over, ${lease?.generation} is there`;
    if (lease.token !== token) return `generation ${generation} is another's`;
    return askedAt >= lease.until
      ? `its lease was over ${askedAt - lease.until} ms before it asked`
      : undefined;
  }

  #take(call: Call, event: RunEvent, entry: Entry): string | undefined {
    const body = (call.body ?? {}) as JsonObject;
    const { status, step } = body as { status: string; step?: string };
    switch (call.kind) {
      case "wait":
      case "continue":
        this.#status = call.kind === "wait" ? "waiting" : "running";
        if (step !== undefined) this.#step = step;
        return this.#patch(body.patch);
      case "patch":
        return this.#patch(call.body);
      case "finish":
        this.#patch(body.patch);
        return this.#end("completed");
      case "fail":
        this.#patch(body.patch);
        this.#patch({ failure: { reason: body.error!, at: new Date(entry.at).toISOString() } });
        return this.#end("failed");
      case "cancel":
        this.#cancelled = true;
        this.#paused = false;
        return undefined;
      case "end":
        return this.#end("cancelled");
      case "pause":
      case "resume":
        this.#paused = call.kind === "pause";
        return undefined;
      case "lease":
        return this.#leased(call, event, entry);
      case "release":
        if (this.#lease?.token !== call.token) return "it gave back what another holds";
        this.#lease = undefined;
        return undefined;
      case "step":
        this.steps.set(call.mark, {
          id: (event as { operation: string }).operation,
          status: body.retryCount === undefined ? "pending" : "running",
        });
        return undefined;
      case "change":
        return this.#changed(call, status);
      case "items":
        for (const { id } of call.body as { id: string }[]) this.items.set(id, "pending");
        return undefined;
      case "itemChange":
        for (const item of call.body as { status: string; output: { id: string } }[])
          this.items.set(item.output.id, item.status);
        return undefined;
      case "gate":
        return this.#opened(call, event);
      case "approve":
      case "reject":
        return this.#decided(call, event);
      case "observe":
        return this.#observed(call, entry);
      case "signal":
        this.signals.add(call.mark);
        return undefined;
    }
  }

  #patch(patch: Json | undefined): undefined {
    this.#state = { ...this.#state, ...((patch ?? {}) as JsonObject) };
  }

  #end(status: string): undefined {
    this.#finished = status;
    this.#lease = undefined;
  }

  #leased({ token }: Call, event: RunEvent, { sequence, generation, at }: Entry): string | undefined {
    const held = this.#lease;
    const { until } = event as { until: number };
    this.#terms.add(`${generation} ${until}`);
    if (event.type === "LeaseRenewed") {
      if (held?.token !== token) return "it renewed what another holds";
      if (generation !== held!.generation) return "it renewed its lease under another generation";
      held!.until = until;
      return undefined;
    }
    if (generation !== sequence) return `the grant at ${sequence} has generation ${generation}`;
    if (held !== undefined && at < held.until) return `it takes a lease ${held.until - at} ms before its end`;
    this.#lease = { token: token!, until, generation };
    this.granted.set(generation, token!);
    if (this.#status === "pending") this.#status = "running";
    return undefined;
  }

  #changed(call: Call, status: string): string | undefined {
    const step = [...this.steps.values()].find(({ id }) => call.path.endsWith(`/${id}`));
    if (step === undefined) return "there is no such step";
    step.status = status;
    return undefined;
  }

  #opened({ body }: Call, event: RunEvent): undefined {
    const { operation, dueAt } = event as { operation: string; dueAt?: number };
    this.gates.set(operation, {
      name: String((body as JsonObject).name),
      ...(dueAt === undefined ? {} : { dueAt }),
    });
  }

  #decided({ kind }: Call, event: RunEvent): string | undefined {
    const gate = this.gates.get((event as { operation: string }).operation);
    if (gate === undefined) return "there is no such gate";
    if (gate.approved !== undefined) return "it was decided before";
    if (gate.isTimedOut) return "its time was over";
    gate.approved = kind === "approve";
    return undefined;
  }

  #observed({ path, body }: Call, entry: Entry): undefined {
    const { status, at } = body as { status: string; at?: string };
    const id = path.split("/").at(-1)!;
    const known = this.observed.get(id);
    const when = at === undefined ? entry.at : Date.parse(at);
    const isNews =
      known === undefined || (when >= known.at && !(ENDED.has(known.status) && !ENDED.has(status)));
    if (isNews) this.observed.set(id, { status, at: when });
  }

  /** Why a call cannot have been accepted as it was. */
  mayAccept(call: Call, body: JsonObject | undefined): string | undefined {
    const { kind, stored } = call;
    if (stored === undefined && !MAY_BE_NOTHING.has(kind)) return "it is not stored";
    if (kind === "cancel" && !this.#cancelled && this.#finished === undefined)
      return "it was not asked to end";
    if (kind === "end" && this.#finished !== "cancelled") return `the run is ${this.status}`;
    if (kind === "lease") return this.#isGranted(call, body as { generation: number; until: string });
    if (kind !== "approve" && kind !== "reject") return undefined;
    const gate = this.gates.get(String(body?.id));
    return gate?.approved === (kind === "approve") ? undefined : "the gate was decided otherwise";
  }

  #isGranted(
    { token }: Call,
    { generation, until }: { generation: number; until: string },
  ): string | undefined {
    if (this.granted.get(generation) !== token) return `${generation} is not its generation`;
    return this.#terms.has(`${generation} ${Date.parse(until)}`)
      ? undefined
      : "what it was told is not stored";
  }

  /** Why a call cannot have been refused so: what it is told must have been so at some time since it was asked. */
  mayRefuse(
    call: Call,
    { code, expected }: { code: string; expected?: number },
    askedAt: number,
    now: number,
  ): string | undefined {
    const lease = this.#lease;
    const isSame = call.askedFrom === this.sequence;
    switch (code) {
      case "IdempotencyConflict":
        return call.isRival ? undefined : "its key is its own";
      case "WriteConflict":
        return undefined;
      case "RunFinished":
        return this.#finished === undefined ? "it is not finished" : undefined;
      case "CancelRequested":
        return this.#cancelled ? undefined : "nobody has asked it to end";
      case "StaleRevision":
        return expected === call.ifMatch && (!isSame || this.sequence !== expected)
          ? undefined
          : `it was at revision ${this.sequence} all the time`;
      case "LeaseHeld":
        return isSame && (lease === undefined || lease.token === call.token || askedAt >= lease.until)
          ? "nobody else holds the lease"
          : undefined;
      case "LeaseLost": {
        const isPresent =
          lease?.generation === call.generation && Math.max(now, this.#at) < (lease?.until ?? 0);
        return isPresent ? `generation ${call.generation} is the present one` : undefined;
      }
      case "NotWaiting": {
        const gates = [...this.gates.values()].filter(({ name }) => call.path.includes(name));
        const isOpen = gates.some((gate) => gate.approved === undefined && gate.dueAt === undefined);
        return isOpen && this.#finished === undefined ? "the gate is open" : undefined;
      }
      case "AlreadyDecided": {
        const gates = [...this.gates.values()].filter(({ name }) => call.path.includes(name));
        return gates.some(({ approved }) => approved === (call.kind !== "approve"))
          ? undefined
          : "nobody has decided otherwise";
      }
      default:
        return "nothing explains that";
    }
  }

  /** What is wrong with what a reader finds at the end. */
  ended(run: JsonObject, operations: JsonObject[]): string | undefined {
    if (this.#finished === undefined) return "It never ended";
    if (run.status !== this.#finished) return `It ended ${this.#finished}, and is shown as ${run.status}`;
    const found = new Map(operations.map(({ id, status }) => [String(id), String(status)]));
    for (const step of this.steps.values()) {
      const { id } = step;
      // What has not ended when its run does is cancelled by that.
      const status = ENDED.has(step.status) ? step.status : "cancelled";
      if (found.get(id) !== status) return `Step ${id} is ${status}, and shown as ${found.get(id)}`;
    }
    for (const [id, { status }] of this.observed)
      if (found.get(id) !== status) return `Observation ${id} is ${status}, and shown as ${found.get(id)}`;
    const known = this.steps.size + this.observed.size + this.gates.size;
    return found.size === known ? undefined : `${found.size} operations are shown, there are ${known}`;
  }
}
