/**
 * What each workflow must come to, told from its input and from what reached it from outside: independent of the
 * engine, of how often its processes died, and of who ran it.
 */
import type { RunError } from "../../shared/core/errors.ts";
import type { EventType, FinishedStatus, RunCreated, RunEvent } from "../../shared/core/events.ts";
import { canonicalJson, type Json, type JsonObject } from "../../shared/core/json.ts";

export interface Ended {
  runId: string;
  created: RunCreated;
  input: Json | undefined;
  status: FinishedStatus;
  output: Json | undefined;
  error: RunError | undefined;
  events: (RunEvent & { at: number })[];
}

/** What is wrong with it, if anything is. */
export type Model = (ended: Ended) => string | undefined;

export const completes =
  (expected: (ended: Ended) => Json): Model =>
  (ended) =>
    ended.status !== "completed"
      ? `Expected it to complete, got ${ended.status}: ${JSON.stringify(ended.error)}`
      : different(expected(ended), ended.output);

function different(expected: Json, found: Json | undefined): string | undefined {
  const [left, right] = [canonicalJson(expected), canonicalJson(found)];
  return left === right ? undefined : `Expected the output ${left}, got ${right}`;
}

export const has = (ended: Ended, type: EventType): boolean =>
  ended.events.some((event) => event.type === type);

/** The name of the operation that an event settled. */
function nameOf(ended: Ended, operation: string): string {
  const started = ended.events.find(
    (event) => "name" in event && "operation" in event && event.operation === operation,
  );
  return (started as { name?: string } | undefined)?.name ?? "none";
}

/** The names of completed steps, in order. */
const completedSteps = (ended: Ended): string[] =>
  ended.events.flatMap((event) => (event.type === "StepCompleted" ? [nameOf(ended, event.operation)] : []));

export const isCancelled: Model = (ended) => {
  if (ended.status !== "cancelled") return `Expected it to be cancelled, got ${ended.status}`;
  const isAsked =
    ended.created.cancel !== undefined || has(ended, "CancelRequested") || has(ended, "UndoRequested");
  if (!isAsked) return "It was cancelled, but nobody asked for that";
  return ended.error === undefined ? undefined : `Expected no error, got ${JSON.stringify(ended.error)}`;
};

/** As `whole`, unless it was cancelled: then `cleanedUp` must have been, if its code was ever called. */
const unlessCancelled =
  (whole: Model, cleanedUp?: string): Model =>
  (ended) => {
    if (ended.status !== "cancelled") return whole(ended);
    const isCalled = has(ended, "CancelDelivered");
    if (cleanedUp !== undefined && isCalled && !completedSteps(ended).includes(cleanedUp))
      return `It was cancelled without ${cleanedUp}`;
    return isCancelled(ended);
  };

const race: Model = (ended) => {
  const { first, timed } = (ended.output ?? {}) as JsonObject;
  const settled = ended.events.filter(
    ({ type }) => type === "SignalDelivered" || type === "TimerFired" || type === "SignalTimedOut",
  );
  const [one, two] = settled.map(({ type }) => type);
  const expectedFirst = one === "SignalDelivered" ? "signal" : "timer";
  const expectedTimed = two === "SignalDelivered" ? "in time" : "SignalTimeout";
  return (
    completes(() => ({ first: expectedFirst, timed: expectedTimed, checked: first! }))(ended) ??
    (settled.length === 2 ? undefined : `Expected two to settle, got ${settled.length}: ${String(timed)}`)
  );
};

const plain: Model = (ended) => {
  const order = completedSteps(ended).filter((name) => /^s\d$/.test(name));
  const { first, next } = (ended.output ?? {}) as JsonObject;
  const firstDone = completedSteps(ended)
    .find((name) => / after /.test(name))
    ?.split(" after ")[1];
  if (first !== firstDone) return `Expected ${firstDone} to win, got ${String(first)}`;
  return completes(() => ({ first: first!, order, next: next! }))(ended);
};

const board: Model = (ended) => {
  const output = (ended.output ?? {}) as JsonObject;
  const { seen } = output;
  return completes(() => ({ phase: "closed", seen: seen!, done: true, note: "ok" }))(ended);
};

const timesOut: Model = (ended) => {
  if (ended.status !== "timedOut") return `Expected it to time out, got ${ended.status}`;
  return completedSteps(ended).includes("clean up") ? undefined : "It timed out without clean up";
};

const collect: Model = (ended) => {
  const { count } = ended.input as { count: number };
  const items = ended.output as { sender: string; n: number }[];
  if (ended.status !== "completed" || items.length !== count)
    return `Expected ${count} items, got ${ended.status} ${JSON.stringify(items)}`;
  const last = new Map<string, number>();
  for (const { sender, n } of items) {
    if (n !== (last.get(sender) ?? -1) + 1) return `Out of order: ${JSON.stringify(items)}`;
    last.set(sender, n);
  }
  return undefined;
};

const startsInTime: Model = (ended) => {
  const { startAt } = ended.created;
  const began = ended.events.find(({ type }) => type === "StepStarted");
  if (startAt !== undefined && began !== undefined && began.at < startAt)
    return `It began ${startAt - began.at} ms before its time`;
  return undefined;
};

const simple: Model = unlessCancelled(
  (ended) => startsInTime(ended) ?? completes(({ input }) => ((input as { n: number }).n + 1) * 2)(ended),
);

/** The few attempts of an example's steps may all be hit by crashes: then it fails by that, and by nothing else. */
export const unlessCrashed =
  (model: Model): Model =>
  (ended) =>
    ended.status === "failed" && ended.error?.code === "LegCrashed" ? undefined : model(ended);

const order: Model = unlessCrashed((ended) => {
  const { id, card } = ended.input as { id: string; card: string };
  if (ended.status === "cancelled") return isCancelled(ended);
  if (ended.status === "failed") {
    const code = ended.error?.code;
    if (card === "4000000000000002") return ended.error?.name === "CardDeclined" ? undefined : String(code);
    const given = completedSteps(ended).includes("give back");
    return code === "SignalTimeout" && given ? undefined : `It failed: ${JSON.stringify(ended.error)}`;
  }
  const { orderId, chargeId, parcelId } = ended.output as Record<string, string>;
  const isWhole = orderId === id && chargeId!.startsWith("charge-") && parcelId!.startsWith("parcel-");
  return isWhole ? undefined : `Got ${JSON.stringify(ended.output)}`;
});

const airTraffic: Model = unlessCrashed(
  completes(({ output }) => ({
    airports: { read: 3, kept: 2, quarantined: 1 },
    routes: { read: 3, kept: 2, quarantined: 1 },
    flights: 5,
    published: (output as JsonObject).published!,
  })),
);

const continued: Model = (ended) => {
  const { n } = ended.input as { n: number };
  const isLast = !has(ended, "RunContinued");
  if (ended.status !== "completed") return `Expected it to complete, got ${ended.status}`;
  if (!isLast) return n > 1 ? undefined : "It went on after its last";
  return different([0, 1, 2, 3], ended.output);
};

const chain: Model = (ended) => (ended.status === "cancelled" ? isCancelled(ended) : links(ended));

const links: Model = (ended) =>
  ended.status === "completed" && has(ended, "RunContinued") !== (ended.output === "end of chain")
    ? undefined
    : `Got ${ended.status} ${JSON.stringify(ended.output)}`;

/** Failed, and undone in reverse order, each at least once. */
const undone: Model = (ended) => {
  const undoing = ended.events.flatMap((event) => (event.type === "CompensationStarted" ? [event.name] : []));
  const left = ended.events.filter(({ type }) => type === "CompensationStarted").length;
  if (ended.status !== "failed" || ended.error?.name !== "Refused") return `Got ${ended.status}`;
  return different(["c", "b", "a"], undoing) ?? (left === 3 ? undefined : `Undid ${left}`);
};

const once: Model = (ended) => {
  const { done, isNew } = (ended.output ?? {}) as JsonObject;
  const attempts = ended.events.filter(({ type }) => type === "StepRetried").length;
  const isRight = ended.status === "completed" && isNew === true && attempts === 0;
  return isRight && ["done", "StepInterrupted", "StepTimeout"].includes(String(done))
    ? undefined
    : `Got ${JSON.stringify(ended)}`;
};

const redriven: Model = (ended) => {
  const { first } = (ended.output ?? {}) as JsonObject;
  const times = completedSteps(ended).filter((name) => name === "first").length;
  return (
    completes(() => ({ first: first!, quick: "quick", healed: "healed" }))(ended) ??
    (times === 1 ? undefined : `Expected first to complete once, got ${times}`)
  );
};

const input = (ended: Ended): number => (ended.input as { n: number }).n;

export const models: Record<string, Model> = {
  spread: unlessCancelled((ended) =>
    ended.created.node === undefined
      ? completes(() => [0, 1, 4, 9, 16, null, 36])(ended)
      : ended.status === "completed"
        ? undefined
        : `A node ended ${ended.status}`,
  ),
  deadly: completes(() => "LegCrashed"),
  gates: completes(() => ({ verdict: { approved: true, feedback: "fine" }, silence: "GateTimeout" })),
  tokens: completes(() => ({ answer: { ok: true }, none: "CallbackTimeout" })),
  polls: completes(() => ({ found: "ready", never: "PollTimeout" })),
  mapped: completes(() => [0, 1, 4, 9, 16, 25]),
  undone,
  paused: completes(() => 6),
  redriven,
  continued,
  follows: completes(() => ({ child: "end of chain" })),
  chain,
  chained: completes(({ output }) => (output === "end of chain" ? output : "timer")),
  once,
  retries: completes(() => ({ flaky: "flaky", slow: "slow", hopeless: "Refused", large: 40_000 })),
  timers: completes(({ output }) => {
    const { random, uuid } = output as JsonObject;
    return { early: [], random: random!, uuid: uuid! };
  }),
  race,
  failing: completes(() => "undone: Refused"),
  nested: completes(() => ({ left: "quick", right: "good", deep: { x: "x", y: { z: "z" } } })),
  plain,
  double: unlessCancelled(completes((ended) => input(ended) * 2)),
  quadruple: unlessCancelled(completes((ended) => input(ended) * 4)),
  refusing: (ended) =>
    ended.status === "failed" && ended.error?.name === "Refused" ? undefined : `Got ${ended.status}`,
  endless: unlessCancelled(() => "Expected it to be cancelled", "clean up"),
  family: completes((ended) => ({
    double: input(ended) * 2,
    quadruple: input(ended) * 4,
    refused: "ChildFailed",
    apart: true,
    outlived: "timer",
  })),
  board,
  cancellable: unlessCancelled(
    completes(() => "whole"),
    "clean up",
  ),
  deadline: timesOut,
  cancelledLate: unlessCancelled(timesOut, "clean up"),
  collect,
  choosy: completes(() => ({ chosen: 7, other: 3 })),
  simple,
  handover: completes(() => ({ long: "long", again: "again" })),
  keeper: completes(() => "kept"),
  order,
  "air-traffic": airTraffic,
};
