/** What a person sees of a host: log lines on stderr, and in a terminal a line for each run that starts or ends. */
import type { Log } from "../../shared/core/context.ts";
import type { RunEvent } from "../../shared/core/events.ts";
import { printable } from "../../shared/core/text.ts";
import type { JournalStore } from "../../shared/ports/journal.ts";

type Write = (line: string) => void;

/** One line each; debug lines are left out. */
export const lineLog = (write: Write): Log => ({
  debug() {},
  info: (message, data) => write(line("info", message, data)),
  warn: (message, data) => write(line("warn", message, data)),
  error: (message, data) => write(line("error", message, data)),
});

function line(level: string, message: string, data: object | undefined): string {
  const shown = data === undefined || Object.keys(data).length === 0 ? "" : ` ${textOf(data)}`;
  return printable(`${level} ${message}${shown}`);
}

function textOf(data: object): string {
  try {
    return JSON.stringify(data);
  } catch {
    return String(data);
  }
}

const ENDINGS: Partial<Record<RunEvent["type"], string>> = {
  RunCompleted: "completed",
  RunFailed: "failed",
  RunCancelled: "cancelled",
  RunTimedOut: "timedOut",
};

/** Writes a line whenever the journal stores a start or an end. */
export function announceRuns(journal: JournalStore, write: Write): void {
  const create = journal.create.bind(journal);
  const append = journal.append.bind(journal);
  journal.create = async (run) => {
    const result = await create(run);
    if (result.created) write(`${run.runId} started ${run.created.workflow}`);
    return result;
  };
  journal.append = async (key, entry, expiresAt) => {
    const result = await append(key, entry, expiresAt);
    if (result.stored) for (const event of entry.events) announceEnd(key.runId, event, write);
    return result;
  };
}

function announceEnd(runId: string, event: RunEvent, write: Write): void {
  const status = ENDINGS[event.type];
  if (status === undefined) return;
  const error =
    "error" in event && event.error !== undefined ? `: ${event.error.name}: ${event.error.message}` : "";
  write(`${runId} ${status}${error}`);
}
