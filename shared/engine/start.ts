/**
 * Starting runs: by the API, by triggers, by parents.
 *
 * 1. The wake goes first (J8), then the header, which is event 0 (J1).
 * 2. A run id makes a start idempotent: the same request answers the first run, another is `IdempotencyConflict`.
 */

import { isDriven } from "../core/driven.ts";
import { durationMs } from "../core/duration.ts";
import { StepfoldError } from "../core/errors.ts";
import type { MapNode, RunContinued, RunCreated, SignalReceived } from "../core/events.ts";
import { fold } from "../core/fold.ts";
import { checkName, isRunId, runIdOfKey, sha256 } from "../core/ids.ts";
import { canonicalJson, type Json, type JsonObject, toJson } from "../core/json.ts";
import { BLOB_WORTH_BYTES, CARRIED_BYTES_MAX, RETENTION_MS } from "../core/limits.ts";
import { validate } from "../core/schema.ts";
import type { RunState } from "../core/state.ts";
import type { AnyWorkflow } from "../core/workflow.ts";
import type { RunKey } from "../ports/journal.ts";
import { sendSignal } from "./control.ts";
import { dueAtFirst } from "./drivers/header.ts";
import { blobOf, loadRun, ownPayload, payloadOf, readPayload } from "./load.ts";
import { expiryFrom } from "./outside.ts";
import type { Engine } from "./settings.ts";
import { createdWake, sendWake, type Wake, wakeIfLate, wakeOf } from "./wake.ts";

export interface StartRequest {
  workflow: string;
  /** Who advances it, where that is not the workflow's code: its name may then be any. */
  driver?: "managed" | "mirrored";
  input?: Json;
  /** Acts as an idempotency key. */
  runId?: string;
  idempotencyKey?: string;
  version?: number;
  owner?: string;
  tags?: Record<string, string>;
  goal?: string;
  origin?: string;
  trigger?: string;
  dryRun?: boolean;
  timeoutMs?: number;
  /** Epoch ms. */
  startAt?: number;
  state?: JsonObject;
  step?: string;
  externalParentId?: string;
  definition?: Json;
  parent?: { runId: string; operation: string };
  signal?: { name: string; payload?: Json; signalId?: string };
  /** A run of a map's tree. */
  node?: MapNode;
  /** It is to end as soon as it begins. */
  cancel?: RunCreated["cancel"];
}

/** Starts a run, or answers the one that the same request has started. `definition` is one of the engine's own. */
export async function start(
  engine: Engine,
  request: StartRequest,
  definition: Definition = request.driver === undefined
    ? definitionOf(engine, request)
    : undefinedWorkflow(request),
): Promise<{ created: boolean; state: RunState }> {
  const input = await checkedInput(definition, request.input);
  const runId = runIdOf(engine, request);
  const requestHash = sha256(
    canonicalJson({
      ...request,
      signal: undefined,
      idempotencyKey: undefined,
      cancel: undefined,
      input,
    } as unknown as Json),
  );
  const started = await create(engine, runId, requestHash, definition, { ...request, input });
  if (request.signal !== undefined)
    await sendSignal(engine, { runId, ...request.signal, afterStart: !started.created });
  return started;
}

function definitionOf(engine: Engine, request: StartRequest): AnyWorkflow {
  checkName(request.workflow, "a workflow's name");
  const definition = engine.registry.find(request.workflow, request.version);
  if (definition !== undefined && !engine.registry.isOwn(definition)) return definition;
  const known = engine.registry.names();
  const version = request.version === undefined ? "" : ` of version ${request.version}`;
  throw new StepfoldError(
    "WorkflowNotFound",
    `There is no workflow ${JSON.stringify(request.workflow)}${version}. Known: ${known.length === 0 ? "none" : known.join(", ")}.`,
    { workflow: request.workflow },
  );
}

type Definition = Pick<AnyWorkflow, "name" | "version" | "driver" | "options" | "definitionHash">;

/** Of a run that no code advances. */
const undefinedWorkflow = ({ workflow, version }: StartRequest): Definition => ({
  name: checkName(workflow, "a workflow's name"),
  version: version ?? 1,
  options: {},
});

async function checkedInput(definition: Definition, input: Json | undefined): Promise<Json | undefined> {
  if (definition.options.input === undefined) return input;
  const what = `the input of workflow ${JSON.stringify(definition.name)}`;
  return toJson(await validate(definition.options.input, input, what), what);
}

function runIdOf(engine: Engine, request: StartRequest): string {
  if (request.runId === undefined)
    return request.idempotencyKey === undefined
      ? engine.clock.id()
      : runIdOfKey(request.workflow, request.idempotencyKey, keyScope(engine, request));
  if (!isRunId(request.runId))
    throw new StepfoldError(
      "InvalidInput",
      `Expected a runId of 1–128 characters of A–Z a–z 0–9 . _ : ~ - that is no part of the API's own paths, got ${JSON.stringify(request.runId.slice(0, 200))}.`,
      { issues: [{ path: "runId", message: "cannot be a run's id" }] },
    );
  return request.runId;
}

/** Isolated owners' keys do not meet: one cannot learn of, or take, what another has used. */
const keyScope = ({ settings }: Engine, { owner }: StartRequest): string | undefined =>
  settings.isolation === undefined ? undefined : owner;

/** Puts a new run, with its wake before it; of two that put the same id, one is told `created`. */
export async function create(
  engine: Engine,
  runId: string,
  requestHash: string,
  definition: Definition,
  request: StartRequest,
): Promise<{ created: boolean; state: RunState }> {
  const now = engine.clock.now();
  const inc = engine.clock.id();
  const key = { runId, inc };
  const created = await eventOf(engine, key, definition, request, now);
  const expiresAt = expiryFrom(Math.max(now, request.startAt ?? now), retentionOf(definition));
  const wake = firstWake(key, created, now);
  if (wake !== undefined) await sendWake(engine, wake);
  const nonce = engine.clock.id();
  const result = await engine.journal.create({
    ...key,
    created,
    createdAt: now,
    requestHash,
    nonce,
    ...(request.driver === "mirrored" ? { status: "running" as const } : {}),
    ...(created.cancel === undefined ? {} : { cancelRequested: true }),
    dueAt: dueAtFirst(engine, created, now, expiresAt),
    expiresAt,
  });
  if (result.created || result.own) {
    // The fold counts the creation, for whichever process reads it.
    engine.meter.drain(runId);
    if (wake !== undefined) await wakeIfLate(engine, wake);
    const entry = { sequence: 0, at: now, generation: 0, nonce, events: [created] };
    return { created: true, state: fold(key, [entry]) };
  }
  return { created: false, state: await first(engine, runId, requestHash, result.existing.requestHash) };
}

/** What brings a new run to its first leg. A driven run has none: only its deadline is the engine's matter. */
function firstWake(key: RunKey, created: RunCreated, now: number): Wake | undefined {
  const { startAt, deadline } = created;
  const run = { ...key, created };
  if (!isDriven(created)) return createdWake(run, Math.max(now, startAt ?? now), startAt);
  return deadline === undefined ? undefined : wakeOf(run, { at: deadline });
}

/** Whoever has something for the successor cannot wait until the run that it continues has come to start it. */
export async function ensureSuccessor(engine: Engine, state: RunState): Promise<void> {
  const effect = state.effects.get("successor");
  if (effect?.kind !== "startSuccessor") return;
  const header = await engine.journal.header(effect.continued.nextRunId, { consistent: true });
  if (header === undefined) await startSuccessor(engine, state, effect.continued);
}

/** Starts the run that a finished one continues as: like it, but for its input, and with what reached the finished one
 * too late. Nothing more can reach that, so each try starts the same. */
export async function startSuccessor(
  engine: Engine,
  state: RunState,
  continued: RunContinued,
): Promise<void> {
  const { created } = state;
  const definition = engine.registry.find(created.workflow);
  if (definition === undefined)
    throw new StepfoldError(
      "WorkflowNotFound",
      `There is no workflow ${JSON.stringify(created.workflow)} for run ${state.runId} to continue as.`,
    );
  const now = engine.clock.now();
  const key = { runId: continued.nextRunId, inc: engine.clock.id() };
  const signals = await carried(engine, key, state);
  const input = await readPayload(engine, continued.input);
  const request: StartRequest = { workflow: created.workflow, runId: key.runId, cancel: undelivered(state) };
  for (const name of [
    "owner",
    "tags",
    "goal",
    "origin",
    "trigger",
    "dryRun",
    "externalParentId",
    "parent",
  ] as const)
    if (created[name] !== undefined) Object.assign(request, { [name]: created[name] });
  const event = await eventOf(
    engine,
    key,
    definition,
    input === undefined ? request : { ...request, input },
    now,
  );
  Object.assign(event, {
    continuedFrom: state.runId,
    firstRunId: created.firstRunId ?? state.runId,
    ...(signals.length > 0 ? { signals } : {}),
  });
  const wake = createdWake({ ...key, created: event }, now);
  await sendWake(engine, wake);
  const result = await engine.journal.create({
    ...key,
    created: event,
    createdAt: now,
    requestHash: sha256(canonicalJson(["continued", state.runId])),
    nonce: engine.clock.id(),
    ...(event.cancel === undefined ? {} : { cancelRequested: true }),
    dueAt: now + engine.settings.sweepAfterMs,
    expiresAt: expiryFrom(now, retentionOf(definition)),
  });
  if (result.created || result.own) return wakeIfLate(engine, wake);
  // It is there from an earlier try, whose wake may have been lost with its sender.
  if (result.existing.status === "pending") await sendWake(engine, wakeOf(result.existing));
}

/** The request to cancel that a run's code was never told of. */
function undelivered({ cancel }: RunState): RunCreated["cancel"] {
  if (cancel === undefined || cancel.delivered) return undefined;
  const { reason, by } = cancel;
  return { ...(reason === undefined ? {} : { reason }), ...(by === undefined ? {} : { by }) };
}

/** The signals that a run has not taken, as its successor's own. What is too much for one entry goes into blobs. */
async function carried(engine: Engine, key: RunKey, state: RunState): Promise<SignalReceived[]> {
  const signals: SignalReceived[] = [];
  let inlineBytes = 0;
  for (const id of state.buffered) {
    const { signalId, name, payload } = state.signals.get(id)!;
    const signal: SignalReceived = { type: "SignalReceived", signalId, name };
    signals.push(signal);
    if (payload === undefined) continue;
    signal.payload = await ownPayload(engine, key, payload);
    if ("b" in signal.payload) continue;
    const text = JSON.stringify(signal.payload.v);
    const bytes = Buffer.byteLength(text);
    if (bytes < BLOB_WORTH_BYTES || inlineBytes + bytes <= CARRIED_BYTES_MAX) inlineBytes += bytes;
    else signal.payload = await blobOf(engine, key, text);
  }
  return signals;
}

const retentionOf = ({ options: { retention } }: Definition): number =>
  retention === undefined ? RETENTION_MS : durationMs(retention);

async function first(
  engine: Engine,
  runId: string,
  requestHash: string,
  existingHash: string,
): Promise<RunState> {
  if (existingHash !== requestHash)
    throw new StepfoldError(
      "IdempotencyConflict",
      `The run ${runId} was started by another request: the same key or runId needs the same request.`,
      { runId },
    );
  const run = await loadRun(engine, runId, { consistent: true });
  if (run === undefined)
    throw new StepfoldError("RunNotFound", `The run ${runId} was removed just now.`, { runId });
  // The first starter's wake may have been lost with it: a repeated request sends it again (J8).
  if (run.state.phase === "created")
    await sendWake(engine, wakeOf(run.state, { at: run.state.created.startAt }));
  return run.state;
}

async function eventOf(
  engine: Engine,
  key: { runId: string; inc: string },
  definition: Definition,
  request: StartRequest,
  now: number,
): Promise<RunCreated> {
  const { input, state, definition: snapshot } = request;
  const timeoutMs =
    request.timeoutMs ??
    // A node's time is its parent's.
    (definition.options.timeout === undefined || request.node !== undefined
      ? undefined
      : durationMs(definition.options.timeout));
  const payload = async (value: Json | undefined) =>
    value === undefined ? undefined : payloadOf(engine, key, value, JSON.stringify(value));
  const event: RunCreated = {
    type: "RunCreated",
    workflow: definition.name,
    version: definition.version,
    driver: request.driver ?? definition.driver ?? "code",
    group: engine.registry.groupOf(definition),
    input: await payload(input),
    state: await payload(state),
    definition: await payload(snapshot),
    startAt: request.startAt,
    deadline: timeoutMs === undefined ? undefined : (request.startAt ?? now) + timeoutMs,
    owner: request.owner,
    tags: request.tags,
    goal: request.goal,
    origin: request.origin,
    trigger: request.trigger,
    dryRun: request.dryRun,
    step: request.step,
    externalParentId: request.externalParentId,
    parent: request.parent,
    node: request.node,
    cancel: request.cancel,
    definitionHash: definition.definitionHash,
  };
  for (const name of Object.keys(event) as (keyof RunCreated)[])
    if (event[name] === undefined) delete event[name];
  return event;
}
