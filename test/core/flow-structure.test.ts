/** What a flow says of itself (hash and graph), and what it refuses. */
import { type AnyWorkflow, flow, type StepfoldError, workflow } from "stepfold";
import { testHost } from "stepfold/testing";
import { describe, expect, test } from "vitest";

const refusal = (work: () => unknown): StepfoldError => {
  try {
    work();
  } catch (thrown) {
    return thrown as StepfoldError;
  }
  throw new Error("Nothing was refused.");
};

const order = flow("order")
  .then("charge", (cents: number) => cents)
  .delay("cool-off", "3d")
  .awaitSignal<number>("paid", { timeout: "1h" })
  .branches({
    email: (cents) => cents,
    "text message": flow<number>("text")
      .delay("morning", "8h")
      .branches({ home: (cents) => cents, away: (cents) => cents }),
  })
  .join("report", (outputs) => outputs)
  .delay("rest", 1)
  .build();

describe("the definition hash", () => {
  const hashOf = (built: AnyWorkflow): string | undefined => built.definitionHash;
  const base = () => flow("a").then("charge", () => 1);

  test("is that of the structure, whatever the functions, options and name", () => {
    const other = flow("b", { version: 2, maxRetries: 7 })
      .then("charge", () => 2, { timeout: "5s" })
      .delay("wait", "1 hour")
      .awaitSignal("paid", { timeout: 60, where: () => true })
      .branches({ one: () => 1, two: flow("other name").then("two") })
      .build({ tasks: { two: () => 2 } });
    const same = base()
      .delay("wait", "60m")
      .awaitSignal("paid", { timeout: "1 minute" })
      .branches({ one: flow("named").then("one", () => 3), two: () => 4 })
      .build();
    expect(hashOf(other)).toBe(hashOf(same));
    expect(hashOf(same)).toMatch(/^[A-Za-z0-9_-]{22}$/);
  });

  test("differs by kind, name, order, length of time, branches, nesting and join", () => {
    const fork = (names: string[]) =>
      base().branches(Object.fromEntries(names.map((name) => [name, () => 1])));
    const different = [
      base(),
      flow("a").then("refund", () => 1),
      flow("a").delay("charge", 1),
      flow("a").awaitSignal("charge"),
      flow("a").awaitSignal("charge", { timeout: "1h" }),
      flow("a").awaitSignal("charge", { timeout: "2h" }),
      base().delay("wait", "1h"),
      base().delay("wait", "2h"),
      flow("a")
        .delay("wait", "1h")
        .then("charge", () => 1),
      fork(["x"]),
      fork(["x", "y"]),
      fork(["y", "x"]),
      fork(["x", "y"]).then("both", () => 1),
      fork(["x", "y"]).join("both", () => 1),
      base().branches({ x: flow("x").branches({ x: () => 1 }) }),
      base().branches({
        x: flow("x")
          .then("x", () => 1)
          .then("both", () => 1),
      }),
    ];
    const hashes = different.map((declared) => hashOf(declared.build()));
    expect(new Set(hashes).size).toBe(different.length);
  });

  test("a workflow that is a function has none", () => {
    expect(workflow("plain", () => 1)).not.toHaveProperty("definitionHash");
    expect(workflow("plain", () => 1)).not.toHaveProperty("graph");
  });

  test("stays what it is: runs are resumed by it", () => {
    expect(hashOf(order)).toMatchInlineSnapshot(`"wWdVEHQb5otMgSdu4dDZcT"`);
  });
});

describe("the graph", () => {
  test("has a node for each operation and an edge for each way on", () => {
    expect(order.graph).toEqual({
      nodes: [
        { id: "1", name: "charge", kind: "step" },
        { id: "2", name: "cool-off", kind: "timer", durationMs: 3 * 86_400_000 },
        { id: "3", name: "paid", kind: "signal", timeoutMs: 3_600_000 },
        { id: "4", name: "email, text message", kind: "all", branches: ["email", "text message"] },
        { id: "4/email/1", name: "email", kind: "step", parent: "4", branch: "email" },
        {
          id: "4/text%20message/1",
          name: "morning",
          kind: "timer",
          durationMs: 8 * 3_600_000,
          parent: "4",
          branch: "text message",
        },
        {
          id: "4/text%20message/2",
          name: "home, away",
          kind: "all",
          branches: ["home", "away"],
          parent: "4",
          branch: "text message",
        },
        {
          id: "4/text%20message/2/home/1",
          name: "home",
          kind: "step",
          parent: "4/text%20message/2",
          branch: "home",
        },
        {
          id: "4/text%20message/2/away/1",
          name: "away",
          kind: "step",
          parent: "4/text%20message/2",
          branch: "away",
        },
        { id: "5", name: "report", kind: "step", joins: "4" },
        { id: "6", name: "rest", kind: "timer", durationMs: 1_000 },
      ],
      edges: [
        { from: "1", to: "2" },
        { from: "2", to: "3" },
        { from: "3", to: "4" },
        { from: "4", to: "4/email/1", branch: "email" },
        { from: "4", to: "4/text%20message/1", branch: "text message" },
        { from: "4/text%20message/1", to: "4/text%20message/2" },
        { from: "4/text%20message/2", to: "4/text%20message/2/home/1", branch: "home" },
        { from: "4/text%20message/2", to: "4/text%20message/2/away/1", branch: "away" },
        { from: "4/email/1", to: "5" },
        { from: "4/text%20message/2/home/1", to: "5" },
        { from: "4/text%20message/2/away/1", to: "5" },
        { from: "5", to: "6" },
      ],
    });
    expect(JSON.parse(JSON.stringify(order.graph))).toEqual(order.graph);
  });

  test("its nodes are the run's operations, by id, kind and name", async () => {
    const host = testHost({ workflows: [order] });
    const runId = await host.start(order, 5);
    await host.skip("3d");
    await host.signal(runId, "paid", 5);
    await host.skip("9h");
    expect((await host.get(runId)).status).toBe("completed");
    const drawn = order.graph!.nodes.map(({ id, kind, name, parent }) => ({ id, kind, name, parent }));
    const done = (await host.operations(runId)).map(({ id, kind, name, parent }) => ({
      id,
      kind,
      name,
      parent,
    }));
    const byId = (left: { id: string }, right: { id: string }): number => (left.id < right.id ? -1 : 1);
    expect(done.sort(byId)).toEqual(drawn.sort(byId));
  });
});

describe("a flow", () => {
  test("is never changed: two may begin alike", () => {
    const begun = flow("begun").then("first", () => 1);
    const one = begun.then("second", () => 2).build();
    const other = begun.delay("second", 1).build();
    expect(begun.build().graph?.nodes).toHaveLength(1);
    expect([one, other].map(({ graph }) => graph?.nodes[1]?.kind)).toEqual(["step", "timer"]);
  });

  test("may be a branch of several forks", async () => {
    const shared = flow<number>("shared")
      .delay("wait", 1)
      .then("add", (count) => count + 1);
    const twice = flow<number>("twice")
      .branches({ left: shared, right: shared })
      .then("sum", ({ left, right }) => left + right)
      .branches({ left: shared })
      .build();
    const host = testHost({ workflows: [twice] });
    const runId = await host.start(twice, 1);
    await host.skip("1m");
    expect(await host.result(runId)).toEqual({ left: 5 });
  });

  test("names its fork by the number of branches where their names would be too long", () => {
    const names = Array.from({ length: 40 }, (_, index) => `branch ${index}`);
    const wide = flow("wide").branches(Object.fromEntries(names.map((name) => [name, () => name])));
    expect(wide.build().graph?.nodes[0]?.name).toBe("40 branches");
  });

  test.each<[string, string, () => unknown]>([
    ["a name that is empty", "InvalidName", () => flow("")],
    ["a step's name with a control character", "InvalidName", () => flow("a").then("a\nb", () => 1)],
    ["a delay's name that is too long", "InvalidName", () => flow("a").delay("x".repeat(129), 1)],
    ["a signal's name that is empty", "InvalidName", () => flow("a").awaitSignal("")],
    ["a branch's name that is empty", "InvalidName", () => flow("a").branches({ "": () => 1 })],
    ["a duration that is none", "InvalidDuration", () => flow("a").delay("wait", "soon")],
    ["a negative duration", "InvalidDuration", () => flow("a").delay("wait", -1)],
    ["a signal's timeout that is none", "InvalidDuration", () => flow("a").awaitSignal("b", { timeout: "" })],
    [
      "a step's timeout that is none",
      "InvalidDuration",
      () => flow("a").then("b", () => 1, { timeout: "x" }),
    ],
    [
      "attempts that are none",
      "InvalidOptions",
      () => flow("a").then("b", () => 1, { retry: { maxAttempts: 0 } }),
    ],
    ["a version that is none", "InvalidOptions", () => flow("a", { version: 0 }).delay("b", 1).build()],
    ["a task that is no function", "InvalidOptions", () => flow("a").then("b", 1 as never)],
    ["a branch that is neither", "InvalidOptions", () => flow("a").branches({ b: 1 as never })],
    [
      "a branch that is built already",
      "InvalidOptions",
      () => flow("a").branches({ b: flow("b").delay("c", 1).build() as never }),
    ],
    ["a fork without branches", "InvalidFlow", () => flow("a").branches({})],
    ["a branch without parts", "InvalidFlow", () => flow("a").branches({ b: flow("b") })],
    [
      "a branch with a workflow's options",
      "InvalidFlow",
      () => flow("a").branches({ b: flow("b", { timeout: "1h" }).delay("c", 1) }),
    ],
    ["a flow without parts", "InvalidFlow", () => flow("a").build()],
    [
      "two steps of one name",
      "InvalidFlow",
      () =>
        flow("a")
          .then("b", () => 1)
          .then("b", () => 2),
    ],
    [
      "a delay named like a step",
      "InvalidFlow",
      () =>
        flow("a")
          .then("b", () => 1)
          .delay("b", 1),
    ],
    [
      "a join of what a task made of it",
      "InvalidFlow",
      () => {
        const done = flow("a")
          .branches({ b: () => 1 })
          .then("c", () => 1);
        return (done as unknown as { join(name: string): unknown }).join("d");
      },
    ],
  ])("refuses %s", (_what, code, declare) => {
    expect(refusal(declare).code).toBe(code);
  });

  test("that is awaited instead of built says so", async () => {
    const declared: unknown = flow("a").then("b", () => 1);
    const awaited = (async () => await declared)();
    await expect(awaited).rejects.toThrow('flow "a" to be built before it is awaited');
  });
});
