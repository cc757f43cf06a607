/**
 * Where the runs are, and how a command gets there: a host on this machine, any address, or a deployed stack.
 *
 * 1. What the command line says goes before the environment, and an address before a stack's name.
 * 2. A token goes before a signature. Requests to a stack, and to API Gateway's own addresses, are signed.
 */
import { type Auth, type Client, createClient } from "../../shared/client/index.ts";
import { StepfoldError } from "../../shared/core/errors.ts";
import { quoted } from "../print/text.ts";
import type { AwsIdentity } from "./sign.ts";

export const URL_HERE = "http://127.0.0.1:4317";

export interface WhereOptions {
  url?: string;
  stack?: string;
  token?: string;
  sign?: boolean;
}

export interface Connection {
  client: Client;
  url: string;
  /** A command line that goes on from here, to the same place. */
  next(...args: string[]): string;
}

type Environment = Record<string, string | undefined>;

export async function connect(options: WhereOptions, env: Environment): Promise<Connection> {
  const { url, identity } = await addressOf(options, env);
  const token = options.token ?? (env.STEPFOLD_TOKEN || undefined);
  const auth = await authOf(url, { token, sign: options.sign === true, identity });
  const client = createClient({ url, ...(auth === undefined ? {} : { auth }) });
  const flags = [
    ...(options.url === undefined ? [] : ["--url", options.url]),
    ...(options.stack === undefined ? [] : ["--stack", options.stack]),
    ...(options.sign ? ["--sign"] : []),
  ];
  const next = (...args: string[]) => ["stepfold", ...args, ...flags].map(quoted).join(" ");
  return { client, url, next };
}

interface Address {
  url: string;
  identity?: AwsIdentity;
}

async function addressOf({ url, stack }: WhereOptions, env: Environment): Promise<Address> {
  if (url !== undefined && stack !== undefined)
    throw new StepfoldError("WrongUse", "Expected --url or --stack, got both: one of them says where.");
  if (url !== undefined) return { url: checkedUrl(url) };
  if (stack !== undefined) return (await import("./stack.ts")).deployedApi(stack);
  if (env.STEPFOLD_URL) return { url: checkedUrl(env.STEPFOLD_URL) };
  if (env.STEPFOLD_STACK) return (await import("./stack.ts")).deployedApi(env.STEPFOLD_STACK);
  return { url: URL_HERE };
}

function checkedUrl(given: string): string {
  const address = /^[\w.-]+:\d+$/.test(given) ? `http://${given}` : given;
  const isAddress =
    URL.canParse(address) && /^https?:$/.test(new URL(address).protocol) && !/[?#]/.test(address);
  if (isAddress) return address.replace(/\/+$/, "");
  throw new StepfoldError(
    "WrongUse",
    `Expected an address such as ${URL_HERE}, got ${JSON.stringify(given)}.`,
  );
}

const API_GATEWAY = /\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$/;

async function authOf(
  url: string,
  { token, sign, identity }: { token: string | undefined; sign: boolean; identity: AwsIdentity | undefined },
): Promise<Auth | undefined> {
  if (token !== undefined) return `Bearer ${token}`;
  const region = API_GATEWAY.exec(new URL(url).hostname)?.[1];
  if (!sign && identity === undefined && region === undefined) return undefined;
  const own = identity ?? (await import("./stack.ts")).awsIdentity();
  return (await import("./sign.ts")).signing(region === undefined ? own : { ...own, region });
}
