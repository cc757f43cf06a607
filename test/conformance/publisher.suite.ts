/** The promises of `shared/ports/publisher.ts`, asked of any adapter. */
import { expect } from "vitest";
import type { Publisher, StatusChange } from "../../shared/ports/publisher.ts";
import { declareSuite, type SuiteOptions } from "../support/ports.ts";

interface Port {
  publisher: Publisher;
  /** What came out, as details of events. */
  published(): unknown[];
  close(): Promise<void>;
}

const aChange = (revision: number, change: Partial<StatusChange> = {}): StatusChange => ({
  id: `id-${revision}`,
  runId: "run-1",
  workflow: "order",
  version: 2,
  status: "waiting",
  previous: "running",
  at: 1_700_000_000_000 + revision,
  revision,
  ...change,
});

export function publisherSuite(name: string, open: () => Promise<Port>, options: SuiteOptions = {}): void {
  declareSuite(`publisher: ${name}`, open, options, (test) => {
    test("a change comes out with all that it says", async ({ publisher, published }) => {
      const change = aChange(3, { status: "failed", owner: "ada", tags: { a: "ü" }, error: "StepFailed" });
      await publisher.publish([change]);
      expect(published()).toEqual([{ ...change, at: "2023-11-14T22:13:20.003Z" }]);
    });

    test("what is not there is left out", async ({ publisher, published }) => {
      const { previous: _previous, ...change } = aChange(1);
      await publisher.publish([change]);
      expect(Object.keys(published()[0] as object).sort()).toEqual(
        ["at", "id", "revision", "runId", "status", "version", "workflow"].sort(),
      );
    });

    test("many at once all come out, none of nothing", async ({ publisher, published }) => {
      await publisher.publish([]);
      expect(published()).toEqual([]);
      const changes = Array.from({ length: 25 }, (_, revision) => aChange(revision));
      await publisher.publish(changes);
      expect(published().map((detail) => (detail as StatusChange).id)).toEqual(changes.map(({ id }) => id));
    });

    test("one that is published twice keeps its id", async ({ publisher, published }) => {
      await publisher.publish([aChange(1)]);
      await publisher.publish([aChange(1)]);
      expect(published()).toHaveLength(2);
      expect(published()[0]).toEqual(published()[1]);
    });
  });
}
