/**
 * Isolation by owner: a caller sees and touches its own runs only. Every route is taken from the table of routes, so
 * that none can be forgotten.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { type Access, accessOf, principalOf } from "../../shared/api/access.ts";
import type { Route } from "../../shared/api/route.ts";
import { routes } from "../../shared/api/routes/index.ts";
import type { Isolation } from "../../shared/engine/settings.ts";
import * as workflows from "./workflows.ts";
import { type Asked, aWorld, problem, type World } from "./world.ts";

const claims = (sub: string, more = {}): Pick<Asked, "as"> => ({ as: { claims: { sub, ...more } } });
const arn = (name: string): Pick<Asked, "as"> => ({ as: { arn: `arn:aws:iam::123456789012:role/${name}` } });
const alice = claims("alice");
const bob = claims("bob");
const admin = claims("root", { groups: "[users admin]" });

const all = [...workflows.all, workflows.call];
const isolated = (isolation: Isolation = { admins: { claim: "groups", value: "admin" } }): World =>
  aWorld(all, ({ settings }) => ({ settings: { ...settings, isolation } }));

const withAccess = (access: Access): Route[] => routes.filter((route) => accessOf(route) === access);
const named = (found: Route[]) => found.map(({ method, path }) => `${method} ${path}`);

let world: World;
beforeEach(() => {
  world = isolated();
});

const started = async (as: Pick<Asked, "as">, body: object = {}): Promise<string> => {
  const { body: run } = await world.ask("POST", "/runs", {
    ...as,
    body: { workflow: "listen/for go", ...body },
  });
  return run.runId;
};

describe("every route", () => {
  test("is a run's, a token's, or one of these", () => {
    expect(named(withAccess("admin")), "decide who may use it").toEqual([]);
    expect(named(withAccess("token"))).toEqual([
      "POST /callbacks/{token}/succeed",
      "POST /callbacks/{token}/fail",
      "POST /callbacks/{token}/heartbeat",
    ]);
    expect(named(withAccess("everyone"))).toEqual([
      "GET /workflows",
      "GET /workflows/{name}",
      "GET /health",
      "GET /openapi.json",
    ]);
    expect(named(withAccess("caller"))).toEqual(["POST /runs", "GET /runs", "POST /runs/bulk"]);
    const all = (["run", "token", "everyone", "caller"] as const).flatMap(withAccess);
    expect(all).toHaveLength(routes.length);
  });

  test("is for admins unless it says something else", () => {
    const route = { ...withAccess("caller")[0]!, path: "/new" };
    expect(accessOf({ ...route, access: undefined as never })).toBe("admin");
  });

  test.each(withAccess("run").map((route) => [`${route.method} ${route.path}`, route] as const))(
    "%s answers another owner's run as one that there is not, and does nothing to it",
    async (_name, route) => {
      const runId = await started(alice, { runId: "alices" });
      const before = (await world.engine.journal.read(runId, { consistent: true }))!;
      const asked = { ...bob, ...bodyFor(route) };
      const others = await world.ask(route.method, pathOf(route, runId), asked);
      const absent = await world.ask(route.method, pathOf(route, "absent"), asked);
      expect(others).toMatchObject(problem(404, "RunNotFound"));
      expect(JSON.parse(JSON.stringify(others).replaceAll(runId, "absent"))).toEqual(absent);
      expect(await world.engine.journal.read(runId, { consistent: true })).toEqual(before);
    },
  );

  test.each(withAccess("run").map((route) => [`${route.method} ${route.path}`, route] as const))(
    "%s is the owner's, and an admin's",
    async (_name, route) => {
      for (const as of [alice, admin]) {
        const runId = await started(alice);
        const answer = await world.ask(route.method, pathOf(route, runId), { ...as, ...bodyFor(route) });
        expect(answer.body?.code).not.toBe("RunNotFound");
        expect(answer.body?.code).not.toBe("Forbidden");
      }
    },
  );

  test.each(
    [...withAccess("run"), ...withAccess("caller")].map((route) => [named([route])[0], route] as const),
  )("%s is refused to who has no identity", async (_name, route) => {
    const runId = await started(alice);
    for (const as of [{}, claims(""), { as: { claims: {} } }, claims("a\nb"), claims("x".repeat(257))])
      expect(await world.ask(route.method, pathOf(route, runId), { ...as, ...bodyFor(route) })).toMatchObject(
        problem(403, "Forbidden"),
      );
  });

  test.each(withAccess("everyone").map((route) => [named([route])[0], route] as const))(
    "%s is for everyone",
    async (_name, route) => {
      const answer = await world.ask(route.method, route.path.replace("{name}", "echo"));
      expect(answer.status).toBe(200);
    },
  );
});

describe("a bulk operation", () => {
  test("reaches the caller's own runs alone, and is the caller's own", async () => {
    const [own, other] = [await started(alice), await started(bob)];
    const body = { action: "cancel", filter: {} };
    const answer = await world.ask("POST", "/runs/bulk", { ...alice, body });
    expect(answer).toMatchObject({ status: 202, body: { owner: "alice" } });
    await world.runs.skip(0);
    const { items } = (await world.ask("GET", `/runs/${answer.body.runId}`, alice)).body.output;
    const asked = items.map(({ runId }: { runId: string }) => runId);
    expect(asked).toContain(own);
    expect(asked).not.toContain(other);
    expect(await world.ask("GET", `/runs/${answer.body.runId}`, bob)).toMatchObject({ status: 404 });
  });

  test("on another owner's runs is refused", async () => {
    const body = { action: "cancel", filter: { owner: "bob" } };
    expect(await world.ask("POST", "/runs/bulk", { ...alice, body })).toMatchObject(
      problem(403, "Forbidden"),
    );
  });
});

describe("starting", () => {
  test("makes the caller the owner", async () => {
    const answer = await world.ask("POST", "/runs", { ...alice, body: { workflow: "echo" } });
    expect(answer).toMatchObject({ status: 201, body: { owner: "alice" } });
  });

  test("for another owner is refused, but for an admin", async () => {
    const body = { workflow: "echo", owner: "alice" };
    expect(await world.ask("POST", "/runs", { ...bob, body })).toMatchObject(problem(403, "Forbidden"));
    expect(await world.ask("POST", "/runs", { ...alice, body })).toMatchObject({ status: 201 });
    expect(await world.ask("POST", "/runs", { ...admin, body })).toMatchObject({
      status: 201,
      body: { owner: "alice" },
    });
  });

  test("with a key that another owner has used starts a run of one's own", async () => {
    const asked = { body: { workflow: "echo", input: 1 }, headers: { "idempotency-key": "order-1" } };
    const first = await world.ask("POST", "/runs", { ...alice, ...asked });
    const second = await world.ask("POST", "/runs", { ...bob, ...asked });
    const again = await world.ask("POST", "/runs", { ...alice, ...asked });
    expect([first.status, second.status, again.status]).toEqual([201, 201, 200]);
    expect(second.body).toMatchObject({ owner: "bob" });
    expect(second.body.runId).not.toBe(first.body.runId);
    expect(again.body.runId).toBe(first.body.runId);
    const other = { ...asked, body: { workflow: "echo", input: 2 } };
    expect(await world.ask("POST", "/runs", { ...bob, ...other })).toMatchObject(
      problem(409, "IdempotencyConflict"),
    );
  });

  test("under another owner's run id is a conflict that shows nothing of the run", async () => {
    await started(alice, { runId: "taken", goal: "secret" });
    const answer = await world.ask("POST", "/runs", {
      ...bob,
      body: { workflow: "listen/for go", runId: "taken", goal: "secret" },
    });
    expect(answer).toMatchObject(problem(409, "IdempotencyConflict"));
    expect(JSON.stringify(answer)).not.toMatch(/alice|secret|listen/);
  });

  test("under an id of a derived form is refused: it would take another owner's key", async () => {
    const { body } = await world.ask("POST", "/runs", {
      ...alice,
      body: { workflow: "echo" },
      headers: { "idempotency-key": "order-1" },
    });
    const taking = { ...bob, body: { workflow: "echo", runId: body.runId } };
    expect(await world.ask("POST", "/runs", taking)).toMatchObject(problem(422, "InvalidInput"));
  });

  test("under another owner's parent is refused as under one that there is not", async () => {
    const parentRunId = await started(alice);
    for (const parent of [parentRunId, "absent"])
      expect(
        await world.ask("POST", "/runs", { ...bob, body: { workflow: "echo", parentRunId: parent } }),
      ).toMatchObject(problem(404, "RunNotFound"));
    expect(
      await world.ask("POST", "/runs", { ...alice, body: { workflow: "echo", parentRunId } }),
    ).toMatchObject({ status: 201 });
  });

  test("passes the owner on to children", async () => {
    const { body } = await world.ask("POST", "/runs", { ...alice, body: { workflow: "parent" } });
    await world.runs.get(body.runId);
    const { body: list } = await world.ask("GET", `/runs?parent=${body.runId}`, alice);
    expect(list.items).toMatchObject([{ owner: "alice", parentRunId: body.runId }]);
    expect((await world.ask("GET", `/runs?parent=${body.runId}`, bob)).body.items).toEqual([]);
  });
});

describe("lists", () => {
  test("show the caller's own runs, whatever they filter by, and an admin all", async () => {
    await started(alice, { runId: "a", tags: { team: "one" } });
    await started(bob, { runId: "b", tags: { team: "one" } });
    const ids = async (query: string, as: Pick<Asked, "as">) =>
      (await world.ask("GET", `/runs${query}`, as)).body.items.map(({ runId }: { runId: string }) => runId);
    for (const query of [
      "",
      "?workflow=listen%2Ffor%20go",
      "?tag=team:one",
      "?status=active",
      "?owner=bob",
      "?order=asc",
    ])
      expect(await ids(query, bob), query).toEqual(["b"]);
    expect(await ids("?owner=alice", bob)).toEqual([]);
    expect((await ids("", admin)).sort()).toEqual(["a", "b"]);
    expect(await ids("?owner=alice", admin)).toEqual(["a"]);
  });
});

test("a callback's token is enough: whoever was given it need not own the run", async () => {
  const { body } = await world.ask("POST", "/runs", { ...alice, body: { workflow: "call" } });
  await world.runs.get(body.runId);
  const token = workflows.tokens.at(-1)!;
  const answer = await world.ask("POST", `/callbacks/${token}/succeed`, { ...bob, body: { output: 1 } });
  expect(answer.status).toBe(200);
});

describe("who a caller is", () => {
  test("another claim may name the owner", async () => {
    world = isolated({ claim: "tenant" });
    const body = { workflow: "echo" };
    expect(await world.ask("POST", "/runs", { ...claims("alice", { tenant: "acme" }), body })).toMatchObject({
      body: { owner: "acme" },
    });
    expect(await world.ask("POST", "/runs", { ...alice, body })).toMatchObject(problem(403, "Forbidden"));
  });

  test("an IAM principal is its ARN, a role in all its sessions", async () => {
    world = isolated({ admins: ["arn:aws:iam::123456789012:role/ops/Operators"] });
    const session = (name: string) => ({
      as: { arn: `arn:aws:sts::123456789012:assumed-role/${name}` },
    });
    const runId = await started(session("Shop/one"), { runId: "s" });
    expect(await world.ask("GET", `/runs/${runId}`, session("Shop/two"))).toMatchObject({
      body: { owner: "arn:aws:iam::123456789012:role/Shop" },
    });
    expect(await world.ask("GET", `/runs/${runId}`, session("Other/one"))).toMatchObject({ status: 404 });
    expect(await world.ask("GET", `/runs/${runId}`, arn("Shop"))).toMatchObject({ status: 200 });
    expect(await world.ask("GET", `/runs/${runId}`, session("Operators/ada"))).toMatchObject({ status: 200 });
  });

  test.each([
    ["arn:aws:iam::1:user/ada", "arn:aws:iam::1:user/ada"],
    ["arn:aws:iam::1:role/a/b/Shop", "arn:aws:iam::1:role/Shop"],
    ["arn:aws-cn:sts::1:assumed-role/Shop/s", "arn:aws-cn:iam::1:role/Shop"],
    ["arn:aws:iam::1:root", "arn:aws:iam::1:root"],
    [undefined, undefined],
  ])("%s is %s", (given, principal) => expect(principalOf(given)).toBe(principal));

  test.each([
    ["a list as API Gateway writes it", "[users admin]", true],
    ["a list", ["users", "admin"], true],
    ["one value", "admin", true],
    ["words", "read admin", true],
    ["a longer word", "administrator", false],
    ["a part of one", "[not-admin]", false],
    ["nothing", undefined, false],
    ["no text", { admin: true }, false],
  ])("an admin's claim may be %s", async (_what, groups, isAdmin) => {
    const runId = await started(alice);
    const as = { as: { claims: { sub: "x", ...(groups === undefined ? {} : { groups }) } } };
    expect((await world.ask("GET", `/runs/${runId}`, as)).status).toBe(isAdmin ? 200 : 404);
  });

  test("what the request itself says is nothing", async () => {
    const runId = await started(alice);
    const headers = { "stepfold-claims": '{"sub":"alice"}', authorization: "Bearer alice" };
    expect(await world.ask("GET", `/runs/${runId}`, { headers })).toMatchObject(problem(403, "Forbidden"));
    expect(await world.ask("GET", `/runs/${runId}`, { ...bob, headers })).toMatchObject({ status: 404 });
  });
});

test("without isolation everyone sees all", async () => {
  world = aWorld(all);
  const runId = await started({}, { owner: "alice" });
  expect(await world.ask("GET", `/runs/${runId}`, bob)).toMatchObject({ status: 200 });
});

function pathOf(route: Route, runId: string): string {
  const path = route.path.replace("{runId}", runId).replaceAll(/\{\w+\}/g, "any");
  const query = ["", "?token=worker"].find((given) => {
    const [[name, value] = []] = [...new URLSearchParams(given)];
    return route.query?.safeParse(name === undefined ? {} : { [name]: value }).success ?? true;
  });
  expect(query, `a sample query for ${route.operationId}`).toBeDefined();
  return `${path}${query}`;
}

/** A body and headers that the route takes, so that only who asks decides. */
const SAMPLES: unknown[] = [
  undefined,
  {},
  { workflow: "listen/for go" },
  { action: "cancel", filter: {} },
  { wait: "paid" },
  { token: "worker", ttl: "1m" },
  { name: "step" },
  { name: "step", status: "running" },
  { status: "completed" },
  { error: { message: "failed" } },
  [{ type: "file", id: "1" }],
  [{ itemId: "1", status: "completed" }],
];

function bodyFor(route: Route): Pick<Asked, "body" | "headers"> {
  const headers = { "stepfold-generation": "0" };
  if (route.body === undefined) return { headers };
  const sample = SAMPLES.find((value) => route.body!.safeParse(value).success);
  expect(route.body.safeParse(sample).success, `a sample body for ${route.operationId}`).toBe(true);
  return sample === undefined ? { headers } : { body: sample, headers };
}
