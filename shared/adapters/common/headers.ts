/**
 * What a header is and becomes, for the adapters that keep it as a value. Pure.
 *
 * 1. A header above one write unit leaves its payloads to an entry 0 of its own; a smaller one is entry 0.
 * 2. A projection keeps what it does not name, and removes what it sets to null.
 */
import type { Entry, RunCreated } from "../../core/events.ts";
import { WRITE_UNIT_BYTES } from "../../core/limits.ts";
import type { Header, NewRun, Projection } from "../../ports/journal.ts";
import { headerBytes } from "./billing.ts";

/** Whether somebody else than its parent started it under that parent: no journal tells of it. */
export const isStartedUnder = (
  created: RunCreated,
): created is RunCreated & { parent: { runId: string; operation: string } } =>
  created.parent?.operation === "";

/** The entry that a run begins with. */
export function entryZero(run: Pick<NewRun, "createdAt" | "nonce" | "created">): Entry {
  return { sequence: 0, at: run.createdAt, generation: 0, nonce: run.nonce, events: [run.created] };
}

/** A new run's header; `text` is its creating event as JSON, `bytes` what it takes in all. */
export interface MadeHeader {
  header: Header;
  text: string;
  bytes: number;
  isSplit: boolean;
}

export function newHeader(run: NewRun): MadeHeader {
  const whole = JSON.stringify(run.created);
  const isSplit = headerBytes(run, whole) > WRITE_UNIT_BYTES;
  const created = isSplit ? withoutPayloads(run.created) : run.created;
  const text = isSplit ? JSON.stringify(created) : whole;
  const header: Header = {
    runId: run.runId,
    inc: run.inc,
    created,
    createdAt: run.createdAt,
    requestHash: run.requestHash,
    status: run.status ?? "pending",
    headerSequence: 0,
    dueAt: run.dueAt,
    updatedAt: run.createdAt,
    expiresAt: run.expiresAt,
  };
  if (run.status === "running") header.startedAt = run.createdAt;
  if (run.cancelRequested === true) header.cancelRequested = true;
  return { header, text, bytes: headerBytes(run, text), isSplit };
}

function withoutPayloads(created: RunCreated): RunCreated {
  const { input: _input, state: _state, definition: _definition, signals: _signals, ...rest } = created;
  const { cancel: _cancel, ...small } = rest;
  return small;
}

export function projected(header: Header, projection: Projection): Header {
  const { dueAt, wakeAt, finishedAt, ...set } = projection;
  const next: Header = { ...header };
  for (const [field, value] of Object.entries(set))
    if (value !== undefined) Object.assign(next, { [field]: value });
  if (dueAt === null) delete next.dueAt;
  else if (dueAt !== undefined) next.dueAt = dueAt;
  if (wakeAt === null) delete next.wakeAt;
  else if (wakeAt !== undefined) next.wakeAt = wakeAt;
  if (finishedAt === null) delete next.finishedAt;
  else if (finishedAt !== undefined) next.finishedAt = finishedAt;
  if (next.stalled === false) delete next.stalled;
  if (next.cancelRequested === false) delete next.cancelRequested;
  return next;
}
