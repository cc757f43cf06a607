import { everyCrash, testHost } from "stepfold/testing";
import { expect, test } from "vitest";
import { keepsItsJournals } from "../triad.ts";
import { example, files } from "./scenarios.ts";
import { catalogue, fileImport } from "./workflow.ts";

const workflows = [catalogue, fileImport];
test("imports each file by a run of its own, and tolerates one in four", async () => {
  const host = testHost({ workflows });
  const runId = await host.start(catalogue, files);
  await host.skip("1m");
  expect(await host.result(runId)).toEqual({ files: 3, failed: 1, products: 4 });
  const children = (await host.operations(runId)).filter(({ kind }) => kind === "child");
  expect(children.map(({ status }) => status)).toEqual(["completed", "failed", "completed", "completed"]);
  expect((await host.get(children[0]!.childRunId!)).output).toEqual({ name: "a", products: 2, cents: 4_490 });
});

test("more failures than that fail the catalogue, which says why", async () => {
  const host = testHost({ workflows });
  const runId = await host.start(catalogue, [files[0]!, files[1]!, files[2]!]);
  await host.skip("1m");
  await expect(host.result(runId)).rejects.toMatchObject({ code: "ToleranceExceeded" });
});

test("cancelling the catalogue cancels the files that are in work", async () => {
  const host = testHost({ workflows });
  for (const _ of [1, 2]) host.failNext("read", new Error("disk busy"));
  const runId = await host.start(catalogue, files);
  await host.cancel(runId);
  const children = (await host.operations(runId)).filter(({ kind }) => kind === "child");
  expect(children).toHaveLength(2);
  for (const { childRunId } of children) expect((await host.get(childRunId!)).status).toBe("cancelled");
});

test("whenever the process dies, every file is imported", async () => {
  const { crashes } = await everyCrash({ workflows }, async (host) => {
    const runId = await host.start(catalogue, [files[0]!, files[2]!]);
    await host.skip("5m");
    return host.result(runId);
  });
  expect(crashes).toBeGreaterThan(40);
});

keepsItsJournals(example, new URL("golden/", import.meta.url));
