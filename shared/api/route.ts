/**
 * A route: data that says what a path takes and answers, and the function that answers. The router, the validation
 * and the OpenAPI document are made from it, so none of them can say something else.
 */
import type * as z from "zod";
import type { Engine } from "../engine/settings.ts";
import type { Access } from "./access.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** Whom a request is confined to, where runs are isolated by owner. */
export interface Caller {
  owner: string;
}

/** A request whose every part held its schema. */
export interface ApiRequest<Query = unknown, Body = unknown> {
  params: Record<string, string>;
  query: Query;
  body: Body;
  /** The revision that the caller has seen. */
  ifMatch?: number;
  idempotencyKey?: string;
  /** The generation under which a worker writes. */
  generation?: number;
  /** How long the answer may be held until the run is finished. */
  waitSeconds?: number;
  /** Absent where runs are not isolated, and for an admin. */
  caller?: Caller;
}

export interface ApiResponse {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

export type RouteHeader = "If-Match" | "Idempotency-Key" | "Prefer" | "Stepfold-Generation";

export interface RouteAnswer {
  description: string;
  schema?: z.ZodType;
  headers?: ("ETag" | "Location" | "Preference-Applied")[];
}

export interface Route<Query = unknown, Body = unknown> {
  method: Method;
  /** Parameters in braces. */
  path: string;
  /** Of a path without a run or a token, where runs are isolated by owner. Default: admins only. */
  access?: Extract<Access, "caller" | "everyone">;
  operationId: string;
  summary: string;
  query?: z.ZodType<Query>;
  body?: z.ZodType<Body>;
  /** Headers that mean something here. */
  headers?: readonly RouteHeader[];
  answers: Record<number, RouteAnswer>;
  /** The codes of the problems that it may answer, beyond those of every route. */
  problems?: readonly string[];
  handle(engine: Engine, request: ApiRequest<Query, Body>): Promise<ApiResponse>;
}

/** Keeps the types of query and body for `handle`, and forgets them for the table. */
export const route = <Query = undefined, Body = undefined>(definition: Route<Query, Body>): Route =>
  definition as unknown as Route;
