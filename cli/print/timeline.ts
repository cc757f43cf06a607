/**
 * A run's operations as a tree, each with its place in the run's time.
 *
 * 1. An operation stands under its parent; the name of its branch goes before its own.
 * 2. Of many operations, those that are open or failed and the latest ones are shown, with all that they stand under.
 */
import type { OperationView, Run } from "../../shared/client/index.ts";
import { isOpen } from "../operations.ts";
import { errorText } from "./run.ts";
import { lookOf } from "./status.ts";
import type { Terminal } from "./terminal.ts";
import { cut, pad, plain, widthOf } from "./text.ts";
import { relative, span } from "./time.ts";

const BAR_WIDTH = 24;
/** A terminal narrower than this has no room for bars. */
const WIDE = 90;
const NAME_WIDTH_MAX = 48;
export const SHOWN_MAX = 40;

export interface TimelineOptions {
  terminal: Terminal;
  now: number;
  /** How many are shown at most; those that matter most are. */
  max?: number;
}

interface Row {
  operation: OperationView;
  label: string;
}

export function timeline(run: Run, operations: readonly OperationView[], options: TimelineOptions): string[] {
  const { terminal, now, max = SHOWN_MAX } = options;
  const shown = chosen(operations, max);
  const rows = nested(shown);
  const nameWidth = Math.min(NAME_WIDTH_MAX, Math.max(0, ...rows.map(({ label }) => widthOf(label))));
  const kindWidth = Math.max(0, ...shown.map(({ kind }) => kind.length));
  const scale = barScale(run, now);
  const left = operations.length - shown.length;
  return [
    ...(left > 0 ? [terminal.paint("dim", `  … ${left} more: --all shows them`)] : []),
    ...rows.map(({ operation, label }) => {
      const { sign, style } = lookOf(operation.status);
      const name = pad(cut(label, nameWidth), nameWidth);
      const bar = terminal.width >= WIDE ? `${barOf(operation, scale, now)}  ` : "";
      const before = 2 + 2 + nameWidth + 2 + kindWidth + 2 + bar.length;
      const note = cut(noteOf(operation, now), Math.max(10, terminal.width - before));
      const { paint } = terminal;
      const isBad = operation.status === "failed";
      return `  ${paint(style, sign)} ${name}  ${paint("dim", pad(operation.kind, kindWidth))}  ${paint(style, bar)}${paint(isBad ? "red" : "dim", note)}`.trimEnd();
    }),
  ];
}

/** The latest, the open and the failed ones, and what they stand under. */
function chosen(operations: readonly OperationView[], max: number): OperationView[] {
  if (operations.length <= max) return [...operations];
  const byId = new Map(operations.map((operation) => [operation.id, operation]));
  const kept = new Set<OperationView>();
  const keep = (operation: OperationView | undefined): void => {
    for (
      let at = operation;
      at !== undefined && !kept.has(at);
      at = at.parent === undefined ? undefined : byId.get(at.parent)
    )
      kept.add(at);
  };
  const urgent = operations.filter((operation) => isOpen(operation) || operation.status === "failed");
  const latest = operations.toReversed();
  for (const operation of [...urgent.toReversed().slice(0, Math.ceil(max / 2)), ...latest]) {
    if (kept.size >= max) break;
    keep(operation);
  }
  return operations.filter((operation) => kept.has(operation));
}

/** In the order of a tree, with the lines that make it look like one. */
function nested(operations: readonly OperationView[]): Row[] {
  const here = new Set(operations.map(({ id }) => id));
  const under = Map.groupBy(operations, ({ parent }) =>
    parent !== undefined && here.has(parent) ? parent : undefined,
  );
  const rows: Row[] = [];
  const add = (parent: string | undefined, lead: string): void => {
    const children = under.get(parent) ?? [];
    for (const [index, operation] of children.entries()) {
      const isLast = index === children.length - 1;
      const branch = parent === undefined ? "" : isLast ? "└ " : "├ ";
      rows.push({ operation, label: `${lead}${branch}${nameOf(operation)}` });
      add(operation.id, parent === undefined ? "" : `${lead}${isLast ? "  " : "│ "}`);
    }
  };
  add(undefined, "");
  return rows;
}

/** A branch's name is in the id of what is in it: `1/email/2`. */
function nameOf({ id, name, parent }: OperationView): string {
  const branch = parent === undefined ? "" : id.slice(parent.length + 1, id.lastIndexOf("/"));
  return plain(branch === "" ? name : `${branch}: ${name}`);
}

interface Scale {
  fromMs: number;
  msPerCell: number;
}

function barScale({ createdAt, startedAt, finishedAt }: Run, now: number): Scale {
  const fromMs = Date.parse(startedAt ?? createdAt);
  const untilMs = finishedAt === undefined ? now : Date.parse(finishedAt);
  return { fromMs, msPerCell: Math.max(1, untilMs - fromMs) / BAR_WIDTH };
}

function barOf({ startedAt, finishedAt }: OperationView, { fromMs, msPerCell }: Scale, now: number): string {
  if (startedAt === undefined) return " ".repeat(BAR_WIDTH);
  const cell = (ms: number) => Math.min(BAR_WIDTH, Math.max(0, Math.floor((ms - fromMs) / msPerCell)));
  const begin = Math.min(BAR_WIDTH - 1, cell(Date.parse(startedAt)));
  const end = Math.max(begin + 1, cell(finishedAt === undefined ? now : Date.parse(finishedAt)));
  return pad(`${" ".repeat(begin)}${"━".repeat(end - begin)}`, BAR_WIDTH);
}

/** How long it took, or when it goes on; its tries and its error. */
export function noteOf(operation: OperationView, now: number): string {
  const { durationMs, nextAttemptAt, wakeAt, attempts, error, decision, childRunId, startedAt } = operation;
  const parts = [
    durationMs === undefined ? "" : span(durationMs),
    nextAttemptAt !== undefined && isOpen(operation) ? `again ${relative(nextAttemptAt, now)}` : "",
    wakeAt === undefined ? "" : `ends ${relative(wakeAt, now)}`,
    isOpen(operation) && wakeAt === undefined && nextAttemptAt === undefined && startedAt !== undefined
      ? `since ${span(now - Date.parse(startedAt))}`
      : "",
    attempts > 1 ? `${attempts} attempts` : "",
    decision === undefined
      ? ""
      : `${decision.approved ? "approved" : "rejected"}${decision.by === undefined ? "" : ` by ${decision.by}`}`,
    childRunId ?? "",
    error === undefined ? "" : errorText(error),
  ];
  return plain(parts.filter((part) => part !== "").join(", "));
}
