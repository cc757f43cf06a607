/**
 * The OpenAPI 3.1 document, made from the table of routes and the schemas that validate: it cannot say anything that
 * they do not do.
 */
import * as z from "zod";
import { accessOf } from "./access.ts";
import { statusOfCode } from "./problem.ts";
import type { Route, RouteAnswer, RouteHeader } from "./route.ts";
import { components, name as nameSchema, problem, runId } from "./schemas/common.ts";
import { gate, token } from "./schemas/decisions.ts";

/** The package's. */
export const API_VERSION = "0.1.0";

type Schema = Record<string, unknown>;
type Document = Record<string, unknown>;

const DRAFT = { unrepresentable: "any", io: "output" } as const;
const refOf = (id: string): string => `#/components/schemas/${id}`;

const made = new WeakMap<readonly Route[], Document>();

export function openApiDocument(routes: readonly Route[]): Document {
  let document = made.get(routes);
  if (document === undefined) {
    document = documentOf(routes);
    made.set(routes, document);
  }
  return document;
}

function documentOf(routes: readonly Route[]): Document {
  const paths: Record<string, Record<string, unknown>> = {};
  const links = linksOf(routes);
  for (const route of routes) {
    paths[route.path] ??= {};
    paths[route.path]![route.method.toLowerCase()] = operationOf(route, links);
  }
  return {
    openapi: "3.1.0",
    info: { title: "Stepfold", version: API_VERSION, description: "Durable runs of workflows." },
    servers: [{ url: "/" }],
    paths,
    components: { schemas: namedSchemas() },
  };
}

function namedSchemas(): Record<string, Schema> {
  const { schemas } = z.toJSONSchema(components, { ...DRAFT, uri: refOf });
  return Object.fromEntries(
    Object.entries(schemas).map(([id, schema]) => [id, withoutIds(schema as Schema)]),
  );
}

/** A schema's JSON Schema: a reference where it has a name. */
function schemaOf(schema: z.ZodType): Schema {
  const named = components.get(schema);
  if (named !== undefined) return { $ref: refOf(named.id) };
  return withoutIds(z.toJSONSchema(schema, { ...DRAFT, override: referred }) as Schema);
}

/** Schemas with a name are referred to wherever they are part of another. */
function referred({ zodSchema, jsonSchema }: { zodSchema: unknown; jsonSchema: Schema }): void {
  const named = components.get(zodSchema as z.ZodType);
  if (named === undefined) return;
  for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
  jsonSchema.$ref = refOf(named.id);
}

/** Without the dialect, and without what zod had defined before `referred` made references of it. */
function withoutIds(schema: Schema): Schema {
  const { $schema: _schema, $id: _id, $defs: _defs, ...rest } = schema;
  return rest;
}

/** From a run that was started to whatever can be asked of it. */
const linksOf = (routes: readonly Route[]): Schema =>
  Object.fromEntries(
    routes
      .filter(({ path }) => path.includes("{runId}"))
      .map(({ operationId }) => [
        operationId,
        { operationId, parameters: { runId: "$response.body#/runId" } },
      ]),
  );

function operationOf(route: Route, links: Schema): Schema {
  return {
    operationId: route.operationId,
    summary: route.summary,
    parameters: [
      ...pathParameters(route.path),
      ...queryParameters(route.query),
      ...headerParameters(route.headers),
    ],
    ...(route.body === undefined ? {} : { requestBody: requestBodyOf(route.body) }),
    responses: { ...answersOf(route, links), ...problemsOf(route) },
  };
}

function requestBodyOf(body: z.ZodType): Schema {
  const isOptional = body.safeParse(undefined).success;
  return { required: !isOptional, content: { "application/json": { schema: schemaOf(inner(body)) } } };
}

const inner = (schema: z.ZodType): z.ZodType =>
  schema instanceof z.ZodOptional ? (schema.unwrap() as z.ZodType) : schema;

const parameterSchemas: Record<string, z.ZodType> = { runId, gate, token };

const pathParameters = (path: string): Schema[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: schemaOf(parameterSchemas[name!] ?? nameSchema),
  }));

function queryParameters(query: z.ZodType | undefined): Schema[] {
  if (query === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(query) as {
    properties?: Record<string, Schema>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: "query",
    required: required.includes(name) && schema.default === undefined,
    ...(description === undefined ? {} : { description }),
    schema,
  }));
}

const HEADERS: Record<RouteHeader, { description: string; schema: Schema }> = {
  "If-Match": {
    description: "The ETag of the revision that the write is meant for; its number alone will do.",
    schema: { type: "string", pattern: '^("[0-9]{1,15}"|[0-9]{1,15}|\\*)$' },
  },
  "Idempotency-Key": {
    description: "The same key with the same request happens once.",
    schema: { type: "string", minLength: 1, maxLength: 255 },
  },
  "Stepfold-Generation": {
    description:
      "Mandatory, 428 without it: the generation of the worker's lease. Under another one nothing is written.",
    schema: { type: "string", pattern: "^[0-9]{1,15}$" },
  },
  Prefer: {
    description: "`wait=N` holds the answer until the run is finished, for at most N (1–25) seconds.",
    schema: { type: "string" },
  },
};

/** None is said to be required: what is mandatory has a status of its own (428), and no schema is broken. */
const headerParameters = (headers: readonly RouteHeader[] = []): Schema[] =>
  headers.map((name) => ({ name, in: "header", required: false, ...HEADERS[name] }));

const answersOf = (route: Route, links: Schema): Record<string, Schema> =>
  Object.fromEntries(
    Object.entries(route.answers).map(([status, answer]) => [
      status,
      { ...answerOf(answer), ...(status === "201" ? { links } : {}) },
    ]),
  );

function answerOf({ description, schema, headers = [] }: RouteAnswer): Schema {
  const content =
    schema === undefined ? {} : { content: { "application/json": { schema: schemaOf(schema) } } };
  const shown = headers.map((name) => [name, { schema: { type: "string" } }] as const);
  return { description, ...(shown.length === 0 ? {} : { headers: Object.fromEntries(shown) }), ...content };
}

/** What is answered without asking any service. */
const STORELESS = ["/health", "/openapi.json", "/workflows", "/workflows/{name}"];

/** Every route's problems, by status, and whatever else may come as the default. */
function problemsOf(route: Route): Record<string, Schema> {
  const codes = new Set([
    "MalformedRequest",
    "NotFound",
    "MethodNotAllowed",
    "InvalidInput",
    ...(route.problems ?? []),
  ]);
  if (["run", "caller", "admin"].includes(accessOf(route))) codes.add("Forbidden");
  if (!STORELESS.includes(route.path)) for (const code of ["TooManyRequests", "Unavailable"]) codes.add(code);
  if (route.body !== undefined)
    for (const code of ["PayloadTooLarge", "UnsupportedMediaType"]) codes.add(code);
  const byStatus = new Map<number, string[]>();
  for (const code of codes)
    byStatus.set(statusOfCode(code), [...(byStatus.get(statusOfCode(code)) ?? []), code]);
  const shown = [...byStatus].map(([status, names]) => [status, problemAnswer(names.join(", "))] as const);
  return { ...Object.fromEntries(shown), default: problemAnswer("Anything else that went wrong.") };
}

const problemAnswer = (description: string): Schema => ({
  description,
  content: { "application/problem+json": { schema: schemaOf(problem) } },
});
