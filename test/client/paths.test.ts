/** One method a path: every route of the API is reached by the client, and nothing else is asked for. */
import { expect, test } from "vitest";
import { routes } from "../../shared/api/routes/index.ts";
import { type Client, createClient } from "../../shared/client/index.ts";

/** Each method with an argument for every part of its path. */
const calls: { [Method in keyof Client]?: (client: Client) => Promise<unknown> } = {
  start: (client) => client.start("w"),
  list: (client) => client.list(),
  get: (client) => client.get("r"),
  remove: (client) => client.remove("r"),
  journal: (client) => client.journal("r"),
  operations: (client) => client.operations("r"),
  cancelled: (client) => client.cancelled("r"),
  signals: (client) => client.signals("r"),
  signal: (client) => client.signal("r", "n"),
  cancel: (client) => client.cancel("r"),
  pause: (client) => client.pause("r"),
  resume: (client) => client.resume("r"),
  redrive: (client) => client.redrive("r"),
  patchState: (client) => client.patchState("r", {}),
  gate: (client) => client.gate("r", "g"),
  approve: (client) => client.approve("r", "g"),
  reject: (client) => client.reject("r", "g"),
  succeedCallback: (client) => client.succeedCallback("t"),
  failCallback: (client) => client.failCallback("t", { message: "m" }),
  beatCallback: (client) => client.beatCallback("t"),
  beginWait: (client) => client.beginWait("r", {}),
  continueRun: (client) => client.continueRun("r"),
  finishRun: (client) => client.finishRun("r"),
  failRun: (client) => client.failRun("r", "m"),
  openGate: (client) => client.openGate("r", "g"),
  observe: (client) => client.observe("r", "e", { name: "n", status: "running" }),
  takeLease: (client) => client.takeLease("r", "t", "1m"),
  releaseLease: (client) => client.releaseLease("r", "t"),
  addStep: (client) => client.addStep("r", { name: "n" }, { generation: 1 }),
  updateStep: (client) => client.updateStep("r", "s", { status: "completed" }, { generation: 1 }),
  addItems: (client) => client.addItems("r", "s", [], { generation: 1 }),
  updateItems: (client) => client.updateItems("r", "s", [], { generation: 1 }),
  items: (client) => client.items("r", "s"),
  bulk: (client) => client.bulk("cancel", { workflow: "w" }),
  workflows: (client) => client.workflows(),
  workflow: (client) => client.workflow("n"),
  health: (client) => client.health(),
};

/** They ask more than once, or by other methods. */
const COMPOSED = ["wait", "result"];
/** For machines that make clients. */
const LEFT_OUT = ["GET /openapi.json"];

const templates = routes.map(({ method, path }) => ({
  route: `${method} ${path}`,
  method,
  pattern: new RegExp(`^${path.replace(/\{\w+\}/g, "[^/]+")}$`),
}));

async function routeOf(call: (client: Client) => Promise<unknown>): Promise<string | undefined> {
  const asked: string[] = [];
  const noting = (async (url: string, { method = "GET" }: RequestInit) => {
    const path = new URL(url).pathname;
    // Fixed parts go before parameters, as in the router.
    const found = templates
      .filter((template) => template.method === method && template.pattern.test(path))
      .sort((left, right) => left.route.split("{").length - right.route.split("{").length)[0];
    asked.push(found?.route ?? `${method} ${path}`);
    return Response.json({});
  }) as typeof fetch;
  await call(createClient({ url: "http://host.test", fetch: noting }));
  expect(asked).toHaveLength(1);
  return asked[0];
}

test("every route has its method, and every method its route", async () => {
  const reached = await Promise.all(Object.values(calls).map(routeOf));
  expect(reached.sort()).toEqual(
    templates
      .map(({ route }) => route)
      .filter((route) => !LEFT_OUT.includes(route))
      .sort(),
  );
});

test("every method is looked at", () => {
  const client = createClient({ url: "http://host.test" });
  expect(
    Object.keys(client)
      .filter((method) => !COMPOSED.includes(method))
      .sort(),
  ).toEqual(Object.keys(calls).sort());
});
