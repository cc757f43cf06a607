/**
 * Mirrored runs: another system tells what its steps do, by names of its own. Its reports may come twice, late and out
 * of order; also after the report of its run's end.
 */

import { StepfoldError } from "../../core/errors.ts";
import type { ObservationReported, ReportedStatus } from "../../core/events-driven.ts";
import { canonicalJson, type Json } from "../../core/json.ts";
import type { Operation } from "../../core/state.ts";
import { appendOutside } from "../outside.ts";
import { refuseStale, refuseWrongDriver } from "../refusals.ts";
import type { Conditions } from "../requests.ts";
import type { Engine } from "../settings.ts";
import { type GivenError, payloadFor, runErrorOf } from "./payloads.ts";

export interface Observation extends Pick<Conditions, "ifMatch"> {
  name: string;
  status: ReportedStatus;
  output?: Json;
  error?: GivenError;
  sessionKey?: string;
  /** Epoch ms: when it was so. */
  observedAt?: number;
}

/** Upserts an observation. One that says again what was said of the same time is not recorded again. */
export async function observe(
  engine: Engine,
  runId: string,
  externalId: string,
  { ifMatch, output, error, ...given }: Observation,
): Promise<Operation> {
  const payload = await payloadFor(engine, runId, output);
  const runError = runErrorOf(error, given.name);
  const state = await appendOutside(engine, runId, (present) => {
    refuseWrongDriver(present, ["mirrored"]);
    refuseStale(present, ifMatch);
    const known = present.operations.get(externalId);
    refuseTaken(runId, known);
    const event: ObservationReported = { type: "ObservationReported", operation: externalId, ...given };
    if (payload !== undefined) event.output = payload;
    if (runError !== undefined) event.error = runError;
    return { events: isKnown(known, event) ? [] : [event], wake: undefined };
  });
  return state.operations.get(externalId)!;
}

function refuseTaken(runId: string, known: Operation | undefined): void {
  if (known === undefined || known.kind === "observation") return;
  throw new StepfoldError(
    "InvalidInput",
    `Expected the id of an observation, got ${JSON.stringify(known.id)}, which is a ${known.kind} of run ${runId}.`,
    { issues: [{ path: "externalId", message: `is the id of a ${known.kind}` }] },
  );
}

function isKnown(known: Operation | undefined, event: ObservationReported): boolean {
  if (known === undefined || event.observedAt !== known.reported?.observedAt) return false;
  const { name, status, output, error, sessionKey } = event;
  const now = { name, status, output, error, sessionKey };
  const before = {
    name: known.name,
    status: known.status,
    output: output && known.output,
    error: error && known.error,
    sessionKey: sessionKey && known.reported?.sessionKey,
  };
  return canonicalJson(asJson(now)) === canonicalJson(asJson(before));
}

const asJson = (value: object): Json => JSON.parse(JSON.stringify(value)) as Json;
