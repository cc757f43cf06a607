/** The document says what the API does, all of it, and no more. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { API_VERSION } from "../../shared/api/openapi.ts";
import { routes } from "../../shared/api/routes/index.ts";
import * as workflows from "./workflows.ts";
import { aWorld } from "./world.ts";

// biome-ignore lint/suspicious/noExplicitAny: a document is looked into
const documentOf = async (): Promise<any> => (await aWorld(workflows.all).ask("GET", "/openapi.json")).body;

test("it has the package's version", () => {
  expect(API_VERSION).toBe(JSON.parse(readFileSync("package.json", "utf8")).version);
});

test("every route is in it, with an answer, its problems, and a default", async () => {
  const { openapi, paths } = await documentOf();
  expect(openapi).toBe("3.1.0");
  const found = Object.entries<object>(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(found.sort()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).sort());
  for (const { method, path } of routes) {
    const { responses, operationId } = paths[path][method.toLowerCase()];
    expect(operationId).toMatch(/^\w+$/);
    expect(Object.keys(responses)).toEqual(expect.arrayContaining(["400", "404", "405", "422", "default"]));
    expect(Object.keys(responses).some((status) => status.startsWith("2"))).toBe(true);
    expect(responses["422"].content).toHaveProperty(["application/problem+json"]);
    const asksNobody = /^\/(health|openapi.json|workflows)/.test(path);
    expect(["429", "503"].map((status) => status in responses)).toEqual([!asksNobody, !asksNobody]);
  }
});

test("references lead somewhere, and nothing is left of zod's own", async () => {
  const document = await documentOf();
  const text = JSON.stringify(document);
  const targets = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, id]) => id!);
  expect(new Set(targets).size).toBeGreaterThan(5);
  expect(targets.filter((id) => document.components.schemas[id] === undefined)).toEqual([]);
  expect(text.match(/\$schema|"\$id"|__shared|\$defs/)).toBeNull();
  expect(
    [...text.matchAll(/"\$ref":"([^"]+)"/g)].filter(([, ref]) => !ref!.startsWith("#/components/schemas/")),
  ).toEqual([]);
});

describe("parameters", () => {
  test("are those that are taken, with their limits", async () => {
    const { paths } = await documentOf();
    const { parameters } = paths["/runs"].get;
    const limit = parameters.find((parameter: { name: string }) => parameter.name === "limit");
    expect(limit).toMatchObject({
      in: "query",
      required: false,
      schema: { type: "integer", minimum: 1, maximum: 200, default: 50 },
    });
    const names = (path: string, method: string) =>
      paths[path][method].parameters.map((parameter: { name: string }) => parameter.name);
    expect(names("/runs", "post")).toEqual(["Idempotency-Key", "Prefer"]);
    expect(names("/runs/{runId}/signals/{name}", "post")).toEqual([
      "runId",
      "name",
      "mode",
      "Idempotency-Key",
      "If-Match",
    ]);
  });

  test("bodies are strict, and required where they are", async () => {
    const { paths, components } = await documentOf();
    expect(paths["/runs"].post.requestBody).toMatchObject({ required: true });
    expect(paths["/runs/{runId}/cancel"].post.requestBody).toMatchObject({ required: false });
    expect(paths["/runs/{runId}/state"].patch.requestBody.content["application/json"].schema).toMatchObject({
      type: "object",
    });
    expect(components.schemas.Start).toMatchObject({ additionalProperties: false, required: ["workflow"] });
  });
});
