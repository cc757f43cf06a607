/** A finished run as a picture: its operations over time, and where the host was killed. Pure. */
import { styleText } from "node:util";
import type { JournalEvent, OperationView, Run } from "stepfold/client";

export interface Finished {
  title: string;
  run: Run;
  operations: readonly OperationView[];
  events: readonly JournalEvent[];
}

type Span = [from: number, to: number];

const WIDTH = 40;

export const legend = "━ a step's work   ┄ waiting   ╳ the host was killed here";

/** `crashedAt`: epoch ms. */
export function timelineOf({ title, run, operations, events }: Finished, crashedAt: number): string {
  const begin = Date.parse(run.createdAt);
  const end = Date.parse(run.finishedAt ?? run.updatedAt);
  const column = (at: number): number =>
    Math.min(WIDTH - 1, Math.floor(((at - begin) / Math.max(1, end - begin)) * WIDTH));
  const rows = operations.map((operation) => {
    const whole = spanOf(operation, end);
    const attempts = operation.kind === "step" ? attemptsOf(operation.id, events, whole) : [];
    const cells = Array.from({ length: WIDTH }, (_, index) => {
      const isIn = ([from, to]: Span): boolean => index >= column(from) && index <= column(to);
      if (index === column(crashedAt))
        return isHit(whole, crashedAt) ? styleText("red", "╳") : styleText("dim", "╎");
      if (attempts.some(isIn)) return "━";
      return isIn(whole) ? "┄" : " ";
    });
    const took = `${((whole[1] - whole[0]) / 1_000).toFixed(2)} s`.padStart(8);
    const notes = [
      ...(operation.attempts > 1 ? [`${operation.attempts} attempts`] : []),
      ...(isHit(whole, crashedAt) ? [hitNote(operation.kind, attempts, crashedAt)] : []),
    ];
    const name = `${operation.parent === undefined ? "" : "  "}${operation.name}`;
    return `  ${name.padEnd(18)} ${operation.kind.padEnd(6)} │${cells.join("")}│ ${took}  ${styleText("magenta", notes.join("; "))}`;
  });
  const legs = events.filter(({ type }) => type === "LegStarted").length;
  const facts = `${run.status} in ${((end - begin) / 1_000).toFixed(1)} s, ${legs} legs, ${run.revision + 1} journal entries`;
  return [`${styleText("bold", title)}  ${facts}  ${styleText("dim", run.runId)}`, ...rows].join("\n");
}

const spanOf = ({ startedAt, finishedAt }: OperationView, end: number): Span => [
  startedAt === undefined ? end : Date.parse(startedAt),
  finishedAt === undefined ? end : Date.parse(finishedAt),
];

/** When the step's work was under way, as the journal has it. */
function attemptsOf(id: string, events: readonly JournalEvent[], [from, to]: Span): Span[] {
  const spans: Span[] = [];
  let begun: number | undefined = from;
  for (const event of events.filter(({ operation }) => operation === id)) {
    const at = Date.parse(event.at);
    if (event.type === "StepRetried") begun = at;
    if (event.type !== "StepAttemptFailed" || begun === undefined) continue;
    spans.push([begun, at]);
    begun = undefined;
  }
  return begun === undefined ? spans : [...spans, [begun, to]];
}

const isHit = ([from, to]: Span, crashedAt: number): boolean => crashedAt >= from && crashedAt <= to;

function hitNote(kind: string, attempts: readonly Span[], crashedAt: number): string {
  if (attempts.some((attempt) => isHit(attempt, crashedAt)))
    return "killed in its midst: done again, under the same key";
  return kind === "timer"
    ? "killed while it slept"
    : kind === "step"
      ? "killed between two attempts"
      : "killed while it waited";
}
