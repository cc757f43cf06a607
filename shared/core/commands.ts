/** What the code asks for: which of a journal's events are commands, and when two are the same. */
import type { BranchesStarted, Command } from "./events.ts";

/** Whether the code asks for what the journal has. What a command carries besides may differ. */
export function isSameCommand(recorded: Command, found: Command): boolean {
  if (recorded.type !== found.type) return false;
  if ("operation" in recorded && recorded.operation !== (found as { operation: string }).operation)
    return false;
  if ("name" in recorded && recorded.name !== (found as { name: string }).name) return false;
  if (recorded.type === "BranchesStarted" && found.type === "BranchesStarted")
    return (
      recorded.kind === found.kind &&
      recorded.branches.join("\n") === found.branches.join("\n") &&
      recorded.tree?.digest === found.tree?.digest
    );
  if (recorded.type === "ChildStarted" && found.type === "ChildStarted")
    return recorded.workflow === found.workflow && (recorded.node?.to ?? 0) === (found.node?.to ?? 0);
  return true;
}

export const isCommand = (event: { readonly type: string }): event is Command => event.type in KIND_OF;

export const operationOf = (command: Command): string =>
  "operation" in command ? command.operation : "the run";

/** Every command, by what it is called in messages. */
const KIND_OF: Record<Command["type"], string> = {
  StepStarted: "step",
  TurnStarted: "turn",
  TimerStarted: "timer",
  SignalAwaited: "signal",
  ChildStarted: "child",
  GateOpened: "gate",
  CallbackCreated: "callback",
  ConditionStarted: "condition",
  CompensationStarted: "compensation",
  PatchMarked: "version gate",
  RunContinued: "the run's continuation",
  BranchesStarted: "fork",
  BranchesSettled: "the end of fork",
  ItemStarted: "item",
  ItemSettled: "the end of item",
  OperationCancelled: "the cancelling of",
  StateSet: "setState",
  RunCompleted: "the run's completion",
  RunFailed: "the run's failure",
  RunCancelled: "the run's cancellation",
  RunTimedOut: "the run's time-out",
};

/** For those who read what went wrong. */
export function describe(command: Command): string {
  const kind = command.type === "BranchesStarted" ? forkOf(command) : KIND_OF[command.type];
  if ("name" in command) return `${kind} ${JSON.stringify(command.name)}`;
  return "operation" in command ? `${kind} ${command.operation}` : kind;
}

/** Items that differ on replay were not made of the run's input and the results of its operations alone. */
const forkOf = ({ kind, tree }: BranchesStarted): string =>
  tree === undefined ? kind : `${kind} of ${tree.count} items (${tree.digest.slice(0, 8)})`;
