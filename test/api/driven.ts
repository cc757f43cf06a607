/** A managed or mirrored run to ask things of, for the suites on them. */
import { expect } from "vitest";
import type { Answer, Asked, World } from "./world.ts";

export type Open = () => World;
export const key = (name: string) => ({ "idempotency-key": name });
export const match = (revision: number) => ({ "if-match": `"${revision}"` });
export const under = (generation: number) => ({ "stepfold-generation": String(generation) });

let drawn = 0;
/** An id that no other case uses. */
export const freshId = (): string => `r${++drawn}`;

export interface Begun extends World {
  runId: string;
  /** Asks of the run. */
  run(method: string, path: string, asked?: Asked | object): Promise<Answer>;
  eventsOf(): Promise<{ type: string; [field: string]: unknown }[]>;
}

export async function begun(open: Open, driver: string, more: object = {}): Promise<Begun> {
  const world = open();
  const runId = freshId();
  const body = { workflow: "any name/at all", driver, runId, ...more };
  expect(await world.ask("POST", "/runs", { body })).toMatchObject({ status: 201 });
  const run = (method: string, path: string, asked: Asked = {}) =>
    world.ask(method, `/runs/${runId}${path}`, asked);
  const eventsOf = async () => (await run("GET", "/journal?limit=200")).body.items;
  return { ...world, runId, run, eventsOf };
}
