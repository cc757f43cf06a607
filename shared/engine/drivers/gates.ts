/** Gates of driven runs: their owner opens them through the API; decisions come as for any other gate. */
import type { GateOpened } from "../../core/events.ts";
import type { Operation, RunState } from "../../core/state.ts";
import { appendOutside, refuseFinished } from "../outside.ts";
import { refuseStale, refuseWrongDriver } from "../refusals.ts";
import { type Conditions, isRepeated } from "../requests.ts";
import type { Engine } from "../settings.ts";
import { OUTSIDE_DRIVERS } from "./managed.ts";

/** `created`: whether it was not there from an earlier try of the same request. */
export async function openGate(
  engine: Engine,
  runId: string,
  gate: { name: string; prompt?: string; timeoutMs?: number } & Conditions,
): Promise<{ created: boolean; gate: Operation }> {
  const { name, prompt, timeoutMs, ifMatch, requestId } = gate;
  const dueAt = timeoutMs === undefined ? undefined : engine.clock.now() + timeoutMs;
  let operation = "";
  let created = false;
  const state = await appendOutside(engine, runId, (present) => {
    refuseWrongDriver(present, OUTSIDE_DRIVERS);
    const answers = present.driven!.answers;
    created = requestId === undefined || !isRepeated(runId, answers.keys(), requestId);
    operation = created ? freeId(present) : answers.get(requestId!)!;
    if (!created) return { events: [], wake: undefined };
    refuseFinished(present);
    refuseStale(present, ifMatch);
    const event: GateOpened = { type: "GateOpened", operation, name };
    if (prompt !== undefined) event.prompt = prompt;
    if (dueAt !== undefined) event.dueAt = dueAt;
    if (requestId !== undefined) event.requestId = requestId;
    return { events: [event], wake: undefined, ...(dueAt === undefined ? {} : { wakeAt: dueAt }) };
  });
  return { created, gate: state.operations.get(operation)! };
}

/** Another system may have given that name to a step of its own. */
function freeId({ operations, sequence }: RunState): string {
  let id = `g${sequence + 1}`;
  while (operations.has(id)) id += "'";
  return id;
}
