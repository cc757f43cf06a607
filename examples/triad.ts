/** What the test of every example holds its journals to: they are still written so, and old ones are still replayed. */
import type { AnyWorkflow } from "stepfold";
import { normalised, replayJournal, type TestHost, testHost } from "stepfold/testing";
import { describe, expect, test } from "vitest";
import { goldenIn, readGolden, withGolden } from "./golden.ts";

/** A scenario answers the run whose journal it is about. `all` are the workflows of the host, if there are more. */
export function keepsItsJournals(
  definition: AnyWorkflow,
  folder: URL,
  scenarios: Record<string, (host: TestHost) => Promise<string>>,
  all: AnyWorkflow[] = [definition],
): void {
  describe(`golden journals of ${definition.name}`, () => {
    for (const [name, scenario] of Object.entries(scenarios))
      test(`${name}: the journal is still written so`, async () => {
        const host = testHost({ workflows: all });
        const runId = await scenario(host);
        const { recorded, golden } = await withGolden(host, runId, new URL(`${name}.json`, folder));
        expect(normalised(recorded)).toEqual(normalised(golden));
      });

    test("every one that was ever kept is still replayed", async () => {
      const files = goldenIn(folder);
      expect(files.length).toBeGreaterThanOrEqual(Object.keys(scenarios).length);
      for (const file of files) await replayJournal(definition, readGolden(file));
    });
  });
}
