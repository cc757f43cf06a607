/**
 * What every run of a generated workflow must have come to, from its program, its script, and what the outside has
 * seen. The reference judges one run by itself; here is what holds between runs: chains, children, signals.
 */
import type { RunError } from "../../../shared/core/errors.ts";
import type { Json } from "../../../shared/core/json.ts";
import type { Ledger, Played } from "./ledger.ts";
import { type Caught, leavesOf, type Node, type ProgramInput, type Report, type Tried } from "./program.ts";
import { type ChildEnd, type End, Reference } from "./reference.ts";

/** A finished run, as the API shows it. */
export interface FinishedRun {
  runId: string;
  status: string;
  input: ProgramInput;
  output: Json | undefined;
  error: RunError | undefined;
  finishedAt: number;
  deadline: number | undefined;
  firstRunId: string | undefined;
  parentRunId: string | undefined;
  /** A child of its parent's present operations: a redrive has started no other in its place. */
  isOfPresent: boolean;
  continuedTo: string | undefined;
  isUncompensated: boolean;
  isRedriven: boolean;
}

/** How much was disturbed in the history. */
export interface Disturbance {
  repeats: number;
  /** Nothing was: how late anything may be. */
  lateMs: number | undefined;
  /** However much was: how late what was promised may be. */
  patienceMs: number;
  skewMs: number;
  /** How long a process may not see what another has appended. */
  blindMs: number;
}

const CLEAN_UP_MS = 10 * 60_000;

export class Judge {
  readonly #ledger: Ledger;
  readonly #runs: ReadonlyMap<string, FinishedRun>;
  readonly #disturbance: Disturbance;

  constructor(ledger: Ledger, runs: Iterable<FinishedRun>, disturbance: Disturbance) {
    this.#ledger = ledger;
    this.#runs = new Map([...runs].map((run) => [run.runId, run]));
    this.#disturbance = disturbance;
  }

  /** What is wrong with a run, if anything is. */
  judge(run: FinishedRun): string | undefined {
    const played = this.#ledger.played.get(run.firstRunId ?? run.runId);
    // What continues begins with a state of its own.
    const isFirst = run.firstRunId === undefined;
    const isSteered = played?.program.pause !== undefined || run.isRedriven;
    const reference = new Reference({
      marks: this.#ledger.of(run.runId),
      signals: played?.signals ?? [],
      patchedAt: isFirst ? played?.patchedAt : undefined,
      isPatchSent: isFirst && played?.isPatchSent === true,
      child: (at) => this.#childAt(run.runId, at),
      // What was cut, or undone, is done again.
      repeats: this.#disturbance.repeats + (run.isRedriven ? 60 : 0),
      isCrashed: this.#disturbance.repeats > 0,
      isRedriven: run.isRedriven,
      isRedrivenFrom: run.isRedriven && played?.program.redrive?.from !== undefined,
      lateMs: isSteered ? undefined : this.#disturbance.lateMs,
      skewMs: this.#disturbance.skewMs,
      blindMs: this.#disturbance.blindMs,
    });
    return (
      this.#mayEndSo(run, played) ??
      reference.judge(run.input.root, this.#endOf(run)) ??
      this.#undone(run, reference) ??
      this.#carriesOn(run) ??
      (played === undefined || run.continuedTo !== undefined ? undefined : this.#signals(run, played))
    );
  }

  #endOf({ status, output, error, continuedTo }: FinishedRun): End {
    if (continuedTo !== undefined) return { well: this.#runs.get(continuedTo)?.input.reports.at(-1) };
    if (status === "completed") return { well: (output as Report[]).at(-1) };
    return status === "failed" ? { failed: error } : "cut";
  }

  #childAt(runId: string, at: string): ChildEnd | undefined {
    const children = [...this.#runs.values()].filter(({ input }) => input.label === `${runId} ${at}`);
    // One from before a redrive may be started after the one that the redrive has asked for.
    let child = children.find(({ isOfPresent }) => isOfPresent) ?? children.at(-1);
    while (child?.continuedTo !== undefined) child = this.#runs.get(child.continuedTo)!;
    return child === undefined ? undefined : { status: child.status, output: child.output };
  }

  #mayEndSo(run: FinishedRun, played: Played | undefined): string | undefined {
    const { status, finishedAt, deadline, input, parentRunId } = run;
    const { skewMs } = this.#disturbance;
    // A paused run does not see its deadline; and whatever ends cleans up.
    const cleanUpMs = /"finally"|"undo"/.test(JSON.stringify(input.root)) ? CLEAN_UP_MS : 0;
    const patienceMs = this.#disturbance.patienceMs + cleanUpMs + (played?.program.pause?.forMs ?? 0);
    if (status === "timedOut") {
      // Redriven from what it did after that, it ends as it was.
      if (run.isRedriven) return undefined;
      if (deadline === undefined) return "It timed out, and has no deadline";
      return finishedAt + skewMs < deadline ? "It timed out before its deadline" : undefined;
    }
    if (deadline !== undefined && finishedAt > deadline + patienceMs && status !== "cancelled")
      return `It ended ${status} ${finishedAt - deadline} ms after its deadline`;
    if (status === "cancelled" && parentRunId === undefined && played?.cancelledAt === undefined)
      return "It was cancelled, and nobody asked for that";
    if (status === "cancelled" && run.error !== undefined) return `Its clean-up failed: ${run.error.message}`;
    const isLate =
      played?.isCancelAnswered === true && finishedAt > played.cancelledAt! + patienceMs && input.left >= 0;
    return isLate && !run.isRedriven && status !== "cancelled" && run.firstRunId === undefined
      ? `It ended ${status} ${finishedAt - played.cancelledAt!} ms after its cancel was accepted`
      : undefined;
  }

  /** What has surely been done is undone if the run failed, the last first; nothing is if it completed. */
  #undone(
    { runId, status, isUncompensated, isRedriven }: FinishedRun,
    reference: Reference,
  ): string | undefined {
    const marks = this.#ledger.of(runId);
    // What was undone may have been done again since, or taken another way.
    if (isRedriven) return undefined;
    const undos = [...marks].filter(([at]) => at.endsWith("~"));
    if (status === "completed")
      return undos.length === 0 ? undefined : `It completed, and ${undos[0]![0].slice(0, -1)} was undone`;
    for (const [at, times] of undos)
      if (times.length > 1 + this.#disturbance.repeats) return `${at} was undone ${times.length} times`;
    const { must, ordered } = reference.undoing();
    for (const at of must)
      if (!marks.get(`${at}~`)?.some(({ done }) => done !== undefined) && !isUncompensated)
        return `It ended ${status}, and ${at} was not undone`;
    for (const [first, second] of ordered) {
      const [undoneFirst, undoneSecond] = [first, second].map((at) => marks.get(`${at}~`)?.at(0)?.begun);
      // One whose outcome nobody knows is not undone.
      if (undoneFirst === undefined || undoneSecond === undefined) continue;
      if (undoneFirst < undoneSecond) return `${first} was undone before ${second}, which was done after it`;
    }
    return undefined;
  }

  /** A run that goes on hands all of its reports to the next. */
  #carriesOn({ continuedTo, input }: FinishedRun): string | undefined {
    if (continuedTo === undefined) return undefined;
    const next = this.#runs.get(continuedTo)?.input;
    if (next === undefined) return `Its successor ${continuedTo} is not there`;
    if (next.left !== input.left - 1) return `${next.left} links are left after ${input.left}`;
    const kept = JSON.stringify(next.reports.slice(0, -1)) === JSON.stringify(input.reports);
    return kept ? undefined : "Its successor was not given its reports";
  }

  /** Each signal is received once at most, in order; and none is missed by a wait that it could have reached. */
  #signals(last: FinishedRun, { signals, program }: Played): string | undefined {
    if (last.status !== "completed") return undefined;
    const waits = (last.output as Report[]).flatMap((report, link) =>
      waitsIn(program.root, report).map((wait) => ({ ...wait, link })),
    );
    const received = waits.filter((wait): wait is Received & { link: number } => "signal" in wait);
    for (const name of new Set(signals.map((sent) => sent.name))) {
      const ofName = new Set(signals.filter((sent) => sent.name === name).map(({ n }) => n));
      const taken = received.filter(({ signal }) => ofName.has(signal));
      const late = new Set(signals.flatMap(({ n, cameLate }) => (cameLate ? [n] : [])));
      const disorder = disorderOf(taken, late);
      if (disorder !== undefined) return disorder;
      // While it is paused, what times out says so late.
      const patienceMs = this.#disturbance.patienceMs + (program.pause?.forMs ?? 0);
      const missed = this.#missed(waits, taken, signals, name, patienceMs);
      if (missed !== undefined) return missed;
    }
    return undefined;
  }

  #missed(
    waits: Wait[],
    taken: Received[],
    signals: Played["signals"],
    name: string,
    patienceMs: number,
  ): string | undefined {
    // Some wait was cut, or its report is not there: it may have taken what nobody else has.
    if (waits.some((wait) => "unknown" in wait && wait.unknown === name)) return undefined;
    for (const wait of waits) {
      if (!("missed" in wait) || wait.missed !== name) continue;
      const lost = signals.find(
        (sent) =>
          sent.name === name &&
          sent.answeredAt !== undefined &&
          !sent.cameLate &&
          sent.answeredAt + patienceMs < wait.at &&
          !taken.some(({ signal }) => signal === sent.n),
      );
      if (lost !== undefined)
        return `Signal ${lost.n}, accepted at ${lost.answeredAt}, was never received, and a wait for it timed out at ${wait.at}`;
    }
    return undefined;
  }
}

/** Two links may be of clocks that differ; within one, time never goes back. */
function disorderOf(taken: (Received & { link: number })[], late: ReadonlySet<number>): string | undefined {
  for (const [index, one] of taken.entries())
    for (const other of taken.slice(index + 1)) {
      if (one.signal === other.signal) return `Signal ${one.signal} was received twice`;
      const [first, second] = one.signal < other.signal ? [one, other] : [other, one];
      const isTurned = first.link > second.link || (first.link === second.link && first.at > second.at);
      if (isTurned && !late.has(first.signal))
        return `Signal ${first.signal} was received after ${second.signal}`;
    }
  return undefined;
}

interface Received {
  signal: number;
  at: number;
}
type Wait = Received | { missed: string; at: number } | { unknown: string };

/** Every wait for a signal that a report tells of, or keeps silent about. */
function waitsIn(node: Node, report: Report | null | undefined): Wait[] {
  const unknown = (part: Node): Wait[] =>
    leavesOf(part).flatMap((leaf) => (leaf.do === "signal" ? [{ unknown: leaf.name }] : []));
  if (report === null || report === undefined) return unknown(node);
  switch (node.do) {
    case "signal":
      return [report as Received];
    case "sequence":
    case "all":
      return node.parts.flatMap((part, index) => waitsIn(part, (report as Report[])[index]));
    case "any":
    case "race": {
      const { first, report: inner } = report as { first: number; report: Report };
      return node.parts.flatMap((part, index) => (index === first ? waitsIn(part, inner) : unknown(part)));
    }
    case "map":
      return (report as (Report | null)[]).flatMap((item, index) =>
        node.refusing.includes(index) ? [] : waitsIn(node.part, item),
      );
    case "catch": {
      const reported = report as Tried | Caught;
      if ("tried" in reported) return waitsIn(node.part, reported.tried);
      const { caught, at, report: inner } = reported;
      const tried: Wait[] =
        node.part.do === "signal" && caught === "SignalTimeout"
          ? [{ missed: node.part.name, at }]
          : unknown(node.part);
      return [...tried, ...waitsIn(node.instead, inner)];
    }
    case "finally":
      return waitsIn(node.part, report);
    default:
      return [];
  }
}
