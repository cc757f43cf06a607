/**
 * Which faults a history has. Every fault is chosen by the number of its call (or message), and written down: the
 * same seed with the plan that was written down gives the same history, and so does a plan that a test makes up.
 */
import type {
  Call,
  Conduct,
  Fault,
  FaultKind,
  Faults,
  PortName,
} from "../../shared/adapters/simulated/index.ts";
import { LEG_MS } from "../../shared/core/limits.ts";
import { hashOf, Random } from "./random.ts";

/** How likely each fault is, per call, message or schedule; `budget` bounds them all. */
export interface Profile {
  calls: Partial<Record<FaultKind, number>>;
  /** On top of that, how likely a call of the blob store or the scheduler does not do what it is to do. */
  stores: number;
  late: number;
  twice: number;
  lost: number;
  /** Of schedules: early, late, twice; and those that never fire. */
  oddSchedules: number;
  deadSchedules: number;
  budget: number;
  /** Clocks differ by up to this. */
  skewMs: number;
  /** Most calls take no time; the others up to this. */
  latencyMs: number;
  visibilityMs: number;
  residentRunsMax: number;
  /** How many entries come with the header, and in each page then; with it journals are packed at each park. */
  pages?: { head: number; next: number };
}

export type PlannedFault = { call: number; fault: Fault } | { message: number; copies: number[] };

export const calm: Profile = {
  calls: {},
  stores: 0,
  late: 0,
  twice: 0,
  lost: 0,
  oddSchedules: 0,
  deadSchedules: 0,
  budget: 0,
  skewMs: 0,
  latencyMs: 5,
  visibilityMs: 15 * 60_000,
  residentRunsMax: 1_000,
};

/** A profile by chance: each kind of fault is in it or not, at one of several rates. */
export function randomProfile(random: Random, isLossy: boolean): Profile {
  const rate = (...rates: number[]) => (random.chance(0.5) ? random.pick(rates) : 0);
  return {
    calls: {
      crashBefore: rate(0.003, 0.01, 0.03),
      crashAfter: rate(0.003, 0.01, 0.03),
      lostAnswer: rate(0.01, 0.05),
      failed: rate(0.003, 0.02),
      throttled: rate(0.003, 0.02),
      freezeBefore: rate(0.003, 0.01),
      freezeAfter: rate(0.003, 0.01),
      staleRead: rate(0.05, 0.3),
      shortPage: rate(0.05, 0.3),
      halfDone: rate(0.1, 0.5),
    },
    stores: rate(0.1, 0.5),
    late: rate(0.05, 0.3),
    twice: rate(0.05, 0.3),
    lost: isLossy ? random.pick([0.05, 0.2, 0.5]) : 0,
    oddSchedules: rate(0.3, 1),
    deadSchedules: isLossy ? rate(0.3, 1) : 0,
    budget: random.pick([1, 2, 3, 5, 8, 20]),
    // Within the margin, and beyond it: wakes outlive half a minute, what is further off is for the sweep.
    skewMs: random.pick([0, 0, 900, isLossy ? 200_000 : 14_000]),
    latencyMs: random.pick([0, 5, 5, 40, 400, 3_000]),
    visibilityMs: random.pick([150_000, 15 * 60_000]),
    residentRunsMax: random.pick([0, 1_000, 1_000]),
    ...random.pick([{}, {}, { pages: { head: 1, next: 2 } }, { pages: { head: 3, next: 5 } }]),
  };
}

const FREEZES_MS = [5_000, 70_000, 125_000, 300_000, 1_200_000];

export interface PlanOptions {
  /** These faults and no others. */
  given?: readonly PlannedFault[];
  onCall(number: number, call: Call, fault: Fault | undefined): void;
}

export class Plan implements Faults {
  /** The faults that there were, as they came. */
  readonly planned: PlannedFault[] = [];
  readonly counts = new Map<string, number>();
  calls = 0;
  /** Processes that handle a message for the last time before the queue gives it up: nothing of theirs fails. */
  readonly spared = new Set<string>();
  #messages = 0;
  readonly #profile: Profile;
  readonly #chance: Random;
  readonly #timing: Random;
  readonly #seed: number;
  readonly #onCall: PlanOptions["onCall"];
  readonly #given: { calls: Map<number, Fault>; messages: Map<number, number[]> } | undefined;

  constructor(seed: number, profile: Profile, options: PlanOptions) {
    const { given } = options;
    this.#onCall = options.onCall;
    this.#seed = seed;
    this.#profile = profile;
    const random = new Random(seed);
    this.#chance = random.stream("faults");
    this.#timing = random.stream("timing");
    if (given === undefined) return;
    this.#given = { calls: new Map(), messages: new Map() };
    for (const planned of given)
      if ("call" in planned) this.#given.calls.set(planned.call, planned.fault);
      else this.#given.messages.set(planned.message, planned.copies);
  }

  onCall(call: Call): Conduct {
    const number = ++this.calls;
    const fault = this.#given === undefined ? this.#draw(call) : this.#given.calls.get(number);
    this.#onCall(number, call, fault);
    if (fault !== undefined) {
      this.planned.push({ call: number, fault });
      this.#count(fault.kind);
      if (STORES.has(call.port)) this.#count(`${call.port}Fail`);
    }
    return {
      requestMs: this.#latency(),
      answerMs: this.#latency(),
      ...(fault === undefined ? {} : { fault }),
    };
  }

  onMessage(): number[] {
    const number = ++this.#messages;
    const copies = this.#given === undefined ? this.#drawCopies() : this.#given.messages.get(number);
    if (copies === undefined) return [0];
    this.planned.push({ message: number, copies });
    this.#count(copies.length === 0 ? "messageLost" : copies.length === 1 ? "messageLate" : "messageTwice");
    return copies;
  }

  onSchedule(name: string): number[] {
    const random = new Random(hashOf(name, this.#seed));
    if (random.chance(this.#profile.deadSchedules)) return this.#odd("scheduleDead", []);
    if (!random.chance(this.#profile.oddSchedules)) return [0];
    switch (random.between(1, 3)) {
      case 1:
        return this.#odd("scheduleEarly", [-random.between(1, 60_000)]);
      case 2:
        return this.#odd("scheduleLate", [random.between(1, 600_000)]);
      default:
        return this.#odd("scheduleTwice", [0, random.between(0, 120_000)]);
    }
  }

  arrives(): boolean {
    return this.#timing.chance(0.5);
  }

  #draw(call: Call): Fault | undefined {
    if (this.spared.has(call.process)) return undefined;
    const { calls, stores, budget } = this.#profile;
    const isStore = STORES.has(call.port);
    if (isStore && this.#chance.chance(stores) && this.planned.length < budget)
      return { kind: this.#chance.pick(["failed", "throttled", "crashBefore", "crashAfter"] as const) };
    for (const kind of Object.keys(calls) as FaultKind[]) {
      if (!concerns(kind, call)) continue;
      if (!this.#chance.chance(calls[kind]!) || this.planned.length >= budget) continue;
      if (kind === "freezeBefore" || kind === "freezeAfter")
        return { kind, ms: this.#chance.pick(FREEZES_MS) };
      if (kind === "staleRead") return { kind, missing: this.#chance.between(1, 3) };
      if (kind === "shortPage") return { kind, entries: this.#chance.between(1, 4) };
      return { kind };
    }
    return undefined;
  }

  #drawCopies(): number[] | undefined {
    const { late, twice, lost, budget } = this.#profile;
    if (this.planned.length >= budget + 20) return undefined;
    if (this.#chance.chance(lost)) return [];
    if (this.#chance.chance(twice)) return [0, this.#chance.pick([0, 50, 5_000, 200_000])];
    if (this.#chance.chance(late)) return [this.#chance.pick([50, 5_000, 90_000, 400_000])];
    return undefined;
  }

  #odd(kind: string, shifts: number[]): number[] {
    this.#count(kind);
    return shifts;
  }

  /** Notes what the faults have led to. */
  note(what: string): void {
    this.#count(what);
  }

  #count(kind: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  #latency(): number {
    const { latencyMs } = this.#profile;
    return latencyMs > 0 && this.#timing.chance(0.4) ? this.#timing.between(1, latencyMs) : 0;
  }
}

/** Ports that are called too seldom for faults of any call to find them. */
const STORES: ReadonlySet<PortName> = new Set(["blobs", "scheduler", "publisher"]);

/** Whether a fault can happen to a call at all. */
function concerns(kind: FaultKind, { port, method, count = 1, mayBeStale = false }: Call): boolean {
  if (kind === "staleRead") return mayBeStale;
  if (kind === "shortPage") return port === "journal" && (method === "read" || method === "tail");
  return kind !== "halfDone" || count > 1;
}

/** How long a fault may hold anything up. */
export function heldUpBy(planned: PlannedFault, visibilityMs: number): number {
  const leaseMs = LEG_MS + 60_000;
  if ("message" in planned) return planned.copies.length === 0 ? 600_000 : Math.max(...planned.copies);
  const { fault } = planned;
  switch (fault.kind) {
    case "crashBefore":
    case "crashAfter":
      return visibilityMs + leaseMs;
    case "freezeBefore":
    case "freezeAfter":
      return fault.ms + visibilityMs + leaseMs;
    case "failed":
    case "throttled":
    case "halfDone":
      return leaseMs;
    default:
      return 60_000;
  }
}
