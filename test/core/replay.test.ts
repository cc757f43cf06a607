import { describe, expect, it } from "vitest";
import type { RunContext } from "../../shared/core/context.ts";
import type { RunEvent } from "../../shared/core/events.ts";
import { Execution } from "../../shared/core/execution.ts";
import type { Json, Payload } from "../../shared/core/json.ts";
import { replay } from "../../shared/core/replay.ts";
import { workflow } from "../../shared/core/workflow.ts";
import * as a from "../support/journal.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const inline = (payload: Payload | undefined) =>
  payload !== undefined && "v" in payload ? payload.v : undefined;

/** Replays a journal against code. */
async function replayed(code: (run: RunContext) => unknown, ...entries: (RunEvent | RunEvent[])[]) {
  const state = a.stateOf(...entries);
  const execution = new Execution(workflow("order", code as never), {
    ...a.identity,
    dryRun: false,
    input: undefined,
    state: {},
    markers: state.markers,
    legMs: 120_000,
    log: silent,
  });
  await replay(execution, state, {
    payload: async (payload) => inline(payload),
    outcome: (event) => {
      const { output, error } = state.operations.get((event as { operation: string }).operation) ?? {};
      return error === undefined ? { value: inline(output) as Json } : { error };
    },
  });
  return execution;
}

const charge = (run: RunContext) => run.step("charge", () => 1);
const chargeAndShip = async (run: RunContext) => [await charge(run), await run.step("ship", () => 2)];

describe("a replay", () => {
  it("brings code to where its journal is, and calls no step", async () => {
    const execution = await replayed(
      chargeAndShip,
      [a.legStarted(), a.stepStarted("1", "charge")],
      [a.stepCompleted("1", "paid"), a.stepStarted("2", "ship")],
      a.stepCompleted("2", "sent"),
    );
    expect(execution.take()).toEqual({ type: "RunCompleted", output: { v: ["paid", "sent"] } });
  });

  it("delivers completions in the order of the journal (R1)", async () => {
    const race = (run: RunContext) => Promise.race([charge(run), run.step("ship", () => 2)]);
    const begun = [a.legStarted(), a.stepStarted("1", "charge"), a.stepStarted("2", "ship")];
    const first = await replayed(race, begun, a.stepCompleted("1", "charge"));
    const second = await replayed(race, begun, a.stepCompleted("2", "ship"));
    expect([first.take(), second.take()]).toMatchObject([
      { output: { v: "charge" } },
      { output: { v: "ship" } },
    ]);
  });

  it("shows the same time as before (R3)", async () => {
    const times: number[] = [];
    const code = async (run: RunContext) => {
      times.push(run.now().getTime());
      await charge(run);
      times.push(run.now().getTime());
    };
    await replayed(code, [a.legStarted(), a.stepStarted("1", "charge")], a.stepCompleted("1"));
    expect(times).toEqual([1_000, 2_000]);
  });

  it.each<[string, (run: RunContext) => unknown, string, string]>([
    ["another name", (run) => run.step("pay", () => 1), 'step "charge"', 'step "pay"'],
    ["another kind", (run) => run.sleep("charge", "1s"), 'step "charge"', 'timer "charge"'],
    ["nothing at all", () => new Promise(() => {}), 'step "charge"', "nothing"],
  ])("refuses code that asks for %s, and names both", async (_, code, recorded, found) => {
    const going = replayed(code, [a.legStarted(), a.stepStarted("1", "charge")]);
    await expect(going).rejects.toMatchObject({ code: "NonDeterminism", data: { recorded, found } });
  });

  it("refuses code that asks for more than the journal has before a completion", async () => {
    const both = (run: RunContext) => Promise.all([charge(run), run.step("ship", () => 2)]);
    const going = replayed(both, [a.legStarted(), a.stepStarted("1", "charge")], a.stepCompleted("1"));
    await expect(going).rejects.toMatchObject({ code: "NonDeterminism", data: { found: 'step "ship"' } });
  });
});
