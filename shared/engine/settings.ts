/**
 * What a host decides for the engine: who it is, how long its legs are, and which workflows it knows.
 */

import type { Log } from "../core/context.ts";
import {
  BLOB_RENEW_MS,
  CLOCK_SKEW_MS,
  EXPIRY_HORIZON_MS,
  KNOWN_EVENTS_MAX,
  KNOWN_RUNS_MAX,
  LEG_MS,
  MAP_SITES_MAX,
  MESSAGE_DELAY_MS_MAX,
  RESIDENT_EVENTS_MAX,
  RESIDENT_RUNS_MAX,
  SWEEP_AFTER_MS,
} from "../core/limits.ts";
import { type MapLimits, mapLimits } from "../core/maps.ts";
import { Registry } from "../core/workflow.ts";
import { bulkWorkflow } from "./bulk.ts";
import { Joint } from "./joint.ts";
import { LeaseEnds } from "./lease-ends.ts";
import { Lines } from "./lines.ts";
import type { Reader } from "./parts.ts";
import { type Resident, Residents } from "./residents.ts";
import { Sites } from "./sites.ts";
import { turnWorkflow } from "./turn.ts";

/** Workflows that the engine itself is written in. */
const ownWorkflows = [turnWorkflow, bulkWorkflow];

/** Runs are isolated by owner: a caller of the API sees and touches only the runs that are its own. */
export interface Isolation {
  /** The claim of a caller's token that names the owner. Default: `sub`. Callers by IAM are named by their principal. */
  claim?: string;
  /** Who sees every run: holders of a claim with a value, or IAM principals by their ARNs. Default: nobody. */
  admins?: { claim: string; value: string } | string[];
}

export interface Settings {
  /** This process, in claims. */
  owner: string;
  /** The worker group that this process belongs to; absent for the default one. */
  group: string | undefined;
  /** Changes whenever the workflows' code does: what stalled is tried again by other code only. */
  codeHash: string;
  /** A leg's length; a function's time-out less what closing takes. */
  legMs: number;
  skewMs: number;
  /** Delays above this go to the scheduler. */
  messageDelayMsMax: number;
  sweepAfterMs: number;
  /** The age at which the blob store lets go of blobs; absent where it does not. */
  blobExpiryMs: number | undefined;
  /** For the API; absent, whoever may call it sees every run. */
  isolation: Isolation | undefined;
  /** A long run's journal is packed once cold reads of it have cost this many times what packing it costs. */
  packAfter: number;
  /** From how many items on, and how, maps are spread over child runs. */
  maps: MapLimits;
  /** What a crash has cut off is attempted again at once, and not after its retry delay: for tests that compare. */
  retriesCrashedAtOnce: boolean;
  /** Whether a lease's owner is known to be gone, so that its lease holds nobody up. */
  isDead(owner: string): boolean;
}

/** Everything that the engine's functions need: the ports, the workflows, the settings, and what is in memory. */
export interface Engine extends Reader {
  registry: Registry;
  settings: Settings;
  log: Log;
  residents: Residents;
  /** Runs that something was lately appended to from outside: the next append reads only the tail. */
  known: Residents;
  /** Of finished runs that still owe effects. */
  closings: Joint;
  /** For which this process has sent a wake. */
  leaseEnds: LeaseEnds;
  /** Of the writers from outside, by run. */
  lines: Lines<Resident>;
  /** Items and code of the maps that this process works on for other runs. */
  sites: Sites;
}

export function createEngine(
  ports: Reader,
  options: {
    workflows: Iterable<unknown>;
    /** The workflows of each worker group: those are no longer of the default one. */
    groups?: Record<string, Iterable<unknown>>;
    log: Log;
    settings: Partial<Settings> & Pick<Settings, "owner" | "codeHash">;
    residentRunsMax?: number;
  },
): Engine {
  const settings: Settings = {
    legMs: LEG_MS,
    skewMs: CLOCK_SKEW_MS,
    messageDelayMsMax: MESSAGE_DELAY_MS_MAX,
    sweepAfterMs: SWEEP_AFTER_MS,
    packAfter: 1,
    maps: mapLimits,
    isDead: () => false,
    retriesCrashedAtOnce: false,
    group: undefined,
    isolation: undefined,
    blobExpiryMs: undefined,
    ...options.settings,
  };
  const registry = new Registry(options.workflows, options.groups);
  registry.checkSteps(settings.group, settings.legMs);
  if (settings.blobExpiryMs !== undefined)
    registry.checkRetention(settings.blobExpiryMs - BLOB_RENEW_MS - EXPIRY_HORIZON_MS);
  const engine: Engine = {
    ...ports,
    registry,
    settings,
    log: options.log,
    residents: new Residents(options.residentRunsMax ?? RESIDENT_RUNS_MAX, RESIDENT_EVENTS_MAX),
    known: new Residents(KNOWN_RUNS_MAX, KNOWN_EVENTS_MAX),
    closings: new Joint(),
    leaseEnds: new LeaseEnds(),
    lines: new Lines(),
    sites: new Sites(MAP_SITES_MAX),
  };
  for (const own of ownWorkflows) registry.addOwn(own(engine));
  return engine;
}
