/**
 * The demo's runs, over HTTP: it starts and signals them, follows their journals, and tells what is new.
 *
 * Looking on costs reads, which a run's bill holds too: so only the new end of a journal is read, at
 * `LOOK_EVERY_MS`, and only until the run is finished.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Client, createClient, type JournalEvent, type OperationView, type Run } from "stepfold/client";
import type { Narrator } from "./narrator.ts";

const LOOK_EVERY_MS = 400;

/** A run, and as much of its journal as was seen. */
export interface Followed {
  runId: string;
  title: string;
  events: JournalEvent[];
}

const ENDINGS = ["RunCompleted", "RunFailed", "RunCancelled", "RunTimedOut"];

export const isFinished = ({ events }: Followed): boolean =>
  events.some(({ type }) => ENDINGS.includes(type));

/** Whether an event of that type is there for the operation of that name. */
export function has({ events }: Followed, type: string, name: string): boolean {
  const ids = events.filter((event) => event.name === name).map(({ operation }) => operation);
  return events.some((event) => event.type === type && ids.includes(event.operation));
}

export class Show {
  readonly runs: Followed[] = [];
  readonly #narrator: Narrator;
  readonly #stop: AbortSignal;
  #client: Client;

  constructor(url: string, narrator: Narrator, stop: AbortSignal) {
    this.#client = createClient({ url });
    this.#narrator = narrator;
    this.#stop = stop;
  }

  /** The same runs, at another host. */
  moveTo(url: string): void {
    this.#client = createClient({ url });
  }

  async start(title: string, workflow: string, input: object): Promise<Followed> {
    const { runId } = await this.#client.start(workflow, input);
    const run: Followed = { runId, title, events: [] };
    this.runs.push(run);
    return run;
  }

  async signal({ runId }: Followed, name: string, payload: object): Promise<void> {
    await this.#client.signal(runId, name, payload);
  }

  get({ runId }: Followed): Promise<Run> {
    return this.#client.get(runId);
  }

  async operations({ runId }: Followed): Promise<OperationView[]> {
    const { items } = await this.#client.operations(runId);
    return items;
  }

  /** Follows all runs until what is asked for is so. Throws when one ends otherwise than completed. */
  async until(isSo: () => boolean): Promise<void> {
    for (;;) {
      this.#stop.throwIfAborted();
      await this.#look();
      if (isSo()) return;
      await delay(LOOK_EVERY_MS, undefined, { signal: this.#stop });
    }
  }

  async #look(): Promise<void> {
    const fresh = await Promise.all(
      this.runs
        .filter((run) => !isFinished(run))
        .map(async (run) => {
          const { items } = await this.#client.journal(run.runId, { after: run.events.at(-1)?.sequence });
          run.events.push(...items);
          return items.map((event) => ({ run, event }));
        }),
    );
    const inOrder = fresh
      .flat()
      .sort((left, right) => Date.parse(left.event.at) - Date.parse(right.event.at));
    for (const { run, event } of inOrder) this.#narrator.tell(run, event);
    const lost = inOrder.find(({ event }) => event.type !== "RunCompleted" && ENDINGS.includes(event.type));
    if (lost !== undefined)
      throw new Error(`Expected ${lost.run.title} to complete, got ${lost.event.type}.`);
  }
}
