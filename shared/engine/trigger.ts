/**
 * The triggers function's work: what other AWS services send starts and signals runs.
 *
 * 1. A message is one of four: `{workflow, input, idempotencyKey?}` and `{runId, signal, payload, signalId?}`, as
 *    anybody may send them, also by a topic; `{trigger, event}`, as rules and schedules send them; a message of a topic
 *    or queue that a trigger was declared on, which is known by its source's ARN.
 * 2. Every source delivers at least once, so each start and signal has a key: the one it names, else the event's id.
 * 3. What is no such message, or lacks what its trigger takes from it, is `MalformedMessage`: it says what was
 *    expected and what came, and the message ends in the dead-letter queue. A signal for a run that is finished is
 *    logged and counts as taken; one for a run that is not there yet comes again.
 */
import { StepfoldError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { sendSignal } from "./control.ts";
import { FROM, mapped, shown, type Template, textOf } from "./mapping.ts";
import { fire, type Overlap } from "./schedule.ts";
import type { Engine } from "./settings.ts";
import { start } from "./start.ts";

/** What a declared trigger makes of an event. */
export interface Trigger {
  /** Unlike that of any other trigger of the deployment. */
  id: string;
  start?: { workflow: string; input?: Template; idempotencyKey?: Template };
  signal?: { name: string; runId: Template; payload?: Template; signalId?: Template };
  /** Of an event `{schedule, scheduledAt}`. */
  schedule?: { name: string; overlap: Overlap; workflow: string; input?: Template };
}

/** A topic or a queue, and the triggers that were declared on it. */
export interface TriggerSource {
  arn: string;
  triggers: Trigger[];
}

export interface TriggerMessage {
  body: string;
  /** Of the message: what tells it from others where nothing in it does. */
  id?: string;
  /** The queue that it came from. */
  queueArn?: string;
}

type Fields = { [key: string]: Json | undefined };

/** Takes one message. */
export async function trigger(
  engine: Engine,
  { body, id, queueArn }: TriggerMessage,
  sources: readonly TriggerSource[] = [],
): Promise<void> {
  const ofQueue = triggersOf(sources, queueArn);
  if (ofQueue !== undefined) return applyAll(engine, ofQueue, jsonOrText(body), id);
  const message = fieldsOf(body);
  if (message === undefined) throw malformed(body);
  const { trigger: declared, event } = message;
  if (isTrigger(declared) && event !== undefined)
    return apply(engine, declared, event, text(event as Fields, "id") ?? id);
  const ofTopic = triggersOf(sources, text(message, "TopicArn"));
  if (ofTopic !== undefined && typeof message["Message"] === "string")
    return applyAll(engine, ofTopic, jsonOrText(message["Message"]), text(message, "MessageId") ?? id);
  const told = message["TopicArn"] === undefined ? undefined : fieldsOf(String(message["Message"]));
  if (told !== undefined && isPlain(told)) return plain(engine, told, body, text(message, "MessageId") ?? id);
  return plain(engine, message, body, id);
}

const isPlain = ({ workflow, runId, signal }: Fields): boolean =>
  typeof workflow === "string" || (typeof runId === "string" && typeof signal === "string");

const triggersOf = (sources: readonly TriggerSource[], arn: string | undefined): Trigger[] | undefined =>
  arn === undefined ? undefined : sources.find((source) => source.arn === arn)?.triggers;

async function applyAll(engine: Engine, triggers: Trigger[], event: Json, id: string | undefined) {
  for (const declared of triggers) await apply(engine, declared, event, id);
}

async function apply(engine: Engine, declared: Trigger, event: Json, eventId: string | undefined) {
  const { id, start: starts, signal, schedule } = declared;
  const ownKey = eventId === undefined ? undefined : `${id} ${eventId}`;
  const keyOf = (template: Template | undefined, what: string) =>
    template === undefined ? ownKey : textOf(template, event, what);
  if (starts !== undefined)
    await begin(engine, {
      workflow: starts.workflow,
      input: starts.input === undefined ? undefined : mapped(starts.input, event),
      idempotencyKey: keyOf(starts.idempotencyKey, `the idempotency key of trigger ${id}`),
      trigger: id,
    });
  if (signal !== undefined)
    await deliver(engine, {
      runId: textOf(signal.runId, event, `the run id of trigger ${id}`),
      name: signal.name,
      payload: signal.payload === undefined ? undefined : mapped(signal.payload, event),
      signalId: keyOf(signal.signalId, `the signal's id of trigger ${id}`),
    });
  if (schedule !== undefined)
    await fire(engine, {
      schedule: schedule.name,
      overlap: schedule.overlap,
      workflow: schedule.workflow,
      input: schedule.input === undefined ? undefined : mapped(schedule.input, event),
      at: timeOf(event, id),
    });
}

function timeOf(event: Json, id: string): number {
  const scheduledAt = textOf({ [FROM]: "$.scheduledAt" }, event, `the time of ${id}`);
  const at = Date.parse(scheduledAt);
  if (!Number.isNaN(at)) return at;
  throw new StepfoldError(
    "MalformedMessage",
    `Expected the time of ${id} to be an ISO 8601 time, got ${JSON.stringify(scheduledAt)}.`,
  );
}

function plain(engine: Engine, message: Fields, body: string, id: string | undefined): Promise<void> {
  const { workflow, runId, signal, input, payload } = message;
  if (typeof workflow === "string")
    return begin(engine, {
      workflow,
      input,
      idempotencyKey: text(message, "idempotencyKey") ?? id,
      trigger: text(message, "trigger"),
    });
  if (typeof runId === "string" && typeof signal === "string")
    return deliver(engine, { runId, name: signal, payload, signalId: text(message, "signalId") ?? id });
  throw malformed(body);
}

interface Start {
  workflow: string;
  input: Json | undefined;
  idempotencyKey: string | undefined;
  trigger: string | undefined;
}

const begin = async (engine: Engine, request: Start): Promise<void> => void (await start(engine, request));

interface Delivery {
  runId: string;
  name: string;
  payload: Json | undefined;
  signalId: string | undefined;
}

async function deliver(engine: Engine, signal: Delivery): Promise<void> {
  try {
    await sendSignal(engine, signal);
  } catch (error) {
    if (!(error instanceof StepfoldError) || error.code !== "RunFinished") throw error;
    const { runId, name } = signal;
    engine.log.warn("A signal came too late: its run is finished.", { runId, signal: name });
  }
}

function fieldsOf(body: string): Fields | undefined {
  try {
    const message = JSON.parse(body) as unknown;
    return typeof message === "object" && message !== null ? (message as Fields) : undefined;
  } catch {
    return undefined;
  }
}

function jsonOrText(body: string): Json {
  try {
    return JSON.parse(body) as Json;
  } catch {
    return body;
  }
}

const isTrigger = (value: unknown): value is Trigger =>
  typeof value === "object" &&
  value !== null &&
  typeof (value as Trigger).id === "string" &&
  ("start" in value || "signal" in value || "schedule" in value);

function text(message: Fields, key: string): string | undefined {
  const value = message?.[key];
  if (value === undefined || typeof value === "string") return value;
  throw new StepfoldError(
    "MalformedMessage",
    `Expected ${key} of a trigger to be a text, got ${shown(value)}.`,
  );
}

const malformed = (body: string): StepfoldError =>
  new StepfoldError(
    "MalformedMessage",
    `Expected a trigger {workflow, input, idempotencyKey?} or {runId, signal, payload, signalId?}, got ${JSON.stringify(body.slice(0, 300))}.`,
  );
