/**
 * Brings an execution to where its journal is, and refuses one that does otherwise than its journal says.
 *
 * A command in the journal must be the next one that the code issues: the same type, operation, name and target.
 * Anything else is `NonDeterminism`, with what was recorded and what was found.
 */
import { describe, isSameCommand, operationOf } from "./commands.ts";
import { StepfoldError } from "./errors.ts";
import type { Command, Delivery } from "./events.ts";
import type { Execution, Outcome } from "./execution.ts";
import type { Json, JsonObject, Payload } from "./json.ts";
import { turnedOf } from "./remote/driver.ts";
import type { Happening, RunState } from "./state.ts";

/** The code does otherwise than the journal. Its data: `operation`, `recorded`, `found`. */
export class NonDeterminism extends StepfoldError {
  constructor(operation: string, recorded: string, found: string) {
    super(
      "NonDeterminism",
      `The code no longer does what the journal says: at operation ${operation} the journal has ${recorded}, the code has ${found}. Put the old code back, or let new code keep what running runs have done.`,
      { operation, recorded, found },
    );
  }
}

export interface Hydrate {
  outcome(event: Delivery): Outcome | Promise<Outcome>;
  payload(payload: Payload | undefined): Promise<unknown>;
}

/** Goes through `state.history` from `from`, and answers how far it came (all of it). */
export async function replay(
  execution: Execution,
  state: RunState,
  hydrate: Hydrate,
  from = 0,
): Promise<number> {
  const { history } = state;
  for (let index = from; index < history.length; index++) {
    await replayOne(execution, history[index]!, hydrate, state);
    if (index % 256 === 255) await macrotask();
  }
  return history.length;
}

async function replayOne(
  execution: Execution,
  happening: Happening,
  hydrate: Hydrate,
  state: RunState,
): Promise<void> {
  const { event, now } = happening;
  switch (event.type) {
    case "LegStarted":
      if (!execution.started) await execution.start(now);
      return;
    case "UndoRequested":
      return execution.undo();
    case "StatePatched":
      return;
    case "RunRedriven":
      return execution.redriven(now);
    case "LateResultRecorded":
      if (event.error === undefined)
        execution.late(event.operation, (await hydrate.payload(event.output)) as Json | undefined);
      return;
    case "PatchDelivered":
      nothingIssued(execution, event.type);
      return execution.deliver(event, now, {
        value: await mergedState(state.patches.slice(0, event.count), hydrate),
      });
    case "TurnAnswered": {
      nothingIssued(execution, `${event.type} of ${event.operation}`);
      // The run's own output is kept once, with its end.
      const output = event.action === "complete" ? state.finished?.output : event.output;
      const turned = turnedOf(event, (await hydrate.payload(output)) as Json | undefined);
      return execution.deliver(event, now, { value: turned as unknown as Json });
    }
    case "StepCompleted":
    case "StepFailed":
    case "TimerFired":
    case "SignalDelivered":
    case "SignalTimedOut":
    case "ChildSettled":
    case "ItemKept":
    case "GateSettled":
    case "GateTimedOut":
    case "CallbackSettled":
    case "CallbackTimedOut":
    case "ConditionTimedOut":
    case "CancelDelivered":
    case "DeadlineReached":
    case "HistoryLimitReached":
      nothingIssued(execution, `${event.type} of ${"operation" in event ? event.operation : "the run"}`);
      return execution.deliver(event, now, await hydrate.outcome(event));
    default:
      return expectCommand(execution, event);
  }
}

/** Patches over one another, shallowly. */
export async function mergedState(
  patches: readonly Payload[],
  hydrate: Pick<Hydrate, "payload">,
): Promise<JsonObject> {
  let merged: JsonObject = {};
  for (const patch of patches)
    merged = {
      ...merged,
      ...("v" in patch ? (patch.v as JsonObject) : ((await hydrate.payload(patch)) as JsonObject)),
    };
  return merged;
}

function nothingIssued(execution: Execution, recorded: string): void {
  const found = execution.peek();
  if (found !== undefined)
    throw new NonDeterminism(operationOf(found), `nothing new before ${recorded}`, describe(found));
}

async function expectCommand(execution: Execution, recorded: Command): Promise<void> {
  // Code that awaits something of its own may be late by some turns of the event loop; code that has changed never comes.
  for (let turn = 0; execution.peek() === undefined && turn < 20; turn++) await macrotask();
  const found = execution.take();
  if (found === undefined) throw new NonDeterminism(operationOf(recorded), describe(recorded), "nothing");
  if (!isSameCommand(recorded, found))
    throw new NonDeterminism(operationOf(recorded), describe(recorded), describe(found));
}

const macrotask = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
