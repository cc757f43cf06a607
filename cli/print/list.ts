/** A list of runs for people. */
import type { RunSummary } from "../../shared/client/index.ts";
import { isFinished } from "../outcome.ts";
import { lookOf } from "./status.ts";
import { type Column, table } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { relative, span } from "./time.ts";

export function listLines(runs: readonly RunSummary[], terminal: Terminal, now: number): string[] {
  return table(runs, columns(now), terminal);
}

const columns = (now: number): Column<RunSummary>[] => [
  { title: "RUN", text: ({ runId }) => runId, style: () => "bold" },
  { title: "WORKFLOW", text: ({ workflow }) => workflow, cutTo: 12, goes: 3 },
  {
    title: "STATUS",
    text: (run) => `${lookOf(run.status).sign} ${run.status}${run.stalled ? " (stalled)" : ""}`,
    style: ({ status, stalled }) => (stalled ? "red" : lookOf(status).style),
  },
  { title: "BEGAN", text: ({ createdAt }) => relative(createdAt, now), goes: 2 },
  { title: "TOOK", text: (run) => tookText(run), goes: 4, align: "right" },
  { title: "WAKES", text: (run) => wakesText(run, now), goes: 5 },
  { title: "OWNER", text: ({ owner = "" }) => owner, cutTo: 8, goes: 6 },
  { title: "TAGS", text: ({ tags = {} }) => tagsText(tags), cutTo: 12, goes: 7 },
];

const tookText = (run: RunSummary): string =>
  run.finishedAt === undefined
    ? ""
    : span(Date.parse(run.finishedAt) - Date.parse(run.startedAt ?? run.createdAt));

const wakesText = (run: RunSummary, now: number): string => {
  const at = run.wakeAt ?? (run.startedAt === undefined ? run.startAt : undefined);
  return at === undefined || isFinished(run) ? "" : relative(at, now);
};

const tagsText = (tags: Record<string, string>): string =>
  Object.entries(tags)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
