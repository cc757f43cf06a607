/**
 * The host of one machine: the very handlers that Lambda runs, given the very events that Lambda gets.
 *
 * 1. The API is served over HTTP, both queues are pumped, and every minute there is a sweep.
 * 2. At its start it looks at every unfinished run: what an earlier process left goes on at once.
 * 3. `close` lets what is under way end for a moment; what does not is done again by the next host.
 */
import { advanceFunction } from "../../functions/advance.ts";
import { apiFunction } from "../../functions/api.ts";
import { signalsFunction } from "../../functions/signals.ts";
import { sweepFunction } from "../../functions/sweep.ts";
import { toRunError } from "../../shared/core/errors.ts";
import type { Engine } from "../../shared/engine/settings.ts";
import { sweep } from "../../shared/engine/sweep.ts";
import { contextOf } from "./invocation.ts";
import { Pump } from "./pump.ts";
import { serve } from "./server.ts";

const SWEEP_EVERY_MS = 60_000;
const INVOCATIONS_MAX = 200;
const CLOSING_MS = 2_000;

export interface HostOptions {
  engine: Engine;
  port: number;
  /** Receives under way at once, for each queue. */
  receivers: number;
  /** This process alone holds the runs, so every unfinished one may be looked at. */
  isAlone: boolean;
}

export interface Host {
  url: string;
  close(): Promise<void>;
}

/** Resolves once it serves. Throws `PortInUse`. */
export async function startHost({ engine, port, receivers, isAlone }: HostOptions): Promise<Host> {
  const { queue, clock, log, blobs } = engine;
  const server = await serve({ port, api: apiFunction(engine), blobs, clock, log });
  const common = { queue, clock, log, invocationsMax: INVOCATIONS_MAX, receivers };
  const pumps = [
    new Pump({ ...common, name: "work", handler: advanceFunction(engine) }),
    new Pump({ ...common, name: "signals", handler: signalsFunction(engine) }),
  ];
  const stopping = new AbortController();
  const sweeping = keepSweeping(engine, isAlone, stopping.signal);
  const close = async () => {
    stopping.abort();
    const ended = Promise.all([server.close(), sweeping, ...pumps.map((pump) => pump.stop())]);
    await Promise.race([ended, clock.sleep(CLOSING_MS)]);
    server.cut();
  };
  return { url: server.url, close };
}

async function keepSweeping(engine: Engine, isAlone: boolean, signal: AbortSignal): Promise<void> {
  const sweepOnce = sweepFunction(engine);
  let isFirst = isAlone;
  while (!signal.aborted) {
    try {
      if (isFirst) await sweep(engine, { everything: true });
      else await sweepOnce({}, contextOf("sweep", engine.clock.id()));
    } catch (error) {
      if (!signal.aborted) engine.log.error("A sweep failed.", { error: toRunError(error, "Error") });
    }
    isFirst = false;
    await engine.clock.sleep(SWEEP_EVERY_MS, signal);
  }
}
