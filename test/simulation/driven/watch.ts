/** Managed and mirrored runs of one world: their models, fed with what is stored, and those who call them. */
import type { PortsBehind } from "../../../shared/adapters/simulated/index.ts";
import { type Api, createApi } from "../../../shared/api/handler.ts";
import type { Entry, RunEvent } from "../../../shared/core/events.ts";
import { digest } from "../../../shared/core/ids.ts";
import type { JsonObject } from "../../../shared/core/json.ts";
import { createEngine } from "../../../shared/engine/settings.ts";
import type { Watched } from "../checker.ts";
import type { World } from "../world.ts";
import { type Call, Callers, eventOf, isRefused } from "./calls.ts";
import { Model } from "./model.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const settings = { owner: "reader", codeHash: "simulated" };
/** No drawn id holds one. */
const MARK = /\bk\d+!k\b/;

export class DrivenRuns {
  readonly callers: Callers;
  readonly #world: World;
  readonly #models = new Map<string, Model>();

  constructor(world: World) {
    this.#world = world;
    this.callers = new Callers(world, (runId) => this.#models.get(runId)!);
  }

  /** An entry is stored; the first one is the run's creation. */
  stored({ key: { runId }, state }: Watched, entry: Entry): void {
    const { driver, deadline } = state.created;
    if (entry.sequence === 0)
      return void this.#models.set(runId, new Model(driver as "managed" | "mirrored", deadline));
    const wrong = this.#models.get(runId)!.stored(entry, (event) => this.#callOf(runId, event));
    if (wrong !== undefined) this.#world.checker.violate("driven", runId, wrong);
  }

  #callOf(runId: string, event: RunEvent): Call | undefined {
    if (/^Lease/.test(event.type)) return this.#leaseCallOf(runId, event);
    // Not in the id of a request, whose digests may have one by chance.
    const mark = MARK.exec(JSON.stringify({ ...event, requestId: undefined }))?.[0];
    const call = mark === undefined ? undefined : this.callers.calls.get(mark);
    return call?.runId === runId ? call : undefined;
  }

  /** Leases bear no mark: any call of that worker will do that has not led to one yet. */
  #leaseCallOf(runId: string, event: RunEvent): Call | undefined {
    const holder = this.#models.get(runId)!.holder;
    const kind = event.type === "LeaseReleased" ? "release" : "lease";
    const isWorkers = ({ token }: Call) =>
      event.type === "LeaseGranted" ? digest("lease", runId, token!) === event.token : token === holder;
    return [...this.callers.calls.values()].find(
      (call) =>
        call.runId === runId &&
        call.kind === kind &&
        call.stored === undefined &&
        !isRefused(call) &&
        isWorkers(call),
    );
  }

  /** What a reader finds at the end is what was accepted, all of it. */
  async checkEnds(ports: PortsBehind): Promise<void> {
    if (this.#models.size === 0) return;
    const engine = createEngine(ports, { workflows: [], log: silent, settings });
    const api = createApi(engine);
    const read = (path: string) => readBy(api, path);
    for (const [runId, model] of this.#models) {
      const { state, expiresAt } = this.#world.checker.runs.get(runId)!;
      // What has ended is no longer there once its retention is over.
      if (state.finished !== undefined && expiresAt <= ports.clock.now()) continue;
      const run = await read(`/runs/${runId}`);
      const operations: JsonObject[] = [];
      for (let cursor: unknown; ; ) {
        const query = cursor === undefined ? "" : `&cursor=${encodeURIComponent(String(cursor))}`;
        const page = await read(`/runs/${runId}/operations?limit=200${query}`);
        operations.push(...(page.items as JsonObject[]));
        cursor = page.cursor;
        if (cursor === undefined) break;
      }
      const wrong = model.ended(run, operations);
      if (wrong !== undefined) this.#world.checker.violate("driven", runId, wrong);
    }
  }
}

async function readBy(api: Api, path: string): Promise<JsonObject> {
  const { body } = await api(eventOf("GET", path, undefined, {}));
  return JSON.parse(body!) as JsonObject;
}
