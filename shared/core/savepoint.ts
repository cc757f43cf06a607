/**
 * A way back for a state that is changed in place: what an owner decides is applied before it is stored, and taken
 * back when another's entry comes first (J3).
 *
 * 1. Going back leaves the state as it was, in the same objects: whoever holds it need not know.
 * 2. It costs by what is open, never by how much there has been.
 * 3. It holds for an owner's entries only: those change no settled operation, and only add to what grows. What is put
 *    back into `operations` and `kept` may come last in it.
 */
import type { RunEvent } from "./events.ts";
import type { Operation, RunState } from "./state.ts";

type Collection = Map<unknown, unknown> | Set<unknown>;

/** What an owner's entries only add to. */
const GROWING: readonly (keyof RunState)[] = ["signals", "requests", "markers"];
/** As large as the run: what changes in them is noted event by event. */
const NOTED: readonly (keyof RunState)[] = ["operations", "kept"];
/** Never changed in place. */
const FIXED: readonly (keyof RunState)[] = ["created"];

export class Savepoint {
  readonly #state: RunState;
  readonly #fields: RunState;
  readonly #sizes = new Map<string, number>();
  readonly #collections = new Map<string, Collection>();
  readonly #records = new Map<string, object>();
  readonly #open: [Operation, Operation][] = [];
  readonly #kept: Operation[] = [];
  readonly #added: string[] = [];

  constructor(state: RunState) {
    this.#state = state;
    this.#fields = { ...state };
    for (const [name, value] of Object.entries(this.#fields) as [keyof RunState, unknown][]) {
      if (NOTED.includes(name) || FIXED.includes(name)) continue;
      if (Array.isArray(value)) this.#sizes.set(name, value.length);
      else if (value instanceof Map || value instanceof Set) {
        if (GROWING.includes(name)) this.#sizes.set(name, value.size);
        else this.#collections.set(name, value instanceof Map ? new Map(value) : new Set(value));
      } else if (typeof value === "object" && value !== null) this.#records.set(name, { ...value });
    }
    for (const operation of state.open.values()) this.#open.push([operation, { ...operation }]);
  }

  /** To be told of each event before it is applied. */
  note(event: RunEvent): void {
    if (!("operation" in event) || event.operation === undefined) return;
    const { kept, operations } = this.#state;
    const taken = kept.get(event.operation);
    if (taken !== undefined) this.#kept.push(taken);
    if (!operations.has(event.operation)) this.#added.push(event.operation);
  }

  restore(): RunState {
    const state = this.#state;
    replaceFields(state, this.#fields);
    for (const [name, size] of this.#sizes) truncate(this.#fields[name as keyof RunState], size);
    for (const [name, was] of this.#collections)
      refill(this.#fields[name as keyof RunState] as Collection, was);
    for (const [name, was] of this.#records)
      replaceFields(this.#fields[name as keyof RunState] as object, was);
    for (const id of this.#added) state.operations.delete(id);
    for (const [operation, was] of this.#open) {
      replaceFields(operation, was);
      state.operations.set(operation.id, operation);
    }
    for (const id of state.buffered) state.signals.get(id)!.buffered = true;
    for (const operation of this.#kept) state.kept.set(operation.id, operation);
    return state;
  }
}

function replaceFields(target: object, was: object): void {
  // Not deleted: the object keeps its shape.
  for (const name of Object.keys(target))
    if (!(name in was)) (target as Record<string, unknown>)[name] = undefined;
  Object.assign(target, was);
}

function truncate(grown: unknown, size: number): void {
  if (Array.isArray(grown)) grown.length = size;
  else if (grown instanceof Map || grown instanceof Set) {
    if (grown.size === size) return;
    let index = 0;
    for (const key of grown.keys()) if (index++ >= size) grown.delete(key);
  }
}

function refill(collection: Collection, was: Collection): void {
  collection.clear();
  if (collection instanceof Map)
    for (const [key, value] of was as Map<unknown, unknown>) collection.set(key, value);
  else for (const value of (was as Set<unknown>).values()) collection.add(value);
}
