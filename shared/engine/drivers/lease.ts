/**
 * Leases of managed runs: which outside worker may write, and under which generation.
 *
 * 1. A lease's generation is the sequence of its grant, so no two grants have the same, and a later one is greater.
 * 2. The worker that holds it renews it under its generation. Once its time is over it is nobody's: also the worker
 *    that held it gets a new generation.
 * 3. Whether a write is under the present generation is decided with the append that stores it: a grant in between
 *    takes the sequence first, and the write is decided anew (J3, J4). Clocks only decide when a lease may be taken.
 */
import type { LeaseGranted, LeaseRenewed } from "../../core/events-driven.ts";
import { digest } from "../../core/ids.ts";
import type { RunState } from "../../core/state.ts";
import { appendOutside, refuseFinished } from "../outside.ts";
import { leaseAt, refuseHeld, refuseStale, refuseWrongDriver } from "../refusals.ts";
import { type Conditions, isRepeated } from "../requests.ts";
import type { Engine } from "../settings.ts";

export interface Lease {
  generation: number;
  until: number;
  /** The run was asked to end. */
  cancel?: RunState["cancel"];
}

/** The journal, which others may read, tells who holds a lease, but not how to claim to be them. */
const hashOf = (runId: string, token: string): string => digest("lease", runId, token);

export async function takeLease(
  engine: Engine,
  runId: string,
  request: { token: string; ttlMs: number } & Conditions,
): Promise<Lease> {
  const { ttlMs, ifMatch, requestId } = request;
  const token = hashOf(runId, request.token);
  let lease: Pick<Lease, "generation" | "until"> | undefined;
  const { cancel } = await appendOutside(engine, runId, (state) => {
    refuseWrongDriver(state, ["managed"]);
    lease = grantedBefore(state, requestId);
    if (lease !== undefined) return { events: [], wake: undefined };
    refuseFinished(state);
    const now = Math.max(state.at, engine.clock.now());
    refuseHeld(state, token, now);
    refuseStale(state, ifMatch);
    const isHolder = leaseAt(state, now) !== undefined;
    const until = now + ttlMs;
    lease = { generation: isHolder ? state.generation : state.sequence + 1, until };
    const key = requestId === undefined ? {} : { requestId };
    const event: LeaseGranted | LeaseRenewed = isHolder
      ? { type: "LeaseRenewed", until, ...key }
      : { type: "LeaseGranted", token, until, ...key };
    const changesStatus = state.driven?.status === "pending" && state.pause === undefined;
    return { events: [event], wake: `generation:${lease.generation}`, changesStatus };
  });
  return cancel === undefined ? lease! : { ...lease!, cancel };
}

function grantedBefore(state: RunState, requestId: string | undefined) {
  const granted = state.driven?.granted;
  if (requestId === undefined || granted === undefined) return undefined;
  return isRepeated(state.runId, granted.keys(), requestId) ? granted.get(requestId) : undefined;
}

/** Gives the lease back. Whoever does not hold it gives back nothing. */
export async function releaseLease(
  engine: Engine,
  runId: string,
  request: { token: string; ifMatch?: number },
): Promise<void> {
  const token = hashOf(runId, request.token);
  await appendOutside(engine, runId, (state) => {
    refuseWrongDriver(state, ["managed"]);
    if (state.driven?.lease?.token !== token) return { events: [], wake: undefined };
    refuseStale(state, request.ifMatch);
    return { events: [{ type: "LeaseReleased" }], wake: undefined };
  });
}
