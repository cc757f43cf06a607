/** The client against a host: each method over HTTP, types and failures. */
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from "vitest";
import type * as z from "zod";
import type { gateView } from "../../shared/api/schemas/decisions.ts";
import type { operation, signal } from "../../shared/api/schemas/details.ts";
import type { run, runSummary } from "../../shared/api/schemas/runs.ts";
import type { workflow as workflowSchema } from "../../shared/api/schemas/workflows.ts";
import {
  type Client,
  createClient,
  type Gate,
  type OperationView,
  type Run,
  type RunSummary,
  type SignalView,
  type WorkflowView,
} from "../../shared/client/index.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { localHost } from "../support/local-host.ts";

const add = workflow("add", async (runs, input: { left: number; right: number }) =>
  runs.step("sum", () => input.left + input.right),
);
const echo = workflow("echo", (_run, input: unknown) => input ?? null);
const listen = workflow("listen/for", (runs) => runs.waitForSignal<{ word: string }>("go/now"));
const fail = workflow("fail", (): number => {
  throw new RangeError("too far");
});

const count = workflow("count", async (runs, input: { left: number }): Promise<string> => {
  if (input.left > 0) return runs.continueAsNew({ left: input.left - 1 });
  return "counted";
});

const decide = workflow("decide", (runs) => runs.gate("may/go"));
const tokens: string[] = [];
const call = workflow("call", (runs) => runs.callback("print", (token) => void tokens.push(token)));
const broken = { now: true };
const fragile = workflow("fragile", (runs) =>
  runs.step(
    "ship",
    () => {
      if (broken.now) throw new Error("no truck");
      return "shipped";
    },
    { retry: { maxAttempts: 1 } },
  ),
);

let client: Client;
let url: string;
let close: () => Promise<void>;

beforeAll(async () => {
  ({ url, close } = await localHost([add, call, count, decide, echo, listen, fail, fragile]));
  client = createClient({ url: `${url}/` });
});
afterAll(() => close());

describe("types", () => {
  test("follow from the workflow", async () => {
    const started = await client.start(add, { left: 1, right: 2 });
    expectTypeOf(started).toEqualTypeOf<Run<number>>();
    expectTypeOf(await client.result(started)).toEqualTypeOf<number>();
    // @ts-expect-error: the input is not the workflow's
    const wrong = () => client.start(add, { left: "1" });
    expect(wrong).toBeTypeOf("function");
  });

  test("are the API's own", () => {
    expectTypeOf<Omit<z.infer<typeof run>, "state">>().toExtend<Omit<Run, "state">>();
    expectTypeOf<keyof z.infer<typeof run>>().toEqualTypeOf<keyof Run>();
    expectTypeOf<z.infer<typeof runSummary>>().toEqualTypeOf<RunSummary>();
    expectTypeOf<z.infer<typeof operation>>().toEqualTypeOf<OperationView>();
    expectTypeOf<z.infer<typeof signal>>().toEqualTypeOf<SignalView>();
    expectTypeOf<z.infer<typeof gateView>>().toEqualTypeOf<Gate>();
    expectTypeOf<z.infer<typeof workflowSchema>>().toExtend<WorkflowView>();
    expectTypeOf<keyof z.infer<typeof workflowSchema>>().toEqualTypeOf<keyof WorkflowView>();
  });
});

describe("runs", () => {
  test("start with every option, and wait", async () => {
    const startAt = new Date(Date.now() + 50);
    const options = {
      runId: "all",
      owner: "me",
      tags: { a: "b" },
      timeout: "1h",
      startAt,
      state: { x: 1 },
      waitSeconds: 25,
      idempotencyKey: "k",
    };
    expect(await client.start(add, { left: 1, right: 2 }, options)).toMatchObject({
      runId: "all",
      status: "completed",
      output: 3,
      tags: { a: "b" },
      state: { x: 1 },
      startAt: startAt.toISOString(),
    });
    expect(await client.get("all")).toMatchObject({ output: 3 });
    expect(await client.result("all")).toBe(3);
  });

  test("a result is that of the last run of a chain", async () => {
    const first = await client.start(count, { left: 2 }, { runId: "chain" });
    expect(await client.result(first)).toBe("counted");
    const last = await client.wait("chain");
    expect(last).toMatchObject({ status: "completed", firstRunId: "chain" });
    await client.remove(last.runId);
    await expect(client.wait("chain")).rejects.toMatchObject({ code: "RunNotFound" });
  });

  test("pause, resume, redrive", async () => {
    const { runId } = await client.start(listen, undefined);
    expect(await client.pause(runId, { reason: "lunch", by: "me" })).toMatchObject({
      status: "paused",
      pause: { reason: "lunch", by: "me" },
    });
    const { revision } = await client.get(runId);
    await expect(client.resume(runId, { ifMatch: revision - 1 })).rejects.toMatchObject({
      code: "StaleRevision",
      status: 412,
    });
    expect(await client.resume(runId, { idempotencyKey: "k" })).not.toHaveProperty("pause");
    await expect(client.redrive(runId)).rejects.toMatchObject({ code: "NotRedrivable", status: 409 });

    const failed = await client.start(fragile, undefined);
    await expect(client.result(failed)).rejects.toMatchObject({ code: "RunFailed" });
    broken.now = false;
    expect(await client.result(await client.redrive(failed.runId, { from: "ship" }))).toBe("shipped");
  });

  test("gates", async () => {
    const { runId } = await client.start(decide, undefined);
    await expect.poll(async () => (await client.get(runId)).waitingFor.length).toBe(1);
    expect(await client.gate(runId, "may/go")).toEqual({ state: "pending" });
    const said = { feedback: { well: "done" }, selections: ["a"], by: "ann" };
    expect(await client.approve(runId, "may/go", { ...said, idempotencyKey: "k" })).toMatchObject({
      kind: "gate",
      decision: { approved: true, ...said },
    });
    expect(await client.result(runId)).toEqual({ approved: true, ...said });
    expect(await client.gate(runId, "may/go")).toMatchObject({ state: "approved", ...said });
    await expect(client.reject(runId, "may/go")).rejects.toMatchObject({ code: "AlreadyDecided" });
    await expect(client.gate(runId, "other")).rejects.toMatchObject({ code: "OperationNotFound" });
  });

  test("callbacks", async () => {
    const outcomes = [];
    for (const end of ["succeed", "fail"]) {
      const { runId } = await client.start(call, undefined);
      await expect.poll(() => tokens.length).toBe(1);
      const token = tokens.pop()!;
      expect(await client.beatCallback(token)).toMatchObject({ kind: "callback", status: "waiting" });
      if (end === "succeed") await client.succeedCallback(token, { pages: 3 });
      else await client.failCallback(token, { message: "no paper", code: "Jam" });
      outcomes.push(await client.result(runId).catch((error: unknown) => error));
      await expect(client.beatCallback(token)).rejects.toMatchObject({ code: "TokenExpired", status: 410 });
    }
    expect(outcomes).toMatchObject([
      { pages: 3 },
      { code: "RunFailed", data: { error: { code: "CallbackFailed", name: "Jam", message: "no paper" } } },
    ]);
    await expect(client.succeedCallback("forged")).rejects.toMatchObject({
      code: "InvalidToken",
      status: 403,
    });
  });

  test("a large result is fetched where the API says", async () => {
    const large = "x".repeat(5_300_000);
    expect(await client.result(await client.start("echo", large))).toBe(large);
  });

  test("list, details and removal", async () => {
    await client.start(echo, 1, { runId: "e", owner: "lister", tags: { k: "v" }, waitSeconds: 25 });
    const filter = {
      owner: "lister",
      status: ["completed", "active"],
      tag: { key: "k", value: "v" },
      createdAfter: new Date(0),
      order: "asc",
      limit: 10,
    } as const;
    expect((await client.list(filter)).items.map(({ runId }) => runId)).toEqual(["e"]);
    const { limit: _limit, order: _order, ...which } = filter;
    const report = await client.result(await client.bulk("cancel", which, { reason: "over" }));
    expect(report).toMatchObject({ action: "cancel", matched: 1, items: [{ runId: "e" }] });
    const { items } = await client.journal("e", { after: 0, limit: 200 });
    expect(items.at(-1)).toMatchObject({ type: "RunCompleted", output: 1 });
    expect(await client.operations("e")).toEqual({ items: [] });
    await client.remove("e");
    await expect(client.get("e")).rejects.toMatchObject({ code: "RunNotFound", status: 404 });
  });

  test("signals, state, cancel", async () => {
    const started = await client.start(listen, undefined);
    const { runId } = started;
    expect((await client.patchState(runId, { seen: true }, { step: "two" })).state).toEqual({ seen: true });
    await client.signal(runId, "go/now", { word: "hello" }, { idempotencyKey: "k" });
    expect(await client.result(started)).toEqual({ word: "hello" });
    expect((await client.signals(runId)).items).toMatchObject([
      { name: "go/now", payload: { word: "hello" } },
    ]);
    expect(await client.cancelled(runId)).toEqual({ cancelled: false });

    const other = await client.start(listen, undefined);
    expect((await client.cancel(other.runId, { reason: "enough", by: "me" })).cancel).toMatchObject({
      reason: "enough",
    });
    await expect(client.result(other)).rejects.toMatchObject({ code: "RunCancelled" });
    expect(await client.cancelled(other.runId)).toEqual({ cancelled: true, reason: "enough" });
  });

  test("workflows and health", async () => {
    expect((await client.workflows()).items.map(({ name }) => name)).toEqual([
      "add",
      "call",
      "count",
      "decide",
      "echo",
      "fail",
      "fragile",
      "listen/for",
    ]);
    expect(await client.workflow("listen/for")).toMatchObject({ name: "listen/for", versions: [1] });
    expect(await client.health()).toEqual({ status: "ok" });
  });
});

describe("failures are StepfoldClientErrors", () => {
  test("a problem keeps its code, status, detail and data", async () => {
    const error = await client
      .start("add", undefined, { owner: "\u0000" })
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      name: "StepfoldClientError",
      code: "InvalidInput",
      status: 422,
      data: { issues: [{ path: "owner" }] },
    });
    await expect(client.cancel("all", { ifMatch: 0 })).rejects.toMatchObject({
      code: "RunFinished",
      status: 409,
    });
  });

  test("a run that failed says how", async () => {
    const error = await client.result(await client.start(fail, undefined)).catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: "RunFailed",
      data: { error: { name: "RangeError", message: "too far" } },
    });
  });

  test("no host, or another one", async () => {
    await expect(createClient({ url: "http://127.0.0.1:1" }).health()).rejects.toMatchObject({
      code: "Unreachable",
      status: 0,
    });
    const html = createClient({ url, fetch: async () => new Response("<html>", { status: 502 }) });
    await expect(html.health()).rejects.toMatchObject({ code: "UnknownAnswer", status: 502 });
  });
});

describe("what a path cannot hold", () => {
  test.each(["", ".", ".."])("%j is refused before it could reach another path", async (text) => {
    const refused = { code: "InvalidName", status: 422 };
    await expect(client.get(text)).rejects.toMatchObject(refused);
    await expect(client.remove(text)).rejects.toMatchObject(refused);
    await expect(client.signal("r", text)).rejects.toMatchObject(refused);
  });

  test("anything else reaches what it names", async () => {
    await expect(client.get("...")).rejects.toMatchObject({ code: "RunNotFound", data: { runId: "..." } });
    await expect(client.workflow("../a?b#c")).rejects.toMatchObject({ code: "WorkflowNotFound" });
  });
});

test("a signal may be bound to the revision that its sender has seen", async () => {
  const { runId, revision } = await client.start(listen, undefined, { waitSeconds: 1 });
  await expect(client.signal(runId, "go/now", 1, { ifMatch: revision + 100 })).rejects.toMatchObject({
    code: "StaleRevision",
  });
});

describe("auth", () => {
  const seen: Record<string, string>[] = [];
  const noting = (async (_url: unknown, init: RequestInit) => {
    seen.push(init.headers as Record<string, string>);
    return Response.json({ status: "ok" });
  }) as typeof fetch;

  test("is a header's value, or a function of the request", async () => {
    await createClient({ url, auth: "Bearer t", fetch: noting }).health();
    expect(seen.at(-1)).toEqual({ authorization: "Bearer t" });
    const sign = (request: { method: string; url: string }) => ({
      "x-signed": `${request.method} ${new URL(request.url).pathname}`,
    });
    await createClient({ url, auth: sign, fetch: noting }).health();
    expect(seen.at(-1)).toEqual({ "x-signed": "GET /health" });
  });

  test("a function may answer the header's value, a new one each time", async () => {
    let count = 0;
    const auth = async () => `Bearer ${++count}`;
    const own = createClient({ url, auth, fetch: noting });
    await own.health();
    await own.health();
    expect(seen.slice(-2)).toEqual([{ authorization: "Bearer 1" }, { authorization: "Bearer 2" }]);
  });
});
