/**
 * What may come of a program: an interpreter that knows nothing of journals, replays or processes. It is given what
 * a run has come to and what the outside has seen of it, and answers what about that cannot be.
 *
 * 1. A part ends `well` with a report, or `failed` with an error, or was `cut`: by a race, a failure beside it, a
 *    cancel. Where the order of outside events leaves a choice, the report tells which was taken, and any is
 *    allowed that the program and the outside have room for.
 * 2. Work that a report builds on was done at least once; work behind what never ended was never begun; nothing was
 *    done more often than the disturbances of the history explain: in a calm one exactly as often as it says.
 * 3. Time is a lower bound always, and in a calm history an upper bound too.
 */
import type { RunError } from "../../../shared/core/errors.ts";
import type { Mark, Sent } from "./ledger.ts";
import { type Caught, type Node, partsOf, type Report, type Tried } from "./program.ts";

/** What a part has come to. An `undefined` report or error is one that nobody has seen. */
export type End = { well: Report | undefined } | { failed: RunError | undefined } | "cut";

/** How the child at an address of this run has ended. */
export interface ChildEnd {
  status: string;
  output: unknown;
}

export interface Seen {
  marks: ReadonlyMap<string, readonly Mark[]>;
  signals: readonly Sent[];
  patchedAt: number | undefined;
  isPatchSent: boolean;
  child(at: string): ChildEnd | undefined;
  /** How much oftener than planned any work may have been done. */
  repeats: number;
  /** Whether a process may have died in a step. */
  isCrashed: boolean;
  /** It was finished before, and has gone on: what was seen of it then says nothing of now. */
  isRedriven: boolean;
  /** By a redrive from an operation that was named: sleeps from before that end when they were to, others begin anew. */
  isRedrivenFrom: boolean;
  /** Nothing was disturbed: how much later than due anything may happen. */
  lateMs: number | undefined;
  /** How much two clocks may differ. */
  skewMs: number;
  /** How long a process may go on without what has been appended meanwhile: it looks now and then, unless it stands still. */
  blindMs: number;
}

const WELL: End = { well: undefined };
const FAILED: End = { failed: undefined };

/** Work that has surely been done, in order of its first end. */
interface Done {
  at: string;
  by: number;
  undo: boolean;
  /** It was cut, in a run of its own that goes on until it hears of that: nobody waits for it. */
  isLeft?: boolean;
}

export class Reference {
  readonly #seen: Seen;
  /** Of the last check that held: what it took for done. */
  #done: Done[] = [];
  /** Pairs of addresses: the first was done before the second was begun, by the program. */
  #ordered: [string, string][] = [];

  constructor(seen: Seen) {
    this.#seen = seen;
  }

  /** Why the program cannot have come to that; nothing if it can. */
  judge(root: Node, end: End): string | undefined {
    this.#done = [];
    this.#ordered = [];
    return this.#check(root, "0", end);
  }

  /** What must be undone, and in which order, after the last `judge`. */
  undoing(): { must: string[]; ordered: [string, string][] } {
    const must = this.#done.filter(({ undo }) => undo).map(({ at }) => at);
    return { must, ordered: this.#ordered.filter((pair) => pair.every((at) => must.includes(at))) };
  }

  #may(node: Node, at: string, end: End): boolean {
    const [done, ordered] = [this.#done.length, this.#ordered.length];
    if (this.#check(node, at, end) === undefined) return true;
    this.#done.length = done;
    this.#ordered.length = ordered;
    return false;
  }

  /** Whether it was begun, where nothing may have been. */
  #isBegun(at: string): boolean {
    return !this.#seen.isRedriven && this.#isTouched(at);
  }

  #isTouched(at: string): boolean {
    for (const key of this.#seen.marks.keys())
      if (key === at || (key.startsWith(at) && (key[at.length] === "." || key[at.length] === "~")))
        return true;
    return false;
  }

  #check(node: Node, at: string, end: End): string | undefined {
    switch (node.do) {
      case "sequence":
        return this.#sequence(partsOf(node, at), at, end);
      case "all":
        return this.#all(node.parts, at, end);
      case "any":
        return this.#any(node.parts, at, end);
      case "race":
        return this.#race(node.parts, at, end);
      case "map":
        return this.#map(node, at, end);
      case "catch":
        return this.#catch(node, at, end);
      case "finally":
        return this.#finally(node, at, end);
      case "child":
        return this.#child(node, at, end);
      default:
        return this.#leaf(node, at, end);
    }
  }

  // ——— leaves ———

  #leaf(node: Node, at: string, end: End): string | undefined {
    if (node.do === "step" || node.do === "poll" || node.do === "callback") {
      const tooOften = this.#tooOften(node, at);
      if (tooOften !== undefined) return tooOften;
    }
    if (end === "cut") return undefined;
    if ("failed" in end) return this.#failed(node, at, end.failed);
    return this.#well(node, at, end.well);
  }

  #tooOften(node: Node, at: string): string | undefined {
    const planned =
      node.do === "step" ? (node.failures ?? 0) + 1 : node.do === "poll" ? Number.POSITIVE_INFINITY : 1;
    const times = this.#seen.marks.get(at)?.length ?? 0;
    const most = planned + (node.do === "step" && node.once ? 0 : this.#seen.repeats);
    if (this.#seen.isRedriven && node.do === "step" && node.once && times <= 2) return undefined;
    return times > most ? `${at} was done ${times} times, and no more than ${most} are explained` : undefined;
  }

  #failed(node: Node, at: string, error: RunError | undefined): string | undefined {
    const wrong = (expected: string) =>
      `${at} (${node.do}) ${expected}, got ${error?.name}: ${error?.message}`;
    switch (node.do) {
      case "step":
        // A process that stands still lets its step's time run out, too.
        if (node.once && this.#isNamed(error, "StepInterrupted", "StepTimeout"))
          return this.#seen.isCrashed ? undefined : `${at} was interrupted, and nothing was disturbed`;
        if (!node.refused && !node.broken) return `${at} is a step that cannot fail`;
        if (!this.#isTouched(at)) return `${at} failed, and was never begun`;
        return error === undefined || (error.name === "Refused" && error.message === at)
          ? undefined
          : wrong("fails as Refused");
      case "defect":
        return error?.name === "Defect" && error.message === at ? undefined : wrong("fails as Defect");
      case "callback": {
        const late = this.#timesOut(node, at, error, "CallbackTimeout");
        const isAnswered = node.fails === true && this.#isNamed(error, "CallbackFailed");
        return isAnswered && late !== undefined ? this.#inTime(node, at) : late;
      }
      case "signal":
        return this.#timesOut(node, at, error, "SignalTimeout");
      case "gate":
        return this.#timesOut(node, at, error, "GateTimeout");
      case "poll":
        return this.#timesOut(node, at, error, "PollTimeout");
      default:
        return wrong("cannot fail");
    }
  }

  #isNamed(error: RunError | undefined, ...names: string[]): boolean {
    return error === undefined || names.includes(error.name);
  }

  #timesOut(
    node: Node & { timeoutMs?: number },
    at: string,
    error: RunError | undefined,
    name: string,
  ): string | undefined {
    if (node.timeoutMs === undefined) return `${at} (${node.do}) never times out`;
    if (!this.#isNamed(error, name)) return `${at} fails as ${name}, got ${error?.name}`;
    const { lateMs } = this.#seen;
    const neededMs = neededOf(node);
    return lateMs !== undefined && neededMs !== undefined && neededMs + lateMs < node.timeoutMs
      ? `${at} (${node.do}) timed out, though it had its answer in time`
      : undefined;
  }

  /** An answer may have come in time. That to a gate may find it open again, by a redrive. */
  #inTime(node: Node & { timeoutMs?: number }, at: string): string | undefined {
    if (node.do === "gate" && this.#seen.isRedriven) return undefined;
    const neededMs = neededOf(node);
    if (node.timeoutMs === undefined || neededMs === undefined || neededMs <= node.timeoutMs + 1)
      return undefined;
    return neededMs > node.timeoutMs + this.#seen.skewMs
      ? `${at} (${node.do}) had its answer after its time`
      : undefined;
  }

  #well(node: Node, at: string, report: Report | undefined): string | undefined {
    switch (node.do) {
      case "step":
        return node.refused ? `${at} is refused, and yet ended well` : this.#worked(node, at, report);
      case "defect":
        return this.#seen.isRedriven ? undefined : `${at} is not mended, and yet ended well`;
      case "sleep":
        return this.#slept(node.ms, at, report);
      case "signal":
        return this.#received(node.name, at, report);
      case "gate":
        if (report !== undefined && (report as { approved: boolean }).approved !== node.approved)
          return `${at} was decided otherwise: ${JSON.stringify(report)}`;
        return this.#inTime(node, at);
      case "callback":
        if (node.fails) return `${at} was answered badly, and yet ended well`;
        if (!this.#isTouched(at)) return `${at} was answered, and its token was never handed out`;
        if (report !== undefined && (report as { answered: string }).answered !== at)
          return `${at} got another's answer: ${JSON.stringify(report)}`;
        return this.#inTime(node, at);
      case "poll": {
        const looked = report === undefined ? node.looks : (report as { looked: number }).looked;
        if (looked < node.looks) return `${at} was found at look ${looked}, and is there at ${node.looks}`;
        return this.#wasDone(at, (mark) => mark.attempt >= looked, false);
      }
      case "publish":
        return report === false ? `${at} did not see what it had set` : undefined;
      default:
        return this.#looked(at, report);
    }
  }

  #worked(node: Node & { do: "step" }, at: string, report: Report | undefined): string | undefined {
    const attempt = report === undefined ? undefined : Number(String(report).split("#")[1]);
    if (report !== undefined && report !== `${at}#${attempt}`)
      return `${at} reports ${JSON.stringify(report)}`;
    return this.#wasDone(at, (mark) => attempt === undefined || mark.attempt === attempt, node.undo === true);
  }

  #wasDone(at: string, isIt: (mark: Mark) => boolean, undo: boolean): string | undefined {
    const ended = (this.#seen.marks.get(at) ?? []).filter((mark) => mark.done !== undefined && isIt(mark));
    if (ended.length === 0) return `${at} is taken for done, and nobody has seen it`;
    this.#done.push({ at, by: Math.min(...ended.map(({ done }) => done!)), undo });
    return undefined;
  }

  #slept(ms: number, at: string, report: Report | undefined): string | undefined {
    if (report === undefined) return undefined;
    const { from, to } = report as { from: number; to: number };
    if (to - from < ms) return `${at} slept ${to - from} of ${ms} ms`;
    const { lateMs } = this.#seen;
    return lateMs !== undefined && to - from > ms + lateMs
      ? `${at} slept ${to - from} ms, not ${ms}`
      : undefined;
  }

  #received(name: string, at: string, report: Report | undefined): string | undefined {
    if (report === undefined) return undefined;
    const { signal } = report as { signal: number };
    return this.#seen.signals.some((sent) => sent.n === signal && sent.name === name)
      ? undefined
      : `${at} received ${signal} as ${name}, which nobody has sent`;
  }

  #looked(at: string, report: Report | undefined): string | undefined {
    if (report === undefined) return undefined;
    const { seen, at: when } = report as { seen: boolean; at: number };
    const { patchedAt, isPatchSent, skewMs, blindMs } = this.#seen;
    if (seen) return isPatchSent ? undefined : `${at} saw a patch that nobody has sent`;
    return patchedAt !== undefined && when > patchedAt + 2 * skewMs + blindMs
      ? `${at} did not see the patch of ${patchedAt} at ${when}`
      : undefined;
  }

  // ——— compositions ———

  /** Parts one after another: what is behind a part that has not ended well was never begun. */
  #sequence(parts: [Node, string][], at: string, end: End): string | undefined {
    if (end === "cut") {
      if (this.#seen.isRedriven) return undefined;
      const last = parts.findLastIndex(([, address]) => this.#isTouched(address));
      return last < 0 ? undefined : this.#upTo(parts, last, "cut");
    }
    if ("failed" in end) {
      for (let index = 0; index < parts.length; index++) {
        const [done, ordered] = [this.#done.length, this.#ordered.length];
        if (this.#upTo(parts, index, end) === undefined) return undefined;
        this.#done.length = done;
        this.#ordered.length = ordered;
      }
      return `${at}: none of its parts may have failed with ${end.failed?.name} ${end.failed?.message}, and the others be as they are`;
    }
    const reports = end.well as Report[] | undefined;
    if (reports !== undefined && reports.length !== parts.length)
      return `${at} has ${parts.length} parts and ${reports.length} reports`;
    return this.#upTo(parts, parts.length, "cut", reports);
  }

  /** The parts before `index` ended well, that one as said, and none behind it was begun. */
  #upTo(parts: [Node, string][], index: number, end: End, reports?: Report[]): string | undefined {
    for (const [place, [node, address]] of parts.entries()) {
      const before = this.#done.length;
      if (place > index) {
        if (this.#isBegun(address)) return `${address} was begun, and what is before it had not ended`;
        continue;
      }
      const wrong = this.#check(node, address, place === index ? end : { well: reports?.[place] });
      if (wrong !== undefined) return wrong;
      if (place === 0) continue;
      const late = this.#tooEarly(parts[place - 1]![1], address, before);
      if (late !== undefined) return late;
    }
    return undefined;
  }

  /** Work at `after` that was begun before work at `before` was done. */
  #tooEarly(before: string, after: string, known: number): string | undefined {
    if (this.#seen.isRedriven) return undefined;
    const isUnder = (at: string, root: string) => at === root || at.startsWith(`${root}.`);
    const ends = this.#done.slice(0, known).filter(({ at }) => isUnder(at, before));
    for (const [at, marks] of this.#seen.marks) {
      if (!isUnder(at, after) || at.endsWith("~")) continue;
      const begun = marks[0]!.begun;
      for (const end of ends)
        if (!end.isLeft && begun < end.by) return `${at} was begun before ${end.at} was done`;
    }
    for (const later of this.#done.slice(known))
      for (const { at } of ends) this.#ordered.push([at, later.at]);
    return undefined;
  }

  #cutAll(parts: Node[], at: string, but?: number): string | undefined {
    for (const [index, part] of parts.entries()) {
      if (index === but) continue;
      const wrong = this.#check(part, `${at}.${index}`, "cut");
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  /** One part ended so, the others were cut. */
  #oneOf(parts: Node[], at: string, end: End): string | undefined {
    const cut = this.#cutAll(parts, at);
    if (cut !== undefined) return cut;
    const able = parts.filter((part, index) => {
      const [done, ordered] = [this.#done.length, this.#ordered.length];
      const may = this.#may(part, `${at}.${index}`, end);
      this.#done.length = done;
      this.#ordered.length = ordered;
      return may;
    });
    if (able.length === 0) return `${at}: no branch may have ended so: ${JSON.stringify(end)}`;
    // Where it may have been any of several, none of their work has surely been done.
    return able.length > 1 ? undefined : this.#check(able[0]!, `${at}.${parts.indexOf(able[0]!)}`, end);
  }

  #all(parts: Node[], at: string, end: End): string | undefined {
    if (end === "cut") return this.#cutAll(parts, at);
    if ("failed" in end) return this.#oneOf(parts, at, end);
    const reports = end.well as Report[] | undefined;
    if (reports !== undefined && reports.length !== parts.length)
      return `${at} lacks reports of its branches`;
    for (const [index, part] of parts.entries()) {
      const wrong = this.#check(part, `${at}.${index}`, { well: reports?.[index] });
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  #any(parts: Node[], at: string, end: End): string | undefined {
    if (end === "cut") return this.#cutAll(parts, at);
    if ("well" in end) return this.#won(parts, at, end.well);
    if (!this.#isNamed(end.failed, "AllFailed")) return `${at} fails as AllFailed, got ${end.failed?.name}`;
    for (const [index, part] of parts.entries()) {
      const wrong = this.#check(part, `${at}.${index}`, FAILED);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  #race(parts: Node[], at: string, end: End): string | undefined {
    if (end === "cut") return this.#cutAll(parts, at);
    return "failed" in end ? this.#oneOf(parts, at, end) : this.#won(parts, at, end.well);
  }

  #won(parts: Node[], at: string, report: Report | undefined): string | undefined {
    if (report === undefined) return this.#oneOf(parts, at, WELL);
    const { first, report: inner } = report as { first: number; report: Report };
    const lengths = parts.map((part) => (part.do === "sleep" ? part.ms : undefined));
    const haveBegunTogether = !this.#seen.isRedrivenFrom;
    if (
      haveBegunTogether &&
      lengths.every((ms) => ms !== undefined) &&
      lengths[first]! > Math.min(...lengths)
    )
      return `${at}: a longer sleep has won: ${JSON.stringify(report)}`;
    return this.#check(parts[first]!, `${at}.${first}`, { well: inner }) ?? this.#cutAll(parts, at, first);
  }

  #map(node: Node & { do: "map" }, at: string, end: End): string | undefined {
    const refused: Node = { do: "step", ms: 0, refused: true };
    const items = Array.from({ length: node.count }, (_, index) =>
      node.refusing.includes(index) ? refused : node.part,
    );
    if (end === "cut") return this.#cutItems(node, items, at);
    const mayFail = () => items.filter((item, index) => this.#may(item, `${at}.${index}`, FAILED)).length;
    if ("failed" in end) {
      if (!this.#isNamed(end.failed, "ToleranceExceeded"))
        return `${at} fails as ToleranceExceeded, got ${end.failed?.name}`;
      if (mayFail() <= node.tolerate) return `${at} tolerates ${node.tolerate} failures, and failed of fewer`;
      return (
        this.#cutItems(node, items, at) ??
        (node.concurrency === 1 && node.batch === undefined
          ? this.#stopped(items, at, node.tolerate)
          : undefined)
      );
    }
    const reports = end.well as (Report | null)[] | undefined;
    if (reports !== undefined && reports.length !== node.count) return `${at} lacks reports of its items`;
    let failures = 0;
    for (const [index, item] of items.entries()) {
      const address = `${at}.${index}`;
      const before = this.#done.length;
      const isWell = reports === undefined ? this.#may(item, address, WELL) : reports[index] !== null;
      const itemEnd: End = isWell ? { well: reports?.[index] ?? undefined } : FAILED;
      if (!isWell) failures++;
      const wrong = this.#check(item, address, itemEnd);
      if (wrong !== undefined) return wrong;
      const late =
        node.concurrency === 1 && node.batch === undefined && index > 0
          ? this.#tooEarly(`${at}.${index - 1}`, address, before)
          : undefined;
      if (late !== undefined) return late;
    }
    return failures > node.tolerate
      ? `${at} has ${failures} failures, and tolerates ${node.tolerate}`
      : undefined;
  }

  #cutItems({ batch }: Node & { do: "map" }, items: Node[], at: string): string | undefined {
    const before = this.#done.length;
    const wrong = this.#cutAll(items, at);
    if (batch !== undefined) for (const done of this.#done.slice(before)) done.isLeft = true;
    return wrong;
  }

  /** Items one at a time: after one failure too many none is begun. */
  #stopped(items: Node[], at: string, tolerate: number): string | undefined {
    let failures = 0;
    for (const [index, item] of items.entries()) {
      if (failures > tolerate && this.#isBegun(`${at}.${index}`))
        return `${at}.${index} was begun after ${failures} failures, and ${tolerate} are tolerated`;
      if (this.#may(item, `${at}.${index}`, FAILED) && !this.#may(item, `${at}.${index}`, WELL)) failures++;
    }
    return undefined;
  }

  #catch({ part, instead }: Node & { do: "catch" }, at: string, end: End): string | undefined {
    const [tried, other] = [`${at}.0`, `${at}.1`];
    const unlessBegun = (wrong: string | undefined) =>
      wrong ?? (this.#isBegun(other) ? `${other} was begun, and nothing had failed before it` : undefined);
    if (end === "cut" && this.#seen.isRedriven) return undefined;
    if (end === "cut")
      return this.#isTouched(other) || this.#check(part, tried, "cut") !== undefined
        ? (this.#check(part, tried, FAILED) ?? this.#check(instead, other, "cut"))
        : undefined;
    if ("failed" in end && end.failed?.name === "Defect" && this.#may(part, tried, end))
      return unlessBegun(undefined);
    if ("failed" in end) return this.#check(part, tried, FAILED) ?? this.#check(instead, other, end);
    const report = end.well as Tried | Caught | undefined;
    if (report === undefined) {
      const [done, ordered] = [this.#done.length, this.#ordered.length];
      if (unlessBegun(this.#check(part, tried, WELL)) === undefined) return undefined;
      this.#done.length = done;
      this.#ordered.length = ordered;
      return this.#check(part, tried, FAILED) ?? this.#check(instead, other, WELL);
    }
    if ("tried" in report) return unlessBegun(this.#check(part, tried, { well: report.tried }));
    if (!failuresOf(part).has(report.caught))
      return `${at} caught ${report.caught}, which ${tried} cannot fail with`;
    return this.#check(part, tried, FAILED) ?? this.#check(instead, other, { well: report.report });
  }

  #finally({ part, after }: Node & { do: "finally" }, at: string, end: End): string | undefined {
    const [body, last] = [`${at}.0`, `${at}.1`];
    if (end === "cut") return this.#check(part, body, "cut") ?? this.#check(after, last, "cut");
    const wrong = this.#check(part, body, end);
    if (wrong !== undefined || after.do !== "step") return wrong;
    return this.#check(after, last, WELL);
  }

  #child(node: Node & { do: "child" }, at: string, end: End): string | undefined {
    if (end === "cut") return undefined;
    const child = this.#seen.child(at);
    if (child === undefined) return `${at} has ended, and its child is not there`;
    if ("failed" in end) {
      if (node.detached) return `${at} is detached, and cannot fail`;
      if (!this.#isNamed(end.failed, "ChildFailed", "ChildCancelled"))
        return `${at} fails with its child, got ${end.failed?.name}`;
      return child.status === "completed" ? `${at} failed, and its child completed` : undefined;
    }
    if (node.detached) return undefined;
    if (child.status !== "completed") return `${at} ended well, and its child ${child.status}`;
    const { child: told } = (end.well ?? { child: child.output }) as { child: unknown };
    return JSON.stringify(told) === JSON.stringify(child.output)
      ? undefined
      : `${at} was told ${JSON.stringify(told)}, its child ended with ${JSON.stringify(child.output)}`;
  }
}

/** How long the outside takes, counted from the part's begin. */
function neededOf(node: Node): number | undefined {
  if (node.do === "gate" || node.do === "callback") return node.answerMs;
  return node.do === "poll" ? (node.looks - 1) * node.everyMs : undefined;
}

/** What a part may fail with, by name. */
function failuresOf(node: Node): Set<string> {
  switch (node.do) {
    case "step":
      return new Set([
        ...(node.refused || node.broken ? ["Refused"] : []),
        ...(node.once ? ["StepInterrupted", "StepTimeout"] : []),
      ]);
    case "signal":
      return new Set(["SignalTimeout"]);
    case "gate":
      return new Set(["GateTimeout"]);
    case "callback":
      return new Set(["CallbackTimeout", ...(node.fails ? ["CallbackFailed"] : [])]);
    case "poll":
      return new Set(["PollTimeout"]);
    case "child":
      return new Set(["ChildFailed", "ChildCancelled"]);
    case "any":
      return new Set(["AllFailed"]);
    case "map":
      return new Set(["ToleranceExceeded"]);
    case "catch":
      return failuresOf(node.instead);
    default:
      return new Set(partsOf(node, "").flatMap(([part]) => [...failuresOf(part)]));
  }
}
