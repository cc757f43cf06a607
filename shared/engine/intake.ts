/**
 * The signals function's work: batches of the FIFO queue become entries.
 *
 * 1. All of a batch's signals for one run become one entry, in order, within the entry's byte budget.
 * 2. A message counts as taken only when its signal is in the journal, or never can be: the run is unknown or
 *    finished (J6).
 * 3. A message that fails takes all later ones of its run with it, so that order holds.
 * 4. Other services may send `{runId, signal, payload, signalId?}` themselves, within what an entry holds.
 */
import { StepfoldError } from "../core/errors.ts";
import type { SignalReceived } from "../core/events.ts";
import { checkName, digest, isRunId } from "../core/ids.ts";
import type { Json, Payload } from "../core/json.ts";
import { ENTRY_BYTES_MAX } from "../core/limits.ts";
import type { RunState } from "../core/state.ts";
import type { OutgoingMessage } from "../ports/queue.ts";
import { appendOutside } from "./outside.ts";
import type { Engine } from "./settings.ts";
import { ensureSuccessor } from "./start.ts";

interface SignalBody {
  runId: string;
  signalId: string;
  name: string;
  payload?: Payload;
}

export function signalMessage(signal: SignalBody): OutgoingMessage {
  return {
    runId: signal.runId,
    body: JSON.stringify(signal),
    group: signal.runId,
    id: digest("signal", signal.runId, signal.signalId),
  };
}

/** Takes one batch; answers the ids of the messages that must come again. */
export async function receiveSignals(
  engine: Engine,
  messages: { id: string; body: string }[],
): Promise<string[]> {
  const byRun = new Map<string, { id: string; bytes: number; signal: SignalBody }[]>();
  const failed: string[] = [];
  for (const { id, body } of messages) {
    const signal = parseSignal(id, body);
    if (signal === undefined) {
      engine.log.error("A message on the signals queue is no signal.", { id, body: body.slice(0, 200) });
      failed.push(id);
      continue;
    }
    const ofRun = byRun.get(signal.runId) ?? [];
    ofRun.push({ id, bytes: body.length, signal });
    byRun.set(signal.runId, ofRun);
  }
  await Promise.all(
    [...byRun].map(async ([runId, signals]) => failed.push(...(await receiveForRun(engine, runId, signals)))),
  );
  return failed;
}

async function receiveForRun(
  engine: Engine,
  runId: string,
  signals: { id: string; bytes: number; signal: SignalBody }[],
): Promise<string[]> {
  for (let from = 0; from < signals.length; ) {
    let bytes = 0;
    let to = from;
    while (to < signals.length && (to === from || bytes + signals[to]!.bytes <= ENTRY_BYTES_MAX))
      bytes += signals[to++]!.bytes;
    try {
      await appendSignals(
        engine,
        runId,
        signals.slice(from, to).map(({ signal }) => signal),
      );
    } catch (error) {
      if (error instanceof StepfoldError && (error.code === "RunNotFound" || error.code === "RunFinished")) {
        engine.log.warn("A signal came too late: its run is finished or gone.", { runId, code: error.code });
        return [];
      }
      engine.log.error("Signals could not be appended; they will come again.", {
        runId,
        error: String(error),
      });
      return signals.slice(from).map(({ id }) => id);
    }
    from = to;
  }
  return [];
}

/** The run goes on as another: its signals are for that one. */
class ContinuedAs extends Error {
  readonly runId: string;
  readonly from: RunState;
  /** Those that the run has not had itself. */
  readonly signals: SignalBody[];
  constructor(runId: string, from: RunState, signals: SignalBody[]) {
    super(`The run continues as ${runId}.`);
    this.runId = runId;
    this.from = from;
    this.signals = signals;
  }
}

async function appendSignals(engine: Engine, runId: string, signals: SignalBody[]): Promise<void> {
  try {
    await appendHere(engine, runId, signals);
  } catch (error) {
    if (!(error instanceof ContinuedAs)) throw error;
    await ensureSuccessor(engine, error.from);
    await appendSignals(engine, error.runId, error.signals);
  }
}

async function appendHere(engine: Engine, runId: string, signals: SignalBody[]): Promise<void> {
  await appendOutside(engine, runId, (state) => {
    const events = new Map<string, SignalReceived>();
    for (const { signalId, name, payload } of signals)
      if (!state.signals.has(signalId))
        events.set(signalId, {
          type: "SignalReceived",
          signalId,
          name,
          ...(payload === undefined ? {} : { payload }),
        });
    const news = signals.filter(({ signalId }) => events.has(signalId));
    if (state.continuedTo !== undefined && events.size > 0)
      throw new ContinuedAs(state.continuedTo, state, news);
    if (state.finished !== undefined && events.size > 0)
      throw new StepfoldError("RunFinished", `The run ${runId} is finished.`, { runId });
    // A wake for one that is there already might come and go before the new ones are.
    const last = [...events.keys()].at(-1) ?? signals.at(-1)!.signalId;
    return {
      events: [...events.values()],
      wake: state.finished === undefined ? `signal:${last}` : undefined,
    };
  });
}

function parseSignal(messageId: string, body: string): SignalBody | undefined {
  try {
    const message = JSON.parse(body) as Partial<SignalBody>;
    const whole =
      typeof message.runId === "string" &&
      typeof message.signalId === "string" &&
      typeof message.name === "string";
    return whole ? (message as SignalBody) : sentByOthers(messageId, message, body);
  } catch {
    return undefined;
  }
}

/** Throws `InvalidName`. */
function sentByOthers(messageId: string, message: object, body: string): SignalBody | undefined {
  const { runId, signal, signalId = messageId, payload } = message as { [field: string]: Json };
  const isSignal = typeof runId === "string" && isRunId(runId) && typeof signalId === "string";
  if (!isSignal || Buffer.byteLength(body) > ENTRY_BYTES_MAX) return undefined;
  const name = checkName(signal, "a signal's name");
  return { runId, signalId, name, ...(payload === undefined ? {} : { payload: { v: payload } }) };
}
