/** Taking a draft back leaves the state as the journal has it: tried on every entry of every golden journal. */
import { globSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { applyEntry, applyEvent, fold, isOwners, openEntry } from "../../shared/core/fold.ts";
import { Savepoint } from "../../shared/core/savepoint.ts";
import type { RunState } from "../../shared/core/state.ts";
import type { GoldenJournal } from "../../shared/testing/index.ts";
import * as a from "../support/journal.ts";

const files = ["examples/*/golden/*.json", "test/engine/golden/*.json"].flatMap((pattern) =>
  globSync(pattern),
);

/** Collections as lists, so that their order counts too, but for what is only ever looked up. */
const LOOKED_UP = ["operations", "kept"];
const shown = (state: RunState) =>
  structuredClone(
    Object.fromEntries(
      Object.entries(state).map(([name, value]) => [
        name,
        !LOOKED_UP.includes(name) && (value instanceof Map || value instanceof Set) ? [...value] : value,
      ]),
    ),
  );

/** Applies an owner's events and takes them back. */
function tryOut(state: RunState, entry: GoldenJournal["entries"][number]): void {
  const savepoint = new Savepoint(state);
  openEntry(state, entry);
  for (const event of entry.events) {
    savepoint.note(event);
    applyEvent(state, event, entry.seen ?? entry.at);
  }
  savepoint.restore();
}

test.each(files)("%s: each of the owner's entries can be taken back", (file) => {
  const golden = JSON.parse(readFileSync(file, "utf8")) as GoldenJournal;
  const state = fold(golden, golden.entries.slice(0, 1));
  let tried = 0;
  for (const entry of golden.entries.slice(1)) {
    if (isOwners(entry)) {
      const before = shown(state);
      tryOut(state, entry);
      expect(shown(state)).toEqual(before);
      tried++;
    }
    applyEntry(state, entry);
  }
  expect(tried).toBeGreaterThan(0);
  expect(shown(state)).toEqual(shown(fold(golden, golden.entries)));
});

describe("what is taken back", () => {
  test("an operation's settling, in its place among the open ones", () => {
    const state = a.stateOf([
      a.legStarted(),
      a.stepStarted("1", "a"),
      a.stepStarted("2", "b"),
      a.stepStarted("3", "c"),
    ]);
    const operation = state.operations.get("2");
    const entry = { sequence: 2, at: 9, generation: 1, nonce: "n", events: [a.stepCompleted("2", "done")] };
    tryOut(state, entry);
    expect([...state.open.keys()]).toEqual(["1", "2", "3"]);
    expect(state.open.get("2")).toBe(operation);
    expect(operation).toMatchObject({ status: "running" });
    expect(operation?.output).toBeUndefined();
  });

  test("a run's end", () => {
    const state = a.stateOf([a.legStarted(), a.stepStarted("1", "a"), a.stepCompleted("1", 1)]);
    const entry = { sequence: 2, at: 9, generation: 1, nonce: "n", events: [a.runCompleted("end")] };
    tryOut(state, entry);
    expect(state.finished).toBeUndefined();
    expect(state).toMatchObject({ phase: "leased", sequence: 1, lease: { owner: expect.any(String) } });
  });
});
