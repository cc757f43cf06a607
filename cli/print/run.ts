/** One run for people: what it is, what became of it, what it waits for, and how to go on. */
import type { OperationView, Run } from "../../shared/client/index.ts";
import type { RunError } from "../../shared/core/errors.ts";
import type { Api } from "../commands/api.ts";
import { isFinished } from "../outcome.ts";
import { dollars } from "./money.ts";
import { lookOf } from "./status.ts";
import { cut, jsonText, pad, plain, widthOf } from "./text.ts";
import { relative, span } from "./time.ts";

type Desk = Pick<Api, "terminal" | "now" | "next">;

const LABEL_WIDTH = 10;
const INDENT = 2;

/** `✓ order o-1 completed`, with how long it took or has taken. */
export function headline(run: Run, { terminal, now }: Desk): string {
  const { sign, style } = lookOf(run.status);
  const endMs = run.finishedAt === undefined ? now() : Date.parse(run.finishedAt);
  const tookMs = endMs - Date.parse(run.startedAt ?? run.createdAt);
  const took = isFinished(run) ? `in ${span(tookMs)}` : `for ${span(tookMs)}`;
  const { paint } = terminal;
  return [
    paint(style, sign),
    plain(run.workflow),
    paint("bold", plain(run.runId)),
    paint(style, run.status),
    paint("dim", run.startedAt === undefined ? "" : took),
  ]
    .join(" ")
    .trimEnd();
}

/** All that a run tells of itself but its operations. */
export function runLines(run: Run, operations: readonly OperationView[], desk: Desk): string[] {
  const { terminal } = desk;
  const fact = (label: string, text: string | undefined): string[] =>
    text === undefined || text === "" ? [] : factLines(label, plain(text), desk);
  const json = (value: unknown) => (value === undefined || value === null ? undefined : jsonText(value));
  return [
    headline(run, desk),
    ...fact("started", startedText(run, desk)),
    ...fact("owner", run.owner),
    ...fact("goal", run.goal),
    ...fact(
      "tags",
      run.tags &&
        Object.entries(run.tags)
          .map(([key, value]) => `${key}=${value}`)
          .join(" "),
    ),
    ...fact("parent", run.parentRunId ?? run.externalParentId),
    ...fact("step", run.step),
    ...fact("input", json(run.input)),
    ...fact("state", Object.keys(run.state).length === 0 ? undefined : json(run.state)),
    ...fact("output", json(run.output)),
    ...(run.error === undefined ? [] : factLines("error", errorText(run.error), desk, "red")),
    ...fact("cancelled", requestText(run.cancel, desk)),
    ...fact("paused", requestText(run.pause, desk)),
    ...(run.stalled === undefined
      ? []
      : factLines("stalled", `${run.stalled.code}: ${plain(run.stalled.message)}`, desk, "red")),
    ...(run.uncompensated ?? []).flatMap(({ name, error }) =>
      factLines("not undone", `${plain(name)}: ${errorText(error)}`, desk, "red"),
    ),
    ...fact("continues", run.continuedTo && desk.next("show", run.continuedTo)),
    ...fact("cost", costText(run)),
    ...waitLines(run, operations, desk),
    ...goOnLines(run, desk).map((line) => `${" ".repeat(INDENT)}${terminal.paint("dim", line)}`),
  ];
}

/** Long values are cut to two lines. */
function factLines(label: string, text: string, { terminal }: Desk, style?: "red"): string[] {
  const width = terminal.width - INDENT - LABEL_WIDTH - 1;
  const [first, rest] = halved(text, width);
  const lead = `${" ".repeat(INDENT)}${terminal.paint("dim", pad(label, LABEL_WIDTH))} `;
  const under = " ".repeat(INDENT + LABEL_WIDTH + 1);
  return [
    lead + terminal.paint(style, first),
    ...(rest === "" ? [] : [under + terminal.paint(style, cut(rest, width))]),
  ];
}

function halved(text: string, width: number): [string, string] {
  if (widthOf(text) <= width) return [text, ""];
  const first = cut(text, width + 1).slice(0, -1);
  return [first, text.slice(first.length)];
}

export const errorText = ({ name, code, message, operation, attempts }: RunError): string => {
  const where = operation === undefined ? "" : ` in ${operation}`;
  const tries = attempts === undefined || attempts < 2 ? "" : ` after ${attempts} attempts`;
  return plain(`${name === code ? code : `${code}: ${name}`}${where}${tries}: ${message}`);
};

function startedText({ createdAt, startAt, startedAt, version, driver, dryRun }: Run, { now }: Desk): string {
  const begins =
    startAt !== undefined && startedAt === undefined ? `begins ${relative(startAt, now())}, ` : "";
  return [
    `${begins}${relative(createdAt, now())} (${createdAt})`,
    `version ${version}`,
    ...(driver === "code" ? [] : [driver]),
    ...(dryRun ? ["a dry run"] : []),
  ].join(", ");
}

const requestText = (request: Run["cancel"], { now }: Desk): string | undefined =>
  request &&
  [
    relative(request.at, now()),
    request.by && `by ${request.by}`,
    request.reason && `because ${request.reason}`,
  ]
    .filter((part) => part !== undefined && part !== "")
    .join(" ");

const costText = ({ cost }: Run): string => `${cost.writeUnits} write units, ${dollars(cost.usd)}`;

/** Each thing that it waits for, and the command that gives it. */
function waitLines(run: Run, operations: readonly OperationView[], desk: Desk): string[] {
  const { terminal, now, next } = desk;
  const childOf = (id: string) => operations.find((operation) => operation.id === id)?.childRunId;
  const lines = run.waitingFor.flatMap(({ operation, kind, name, until }) => {
    const ends = until === undefined ? "" : `, ends ${relative(until, now())}`;
    const commands = commandsFor({ kind, name, childRunId: childOf(operation) }, run, next);
    return [
      ...factLines("waits for", `${kind} ${plain(name)}${ends}`, desk),
      ...commands.map(
        (command) => `${" ".repeat(INDENT + LABEL_WIDTH + 1)}${terminal.paint("cyan", command)}`,
      ),
    ];
  });
  const wakes =
    run.wakeAt === undefined || isFinished(run) ? [] : factLines("wakes", relative(run.wakeAt, now()), desk);
  return [...lines, ...wakes];
}

function commandsFor(
  { kind, name, childRunId }: { kind: string; name: string; childRunId: string | undefined },
  { runId }: Run,
  next: Desk["next"],
): string[] {
  if (kind === "gate") return [next("approve", runId, name), next("reject", runId, name)];
  if (kind === "signal") return [next("signal", runId, name, "{}")];
  if (kind === "child" && childRunId !== undefined) return [next("show", childRunId)];
  return [];
}

/** What may be done with a run as it is. */
function goOnLines({ runId, status, stalled }: Run, { next }: Desk): string[] {
  if (status === "paused") return [`go on: ${next("resume", runId)}`];
  if (stalled !== undefined)
    return [`It goes on when code comes that agrees with its journal. Try again: ${next("redrive", runId)}`];
  if (["failed", "cancelled", "timedOut"].includes(status))
    return [`go on from there: ${next("redrive", runId)}`];
  return [];
}
