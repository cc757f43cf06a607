/**
 * The triggers function's work: other AWS services start and signal runs by plain messages.
 * `{workflow, input, idempotencyKey?}` starts; `{runId, signal, payload, signalId?}` signals.
 */
import { StepfoldError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { sendSignal } from "./control.ts";
import type { Engine } from "./settings.ts";
import { start } from "./start.ts";

/** Takes one message. `messageId` makes a redelivered one idempotent where it names no key of its own. */
export async function trigger(engine: Engine, body: string, messageId?: string): Promise<void> {
  const message = parsed(body);
  if (typeof message["workflow"] === "string") {
    const idempotencyKey = text(message, "idempotencyKey") ?? messageId;
    await start(engine, {
      workflow: message["workflow"],
      input: message["input"],
      idempotencyKey,
      trigger: text(message, "trigger"),
    });
    return;
  }
  if (typeof message["runId"] === "string" && typeof message["signal"] === "string") {
    await sendSignal(engine, {
      runId: message["runId"],
      name: message["signal"],
      payload: message["payload"],
      signalId: text(message, "signalId") ?? messageId,
    });
    return;
  }
  throw malformed(body);
}

function parsed(body: string): Record<string, Json | undefined> {
  try {
    const message = JSON.parse(body) as unknown;
    if (typeof message === "object" && message !== null) return message as Record<string, Json | undefined>;
  } catch {
    throw malformed(body);
  }
  throw malformed(body);
}

function text(message: Record<string, Json | undefined>, key: string): string | undefined {
  const value = message[key];
  if (value === undefined || typeof value === "string") return value;
  throw new StepfoldError(
    "MalformedMessage",
    `Expected ${key} of a trigger to be a text, got ${JSON.stringify(value)}.`,
  );
}

const malformed = (body: string): StepfoldError =>
  new StepfoldError(
    "MalformedMessage",
    `Expected a trigger {workflow, input, idempotencyKey?} or {runId, signal, payload, signalId?}, got ${JSON.stringify(body.slice(0, 200))}.`,
  );
