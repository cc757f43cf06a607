/**
 * Golden journals: what a run's journal looked like when it was recorded. New code must write the same, and must
 * replay the old one for ever, because runs that began under old code end under new code.
 *
 * 1. A golden journal is kept as it was, but for what `scrub` replaces: texts that differ from machine to machine.
 * 2. Two journals are compared by what happened and what the code asked for: not by ids, times of day, the delays
 *    that chance decides, nor by how the engine cut it all into entries and legs.
 * 3. A replay feeds the recorded events to the function, which must issue every recorded command, in order, and
 *    after the last of them end as the journal does. It runs no step.
 */
import { StepfoldError } from "../core/errors.ts";
import type { Delivery, Ending, Entry, EventType } from "../core/events.ts";
import { Execution, type Outcome } from "../core/execution.ts";
import { fold } from "../core/fold.ts";
import { childRunId, idempotencyKeyOf, successorRunId } from "../core/ids.ts";
import { canonicalJson, type Json, type JsonObject, type Payload } from "../core/json.ts";
import { LEG_MS } from "../core/limits.ts";
import { isLeaf } from "../core/maps.ts";
import { mergedState, replay } from "../core/replay.ts";
import type { RunState } from "../core/state.ts";
import type { AnyWorkflow } from "../core/workflow.ts";
import { recordedIn } from "../engine/executions.ts";
import { entriesOf, readPayload } from "../engine/load.ts";
import type { Ports } from "../engine/parts.ts";
import { loaded } from "./inspect.ts";

export interface GoldenJournal {
  workflow: string;
  version: number;
  runId: string;
  inc: string;
  entries: Entry[];
  /** The payloads that were too large for the journal, by their key. */
  blobs: Record<string, Json>;
  /** Of a run that works on another's map: that run's, from which its items come. */
  mapper?: GoldenJournal;
}

/** The run's journal, fit to be kept. `scrub` maps texts to what stands for them. */
export async function recordJournal(
  host: { ports: Ports },
  runId: string,
  scrub: Record<string, string> = {},
): Promise<GoldenJournal> {
  const { header } = await loaded(host.ports, runId);
  const entries: Entry[] = [];
  for await (const entry of entriesOf(host.ports, runId)) entries.push(entry);
  const blobs: Record<string, Json> = {};
  for (const payload of payloadsOf(entries))
    if ("b" in payload) blobs[payload.b.key] = (await readPayload(host.ports, payload)) as Json;
  const { workflow, version } = header.created;
  const { node, parent } = header.created;
  const mapper =
    node === undefined ? {} : { mapper: await recordJournal(host, node.mapper ?? parent!.runId) };
  let text = JSON.stringify({ workflow, version, runId, inc: header.inc, entries, blobs, ...mapper });
  for (const [found, replacement] of Object.entries(scrub))
    text = text.replaceAll(inJson(found), inJson(replacement));
  return JSON.parse(text) as GoldenJournal;
}

/** What happened to the run, and what its code asked for: equal for runs that went the same way. */
export function normalised(golden: GoldenJournal): Json {
  const events = golden.entries.flatMap(({ at, seen, events }) =>
    events
      .filter(({ type }) => !LEG.has(type))
      .map((event) => relative(event as unknown as JsonObject, seen ?? at)),
  );
  let text = JSON.stringify({ workflow: golden.workflow, version: golden.version, events });
  for (const [id, placeholder] of idsOf(golden)) text = text.replaceAll(inJson(id), placeholder);
  return JSON.parse(text) as Json;
}

/** Replays the journal with the code of today. Throws `NonDeterminism` where that does otherwise. */
export async function replayJournal(definition: AnyWorkflow, golden: GoldenJournal): Promise<void> {
  const { execution, state, value } = await replayed(definition, golden);
  await checkEnd(execution, state, { entries: golden.entries, value });
}

interface Replayed {
  execution: Execution;
  state: RunState;
  value(of: Payload | undefined): Promise<Json | undefined>;
}

async function replayed(definition: AnyWorkflow, golden: GoldenJournal): Promise<Replayed> {
  const state = fold(golden, golden.entries);
  const payload = async (of: Payload | undefined): Promise<Json | undefined> =>
    of === undefined || "v" in of ? of?.v : golden.blobs[of.b.key];
  const execution = new Execution(definition, {
    runId: golden.runId,
    inc: golden.inc,
    dryRun: state.created.dryRun ?? false,
    input: await payload(state.created.input),
    state: await mergedState(state.created.state === undefined ? [] : [state.created.state], { payload }),
    markers: state.markers,
    legMs: LEG_MS,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    ...recordedIn({ state }),
    ...(await nodeIn(definition, golden, state)),
  });
  const outcome = async (event: Delivery): Promise<Outcome> => {
    const operation = "operation" in event ? state.operations.get(event.operation) : undefined;
    if (operation?.error !== undefined) return { error: operation.error };
    const output = await payload(operation?.output);
    return output === undefined ? {} : { value: output };
  };
  await replay(execution, state, { outcome, payload });
  return { execution, state, value: payload };
}

async function nodeIn(definition: AnyWorkflow, golden: GoldenJournal, { created: { node } }: RunState) {
  if (node === undefined) return {};
  const mapper = await replayed(definition, golden.mapper!);
  return { node: { node, site: isLeaf(node) ? mapper.execution.sites.get(node.operation) : undefined } };
}

type Value = (of: Payload | undefined) => Promise<Json | undefined>;

async function checkEnd(
  execution: Execution,
  state: RunState,
  { entries, value }: { entries: readonly Entry[]; value: Value },
): Promise<void> {
  const command = execution.take();
  if (state.finished === undefined) {
    if (command === undefined) return;
    throw otherEnd(state, "nothing more", command.type);
  }
  const recorded = entries
    .flatMap(({ events }) => events)
    .findLast((event): event is Ending => ENDINGS.has(event.type));
  const found = command !== undefined && ENDINGS.has(command.type) ? (command as Ending) : undefined;
  const [expected, got] = [await endText(recorded, value), await endText(found, value)];
  if (expected === got) return;
  throw otherEnd(state, expected, found === undefined ? (command?.type ?? "nothing") : got);
}

const ENDINGS = new Set<EventType>([
  "RunCompleted",
  "RunFailed",
  "RunCancelled",
  "RunTimedOut",
  "RunContinued",
]);

/** An ending with its payload read. */
async function endText(ending: Ending | undefined, value: Value): Promise<string> {
  const payloads = {
    ...(ending?.type === "RunCompleted" ? { output: await value(ending.output) } : {}),
    ...(ending?.type === "RunContinued" ? { input: await value(ending.input) } : {}),
  };
  return canonicalJson(JSON.parse(JSON.stringify({ ...ending, ...payloads })) as Json);
}

const otherEnd = (state: RunState, expected: string, found: string): StepfoldError =>
  new StepfoldError(
    "NonDeterminism",
    `Expected run ${state.runId} of workflow ${JSON.stringify(state.created.workflow)} to end with ${expected}, got ${found}.`,
  );

/** Every id that is drawn or derived, and what stands for it. */
function idsOf(golden: GoldenJournal): [string, string][] {
  const { inc, runId } = golden;
  const ids = new Map<string, string>();
  const note = (id: string, kind: string): void => void (ids.has(id) || ids.set(id, `<${kind}-${ids.size}>`));
  const redrives = golden.entries
    .flatMap(({ events }) => events)
    .filter(({ type }) => type === "RunRedriven").length;
  note(runId, "run");
  note(inc, "inc");
  note(successorRunId(inc), "next");
  for (const event of golden.entries.flatMap(({ events }) => events)) {
    if ("operation" in event && event.operation !== undefined) {
      for (let undone = 0; undone <= redrives; undone++)
        note(idempotencyKeyOf(inc, event.operation, undone), "key");
      note(childRunId(inc, event.operation, 0), "child");
    }
    if (event.type === "RunCreated") {
      const { continuedFrom, firstRunId, parent, node, signals = [] } = event;
      for (const relative of [continuedFrom, firstRunId, parent?.runId, node?.inc])
        if (relative !== undefined) note(relative, "relative");
      for (const { signalId } of signals) note(signalId, "signal");
    }
    if (event.type === "ChildStarted") note(event.childRunId, "child");
    if ("signalId" in event) note(event.signalId, "signal");
    if ("requestId" in event && event.requestId !== undefined) note(event.requestId, "request");
  }
  return [...ids].sort(([left], [right]) => right.length - left.length);
}

const LEG = new Set<EventType>(["LegStarted", "LegParked", "RunStalled", "EffectsDone"]);

/** The event with its times counted from its own, without what chance decided, and with blobs by their content. */
function relative(event: JsonObject, at: number): JsonObject {
  const fields = Object.entries(event).map(([name, value]): [string, Json] => {
    if (name === "nextAttemptAt" || name === "lostMs") return [name, "later"];
    if (["dueAt", "startAt", "deadline"].includes(name) && typeof value === "number")
      return [name, value - at];
    const blob = isObject(value) ? value.b : undefined;
    return [name, isObject(blob) ? { b: { bytes: blob.bytes ?? null, sha256: blob.sha256 ?? null } } : value];
  });
  return Object.fromEntries(fields);
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function payloadsOf(entries: readonly Entry[]): Payload[] {
  const fields = entries.flatMap(({ events }) =>
    events.flatMap((event) => Object.values(event) as unknown[]),
  );
  return fields.filter(
    (field): field is Payload => typeof field === "object" && field !== null && "b" in field,
  );
}

/** A text as it stands within a JSON text. */
const inJson = (text: string): string => JSON.stringify(text).slice(1, -1);
