/**
 * The whole system in one process, on virtual time: callers, processes that die and stand still, both queues and
 * their consumers, the scheduler, the sweep. One seed is one history: whatever happens, happens again.
 *
 * Two kinds of history: in a *lossless* one no message is lost and there is no sweep, so that a wake which the engine
 * forgets is never made good; in a *lossy* one wakes are lost and schedules never fire, and the sweep must help.
 */
import { type MemoryPorts, memoryPorts } from "../../shared/adapters/memory/index.ts";
import type { PortsBehind } from "../../shared/adapters/simulated/index.ts";
import type { Log } from "../../shared/core/context.ts";
import { durationMs } from "../../shared/core/duration.ts";
import type { Entry } from "../../shared/core/events.ts";
import { CLOCK_SKEW_MS, TAIL_READ_MS } from "../../shared/core/limits.ts";
import type { Settings } from "../../shared/engine/settings.ts";
import { Checker, type Violation } from "./checker.ts";
import { Client } from "./client.ts";
import { Cover } from "./cover.ts";
import { definitions, mended } from "./definitions.ts";
import { DrivenRuns } from "./driven/watch.ts";
import { Endings } from "./ending.ts";
import { forgetExamples } from "./examples.ts";
import type { Disturbance } from "./generated/judge.ts";
import { Ledger } from "./generated/ledger.ts";
import { Attendants } from "./generated/play.ts";
import type { Program } from "./generated/program.ts";
import { Host } from "./host.ts";
import { connect } from "./network.ts";
import { heldUpBy, Plan, type PlannedFault, type Profile } from "./plan.ts";
import { Process } from "./process.ts";
import { hashOf, Random } from "./random.ts";
import { Remotes } from "./remotes.ts";
import { allScenarios } from "./scenarios.ts";
import { Services } from "./services.ts";

const HORIZON_MS = 500 * 86_400_000;
const [WORKERS, APIS] = [3, 2];
const CALLS_MAX = 20_000;

/** Defects planted from outside, to see that they are found. */
export interface Defects {
  /** What a process' engine is given in place of its ports. */
  ports?(ports: PortsBehind, process: Process, world: World): PortsBehind;
  /** What a process' engine is set to. */
  settings?: Partial<Settings>;
  /** Messages are acknowledged first, and handled then. */
  acknowledgesFirst?: boolean;
  /** Steps that are to be begun at most once are begun as any other. */
  forgetsOnce?: boolean;
}

export interface HistoryOptions {
  seed: number;
  isLossy: boolean;
  /** Names of `scenarios`. */
  play: readonly string[];
  /** For each `generated` in it, what is played. */
  programs?: readonly Program[];
  profile: Profile;
  /** The faults, where they are not drawn. */
  plan?: readonly PlannedFault[];
  defects?: Defects;
  isTraced?: boolean;
}

export interface History {
  options: HistoryOptions;
  violations: readonly Violation[];
  plan: readonly PlannedFault[];
  counts: ReadonlyMap<string, number>;
  calls: number;
  runs: number;
  journals: ReadonlyMap<string, readonly Entry[]>;
  trace: readonly string[];
}

export class World {
  readonly memory: MemoryPorts;
  readonly plan: Plan;
  readonly checker: Checker;
  readonly cover: Cover;
  readonly random: Random;
  readonly services = new Services();
  readonly ledger = new Ledger();
  readonly attendants: Attendants;
  readonly remotes: Remotes;
  readonly driven: DrivenRuns;
  readonly profile: Profile;
  readonly defects: Defects;
  /** Which process calls a step now, by its idempotency key. */
  readonly callers = new Map<string, Process>();
  readonly #options: HistoryOptions;
  readonly #host: Host;
  readonly #lines: string[] = [];
  readonly #skews = new Map<string, number>();
  readonly #workers: Process[] = [];
  readonly #apis: Process[] = [];
  #processes = 0;
  isOver = false;

  constructor(options: HistoryOptions) {
    const { seed, profile, isLossy } = options;
    this.#options = options;
    this.profile = profile;
    this.defects = options.defects ?? {};
    this.random = new Random(seed).stream("world");
    this.memory = memoryPorts({ seed: hashOf("ids", seed), visibilityMs: profile.visibilityMs });
    this.memory.publisher.tellOf(() => true);
    this.plan = new Plan(seed, profile, {
      given: options.plan,
      onCall: (number, { process, port, method, runId }, fault) => {
        if (number === CALLS_MAX) this.checker.violate("progress", "?", "It never comes to rest");
        if (options.isTraced)
          this.trace(
            process,
            `#${number} ${port}.${method} ${runId ?? ""} ${fault ? JSON.stringify(fault) : ""}`,
          );
      },
    });
    const retentions = new Map(definitions.map(({ name, options: { retention } }) => [name, retention]));
    this.checker = new Checker({
      onViolation: () => this.#end(),
      onDue: () => this.#host.armSweep(),
      nowOf: (process) => this.memory.clock.now() + (this.#skews.get(process) ?? 0),
      onGate: (runId, name) => void this.attendants.opened(runId, name),
      onEvent: (run, event) => this.remotes.stored(run, event),
      onDriven: (run, entry) => this.driven.stored(run, entry),
      isPublished: (runId, revision) =>
        this.memory.publisher.published.some(
          (change) => change.runId === runId && change.revision === revision,
        ),
      retentionOf: (workflow) => {
        const retention = retentions.get(workflow);
        return retention === undefined ? undefined : durationMs(retention);
      },
    });
    if (profile.skewMs > 0) this.plan.note("skewedClocks");
    this.attendants = new Attendants(this);
    this.remotes = new Remotes(this, seed);
    this.driven = new DrivenRuns(this);
    this.cover = new Cover(this.memory, this.checker, { isLossy, skewMs: profile.skewMs });
    for (let index = 0; index < WORKERS; index++) this.#spawn(this.#workers, "worker");
    for (let index = 0; index < APIS; index++) this.#spawn(this.#apis, "api");
    this.#host = new Host(this, isLossy);
  }

  async run(): Promise<History> {
    connect(this);
    forgetExamples();
    const { clock, queue } = this.memory;
    const until = clock.now() + HORIZON_MS;
    const programs = [...(this.#options.programs ?? [])];
    let playing = this.#options.play.length;
    for (const [index, name] of this.#options.play.entries())
      void this.#play(name, `run-${index}`, name === "generated" ? programs.shift() : undefined).then(
        () => playing--,
        (error: unknown) => this.checker.violate("scenario", name, String((error as Error).stack)),
      );
    this.#host.open();
    const isIdle = await clock.runUntilIdle(until);
    if (!this.isOver && playing > 0) this.checker.violate("progress", "?", "A caller was never answered");
    if (!this.isOver && queue.deadLetters("work").length + queue.deadLetters("signals").length > 0)
      this.checker.violate("progress", "?", "A message was given up");
    this.isOver = true;
    if (this.checker.violations.length === 0) await new Endings(this, definitions, mended).checkAll();
    if (this.checker.violations.length === 0 && !isIdle)
      this.checker.violate("progress", "?", "All is finished, and yet something moves");
    return this.#history();
  }

  /** How much of what happens may be the faults'. */
  disturbance(): Disturbance {
    const { planned, counts } = this.plan;
    const { skewMs, latencyMs, visibilityMs } = this.profile;
    const hits = planned.filter((fault) => "call" in fault).length;
    const isWrong = skewMs > CLOCK_SKEW_MS / 2;
    const odd = [...counts].reduce(
      (sum, [kind, count]) => (/^schedule[A-Z]/.test(kind) ? sum + count : sum),
      0,
    );
    const isCalm = planned.length + odd === 0 && skewMs === 0 && latencyMs <= 40;
    // A lease's end, or the sweep; then whatever each fault may hold up.
    const aloneMs = (this.isLossy ? 20 : 4) * 60_000 + 2 * skewMs + 60 * latencyMs;
    const heldUpMs = planned.reduce((sum, fault) => sum + heldUpBy(fault, visibilityMs), odd * 600_000);
    const frozenMs = planned.reduce(
      (sum, fault) => sum + ("fault" in fault && "ms" in fault.fault ? fault.fault.ms : 0),
      1_000,
    );
    return {
      repeats: hits + (isWrong ? planned.length + odd + 10 : 0) + (latencyMs > 400 ? 5 : 0),
      lateMs: isCalm ? 65_000 : undefined,
      patienceMs: isCalm ? 65_000 : aloneMs + heldUpMs,
      skewMs: 2 * skewMs,
      blindMs: TAIL_READ_MS + 10 * latencyMs + frozenMs,
    };
  }

  #history(): History {
    return {
      options: this.#options,
      violations: this.checker.violations,
      plan: this.plan.planned,
      counts: this.plan.counts,
      calls: this.plan.calls,
      runs: this.checker.runs.size,
      journals: new Map([...this.checker.runs].map(([runId, { entries }]) => [runId, entries])),
      trace: this.#lines,
    };
  }

  #play(name: string, runId: string, program: Program | undefined): Promise<void> {
    const scenario = allScenarios[name];
    if (scenario === undefined) throw new Error(`There is no scenario ${name}`);
    const stage = {
      client: new Client(this),
      random: this.random.stream(`${name} ${runId}`),
      sleep: (ms: number) => this.sleep(ms),
      now: () => this.memory.clock.now(),
      ...(program === undefined ? {} : { program }),
    };
    return scenario(stage, runId);
  }

  get isLossy(): boolean {
    return this.#options.isLossy;
  }

  sleep(ms: number): Promise<void> {
    return this.memory.clock.sleep(ms);
  }

  /** One that moves: where all stand still, another is there for the next message, as in Lambda. */
  aWorker(): Process | undefined {
    const alive = this.#workers.filter(({ life }) => !life.isOver);
    if (alive.length > 0 && alive.every(({ life }) => life.isFrozen)) this.#spawn(this.#workers, "worker");
    return this.#choose(this.#workers);
  }

  anApi(): Process {
    return this.#choose(this.#apis) ?? this.#apis[0]!;
  }

  #choose(processes: readonly Process[]): Process | undefined {
    const alive = processes.filter(({ life }) => !life.isOver);
    const awake = alive.filter(({ life }) => !life.isFrozen);
    return alive.length === 0 ? undefined : this.random.pick(awake.length > 0 ? awake : alive);
  }

  #spawn(among: Process[], role: string): void {
    const skewMs = this.random.between(-this.profile.skewMs, this.profile.skewMs);
    const process = new Process(this, `${role}-${++this.#processes}`, skewMs);
    this.#skews.set(process.name, skewMs);
    among.push(process);
    process.life.onCrash(() => {
      this.trace(process.name, "CRASHES");
      if (this.isOver) return;
      this.memory.clock.after(this.random.between(0, 3_000), () => {
        among.splice(among.indexOf(process), 1);
        this.#spawn(among, role);
      });
    });
  }

  /** Waits for a call to a process; it counts as in hand until it settles or dies, however long that takes. */
  answered(process: Process, call: () => Promise<unknown>, patienceMs?: number): Promise<unknown> {
    this.cover.inHand++;
    let isInHand = true;
    return new Promise((resolve) => {
      const end = (answer: unknown) => {
        if (isInHand) this.cover.inHand--;
        isInHand = false;
        resolve(answer);
      };
      process.life.onCrash(() => end("silence"));
      if (patienceMs !== undefined) this.memory.clock.after(patienceMs, () => resolve("silence"));
      call().then(() => end("done"), end);
    });
  }

  trace(who: string, what: string): void {
    if (this.#options.isTraced !== true) return;
    this.#lines.push(`${new Date(this.memory.clock.now()).toISOString().slice(5, 23)} ${who}: ${what}`);
  }

  logOf(process: string): Log {
    const note = (message: string, data?: object) =>
      this.trace(process, `"${message}" ${data === undefined ? "" : JSON.stringify(data)}`);
    return { debug: note, info: note, warn: note, error: note };
  }

  #end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#host.close();
    for (const { life } of [...this.#workers, ...this.#apis]) life.crash();
  }
}
