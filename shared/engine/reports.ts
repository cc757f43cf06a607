/**
 * What a finished run tells its parent: its end as an event of the parent's journal, with an output that is the
 * parent's own.
 */
import type { ChildFinished } from "../core/events.ts";
import type { Payload } from "../core/json.ts";
import { failedItemsOf } from "../core/nodes.ts";
import type { RunState } from "../core/state.ts";
import { ownPayload } from "./load.ts";
import type { Engine } from "./settings.ts";

export async function endOf(
  engine: Engine,
  state: RunState,
  parentRunId: string,
  operation: string,
): Promise<ChildFinished> {
  const { status, output, error } = state.finished!;
  const end: ChildFinished = {
    type: "ChildFinished",
    childRunId: state.created.firstRunId ?? state.runId,
    operation,
    status,
  };
  if (output !== undefined) end.output = await adopted(engine, parentRunId, output);
  if (status !== "completed") end.error = childError(state, status, error);
  const failedItems = failedItemsOf(state);
  if (failedItems > 0) end.failedItems = failedItems;
  return end;
}

/** A child's rows and blobs may expire before its parent's. */
async function adopted(engine: Engine, parentRunId: string, output: Payload): Promise<Payload> {
  if ("v" in output) return output;
  const parent = await engine.journal.header(parentRunId, { consistent: true });
  return parent === undefined ? output : ownPayload(engine, parent, output);
}

function childError(state: RunState, status: string, error: ChildFinished["error"]): ChildFinished["error"] {
  const code = status === "cancelled" ? "ChildCancelled" : "ChildFailed";
  const message = `The child run ${state.runId} (${state.created.workflow}) is ${status}${error === undefined ? "." : `: ${error.message}`}`;
  return { code, name: code, message, ...(error === undefined ? {} : { cause: error }) };
}
