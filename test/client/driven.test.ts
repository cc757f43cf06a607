/** The client's methods for managed and mirrored runs, against a host; and the snippets of their document, as they are. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from "vitest";
import type * as z from "zod";
import { localBackend } from "../../cli/host/backend.ts";
import { startHost } from "../../cli/host/host.ts";
import type { item, lease, step } from "../../shared/api/schemas/driven.ts";
import {
  type Client,
  createClient,
  type ItemView,
  type Lease,
  type StepView,
} from "../../shared/client/index.ts";
import { createEngine } from "../../shared/engine/settings.ts";

let client: Client;
let url: string;
let close: () => Promise<void>;

beforeAll(async () => {
  const directory = mkdtempSync(join(tmpdir(), "stepfold-driven-"));
  const backend = await localBackend(directory, "me");
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const settings = { owner: "me", codeHash: "test", ...backend.settings };
  const engine = createEngine(backend.ports, { workflows: [], log, settings });
  const host = await startHost({ engine, port: 0, receivers: 1, isAlone: true });
  url = host.url;
  client = createClient({ url });
  close = async () => {
    await host.close();
    await backend.close();
    rmSync(directory, { recursive: true, force: true });
  };
});

afterAll(() => close());

const begin = async (driver: "managed" | "mirrored"): Promise<string> =>
  (await client.start("any", undefined, { driver })).runId;

test("the types are the API's own", () => {
  expectTypeOf<z.infer<typeof step>>().toEqualTypeOf<StepView>();
  expectTypeOf<z.infer<typeof item>>().toEqualTypeOf<ItemView>();
  expectTypeOf<z.infer<typeof lease>>().toEqualTypeOf<Lease>();
});

test("an owner's calls, each bound to a revision and a key", async () => {
  const runId = await begin("managed");
  const waiting = await client.beginWait(runId, { for: 1 }, { step: "a", ifMatch: 0, idempotencyKey: "k" });
  expect(waiting).toMatchObject({ status: "waiting", wait: { for: 1 }, step: "a" });
  expect(await client.beginWait(runId, { for: 1 }, { step: "a", idempotencyKey: "k" })).toMatchObject({
    revision: 1,
  });
  await expect(client.continueRun(runId, { ifMatch: 0 })).rejects.toMatchObject({
    code: "StaleRevision",
    status: 412,
  });
  expect(await client.continueRun(runId, { patch: { b: 1 }, step: "b" })).toMatchObject({
    status: "running",
  });
  expect(await client.finishRun(runId, { patch: { c: 1 }, output: [1] })).toMatchObject({
    status: "completed",
    output: [1],
    state: { b: 1, c: 1 },
  });
  expect(await client.failRun(await begin("managed"), "no paper", { patch: { left: 1 } })).toMatchObject({
    status: "failed",
    error: { message: "no paper" },
    state: { left: 1, failure: { reason: "no paper" } },
  });
  const cancelled = await begin("mirrored");
  await client.cancel(cancelled, { reason: "enough" });
  await expect(client.continueRun(cancelled)).rejects.toMatchObject({ code: "CancelRequested", status: 409 });
  expect((await client.cancel(cancelled, { final: true })).status).toBe("cancelled");
});

test("gates", async () => {
  const runId = await begin("managed");
  const opened = await client.openGate(runId, "may/go", {
    prompt: "Go?",
    timeout: "1 day",
    idempotencyKey: "g",
  });
  expect(opened).toMatchObject({ kind: "gate", prompt: "Go?" });
  expect(
    await client.openGate(runId, "may/go", { prompt: "Go?", timeout: "1 day", idempotencyKey: "g" }),
  ).toMatchObject({
    id: opened.id,
  });
  await client.reject(runId, "may/go", { feedback: "no" });
  expect(await client.gate(runId, "may/go")).toMatchObject({ state: "rejected", feedback: "no" });
});

test("a worker's calls, under its generation", async () => {
  const runId = await begin("managed");
  const { generation } = await client.takeLease(runId, "one/two", "10s");
  await expect(client.takeLease(runId, "other", 1)).rejects.toMatchObject({ code: "LeaseHeld", status: 409 });
  const { stepId } = await client.addStep(
    runId,
    { name: "make", retryCount: 0 },
    { generation, idempotencyKey: "s" },
  );
  expect(
    await client.updateStep(runId, stepId, { status: "running", markers: ["m"] }, { generation }),
  ).toMatchObject({
    markers: ["m"],
  });
  const { items } = await client.addItems(
    runId,
    stepId,
    [
      { type: "t", id: "1" },
      { type: "t", id: "2" },
    ],
    {
      generation,
    },
  );
  await client.updateItems(runId, stepId, [{ itemId: items[1]!.itemId, status: "failed", error: "x" }], {
    generation,
  });
  expect((await client.items(runId, stepId, { status: ["failed", "skipped"] })).items).toMatchObject([
    { id: "2" },
  ]);
  expect((await client.items(runId, stepId, { limit: 1 })).cursor).toBe("1");
  await client.releaseLease(runId, "one/two");
  await expect(client.addStep(runId, { name: "late" }, { generation })).rejects.toMatchObject({
    code: "LeaseLost",
    status: 409,
    data: { generation, present: null },
  });
});

test("another system's reports", async () => {
  const runId = await begin("mirrored");
  const at = new Date("2026-01-01T00:00:00Z");
  await client.observe(runId, "their/1", { name: "load", status: "running", sessionKey: "k", at });
  expect(
    await client.observe(runId, "their/1", { name: "load", status: "completed", output: 1 }),
  ).toMatchObject({
    id: "their/1",
    sessionKey: "k",
    startedAt: at.toISOString(),
  });
});

describe("the document's snippets", () => {
  const text = readFileSync("docs/managed.md", "utf8");
  const snippets = new Map(
    [...text.matchAll(/^```ts\n\/\/ (\S+\.ts)\n([\s\S]*?)^```$/gm)].map(([, name, code]) => [name!, code!]),
  );
  const says: Record<string, RegExp> = {
    "owner.ts": /waiting .*the other side[\s\S]*completed .*signed: true/,
    "gates.ts": /state: 'approved'[\s\S]*at last/,
    "worker.ts": /^$/,
    "mirror.ts": /s-1 300000/,
  };

  test("each is tried", () => {
    expect([...snippets.keys()]).toEqual(Object.keys(says));
  });

  test.each(Object.entries(says))("%s does what it says", async (name, expected) => {
    const source = snippets.get(name)!.replaceAll("http://127.0.0.1:4317", url);
    const node = ["--conditions=stepfold-source", "--input-type=module-typescript", "--eval", source];
    const { stdout } = await promisify(execFile)(process.execPath, node);
    expect(stdout.trim()).toMatch(expected);
  });
});
