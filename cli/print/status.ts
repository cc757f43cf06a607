/** How a status looks: a sign and a colour, each telling it without the other. */
import type { OperationView, RunSummary } from "../../shared/client/index.ts";
import type { Style } from "./terminal.ts";

type Status = RunSummary["status"] | OperationView["status"];

const LOOKS: Record<Status, { sign: string; style: Style }> = {
  pending: { sign: "○", style: "dim" },
  running: { sign: "●", style: "cyan" },
  sleeping: { sign: "◌", style: "blue" },
  waiting: { sign: "◐", style: "magenta" },
  paused: { sign: "‖", style: "yellow" },
  completed: { sign: "✓", style: "green" },
  skipped: { sign: "↷", style: "dim" },
  failed: { sign: "✗", style: "red" },
  cancelled: { sign: "⊘", style: "yellow" },
  timedOut: { sign: "✗", style: "red" },
};

const unknown = { sign: "?", style: "dim" } as const;

/** A status that this version does not know is shown all the same. */
export const lookOf = (status: string): { sign: string; style: Style } =>
  Object.hasOwn(LOOKS, status) ? LOOKS[status as Status] : unknown;
