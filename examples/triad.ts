/**
 * What every example has beside its workflow: scenarios, each with the journal that it must write. The same scenarios
 * are played on virtual time by the example's test, and on the AWS adapters by `test/examples`.
 */
import type { AnyWorkflow } from "stepfold";
import { normalised, replayJournal, type TestHost, testHost } from "stepfold/testing";
import { describe, expect, test } from "vitest";
import { goldenIn, readGolden, withGolden } from "./golden.ts";

/** What a scenario may do to a host. */
export interface ScenarioHost
  extends Pick<
    TestHost,
    "start" | "skip" | "signal" | "approve" | "reject" | "cancel" | "journal" | "runner"
  > {
  deploy(workflows: Iterable<unknown>): void | Promise<void>;
}

/** The run that a scenario is about, and texts of its journal that differ from machine to machine. */
export interface Played {
  runId: string;
  scrub?: Record<string, string>;
}

export interface Scenario {
  /** What the host knows at first, where that is not the example's own. */
  workflows?: readonly AnyWorkflow[];
  play(host: ScenarioHost): Promise<Played>;
}

export interface Example {
  /** The one that the journals are of, and those that it needs. */
  workflows: readonly [AnyWorkflow, ...AnyWorkflow[]];
  /** By the name of the journal that is kept. */
  scenarios: Record<string, Scenario>;
  /** As if the services that it calls were new. */
  forget?(): void;
}

/** Holds the example's journals to what they are: they are still written so, and old ones are still replayed. */
export function keepsItsJournals({ workflows, scenarios, forget }: Example, folder: URL): void {
  const [definition] = workflows;
  describe(`golden journals of ${definition.name}`, () => {
    for (const [name, scenario] of Object.entries(scenarios))
      test(`${name}: the journal is still written so`, async () => {
        forget?.();
        const host = testHost({ workflows: scenario.workflows ?? workflows });
        const { runId, scrub } = await scenario.play(host);
        const file = new URL(`${name}.json`, folder);
        const { recorded, golden } = await withGolden(host, runId, file, scrub);
        expect(normalised(recorded)).toEqual(normalised(golden));
      });

    test("every one that was ever kept is still replayed", async () => {
      const files = goldenIn(folder);
      expect(files.length).toBeGreaterThanOrEqual(Object.keys(scenarios).length);
      for (const file of files) await replayJournal(definition, readGolden(file));
    });
  });
}
