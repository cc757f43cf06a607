/**
 * Who may do what, where runs are isolated by owner (`Settings.isolation`): a caller sees and touches its own runs
 * only. Without isolation, whoever the gateway lets in may do everything.
 *
 * 1. The caller is who API Gateway's authorizer says: a claim of its token, or its IAM principal. Nothing that the
 *    caller writes into the request can say otherwise.
 * 2. Another owner's run is answered exactly as one that there is not.
 * 3. A route that says nothing of its access is open to admins only: a new one is closed until somebody thinks of it.
 */
import type { APIGatewayProxyEventV2 } from "aws-lambda";
import { StepfoldError } from "../core/errors.ts";
import { isRunId } from "../core/ids.ts";
import { runNotFound } from "../engine/outside.ts";
import type { Engine, Isolation } from "../engine/settings.ts";
import type { Caller, Route } from "./route.ts";

/** `run`: whoever owns the run of the path. `token`: who holds the path's token. `caller`: everybody, and the route
 * keeps to what is the caller's. `everyone`: everybody, for there is nothing of anyone's in it. */
export type Access = "run" | "token" | "caller" | "everyone" | "admin";

export function accessOf({ access, path }: Route): Access {
  if (path.includes("{runId}")) return "run";
  if (path.includes("{token}")) return "token";
  return access ?? "admin";
}

/** The caller that a request is confined to, or `undefined` for one that is not. Throws `Forbidden`, `RunNotFound`. */
export async function admitted(
  engine: Engine,
  route: Route,
  params: Record<string, string>,
  event: APIGatewayProxyEventV2,
): Promise<Caller | undefined> {
  const { isolation } = engine.settings;
  const access = accessOf(route);
  if (isolation === undefined || access === "everyone" || access === "token") return undefined;
  const { owner, isAdmin } = identityOf(isolation, event);
  if (isAdmin) return undefined;
  if (access === "admin") throw forbidden("Expected an admin for this path, got another caller.");
  if (access === "run") await checkOwner(engine, params.runId!, owner);
  return { owner };
}

/** Throws `RunNotFound` unless there is such a run and it is this owner's. */
export async function checkOwner(engine: Engine, runId: string, owner: string): Promise<void> {
  const header = isRunId(runId) ? await engine.journal.header(runId, { consistent: true }) : undefined;
  if (header?.created.owner !== owner) throw runNotFound(runId);
}

export const forbidden = (message: string): StepfoldError => new StepfoldError("Forbidden", message);

interface Identity {
  owner: string;
  isAdmin: boolean;
}

type Claims = Record<string, unknown>;

/** What the gateway's authorizer has put into the event: it is the only source of an identity. */
interface Authorizer {
  jwt?: { claims?: Claims };
  iam?: { userArn?: string };
}

const OWNER = /^\P{Cc}{1,256}$/u;

function identityOf(isolation: Isolation, { requestContext }: APIGatewayProxyEventV2): Identity {
  const { authorizer = {} } = requestContext as { authorizer?: Authorizer };
  const claims = authorizer.jwt?.claims;
  const owner =
    claims === undefined ? principalOf(authorizer.iam?.userArn) : claimOf(claims, isolation.claim ?? "sub");
  if (owner === undefined || !OWNER.test(owner) || !owner.isWellFormed())
    throw forbidden("Expected a caller with an identity, got none that runs could belong to.");
  return { owner, isAdmin: isAdmin(isolation, owner, claims) };
}

const claimOf = (claims: Claims, name: string): string | undefined => {
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
  return typeof value === "string" ? value : undefined;
};

const ASSUMED_ROLE = /^arn:([\w-]+):sts::(\d+):assumed-role\/([^/]+)\/.+$/;
const ROLE = /^arn:([\w-]+):iam::(\d+):role\/(?:.+\/)?([^/]+)$/;

/** A role's sessions are one caller: whoever may assume the role chooses the session's name. */
export function principalOf(arn: string | undefined): string | undefined {
  const [, partition, account, name] = ASSUMED_ROLE.exec(arn ?? "") ?? ROLE.exec(arn ?? "") ?? [];
  return name === undefined ? arn : `arn:${partition}:iam::${account}:role/${name}`;
}

function isAdmin({ admins }: Isolation, owner: string, claims: Claims | undefined): boolean {
  if (admins === undefined) return false;
  if (Array.isArray(admins)) return claims === undefined && admins.some((arn) => principalOf(arn) === owner);
  return claims !== undefined && valuesOf(claims[admins.claim]).includes(admins.value);
}

/** API Gateway writes a claim that is a list as `[one two]`; a scope is words with spaces between. */
function valuesOf(claim: unknown): string[] {
  if (Array.isArray(claim)) return claim.map(String);
  if (typeof claim !== "string") return [];
  return claim.replace(/^\[(.*)\]$/s, "$1").split(/[\s,]+/);
}
