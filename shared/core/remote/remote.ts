/**
 * `remote(name, options)`: a workflow whose steps are done by a runner elsewhere, in any language. It is registered,
 * started and steered like any other; `driver.ts` is the function that the engine advances it by.
 *
 * Where the runner is, is said by this definition alone: no caller of the API can make the engine call an address.
 */
import { StepfoldError } from "../errors.ts";
import type { Json } from "../json.ts";
import { type Workflow, type WorkflowOptions, workflow } from "../workflow.ts";
import { drive } from "./driver.ts";

/** The name of an environment variable that holds it, where the run is advanced. */
export interface FromEnvironment {
  env: string;
}

/** A secret of AWS Secrets Manager, by name or ARN. */
export interface FromSecretsManager {
  secretId: string | FromEnvironment;
}

interface Common<I> extends Omit<WorkflowOptions<unknown, unknown, I>, "output" | "retry"> {
  /** Where the runner's source is, for whoever looks at the workflow. */
  file?: string;
}

export interface HttpRunner {
  /** Turns are posted to it. */
  url: string | FromEnvironment;
  /** Sent with each turn. */
  headers?: Record<string, string>;
  /** What turns are signed with. Default: the environment variable `STEPFOLD_RUNNER_SECRET`, where it is set. */
  secret?: FromEnvironment | FromSecretsManager;
}

export interface LambdaRunner {
  /** The function that is invoked with each turn: a name or ARN. IAM says who may. */
  lambda: string | FromEnvironment;
}

/** Where a remote workflow's turns go. */
export type Runner = HttpRunner | LambdaRunner;

type Never<T> = { [field in keyof T]?: never };
export type RemoteOptions<I = Json> = Common<I> &
  ((HttpRunner & Never<LambdaRunner>) | (LambdaRunner & Never<HttpRunner>));

export function remote<I = Json, O = Json>(name: string, options: RemoteOptions<I>): Workflow<I, O> {
  const where = `of remote workflow ${JSON.stringify(name)}`;
  const { url, lambda, headers, secret, file, ...rest } = (options ?? {}) as Common<I> &
    Partial<HttpRunner & LambdaRunner>;
  const defined = workflow(name, rest as WorkflowOptions<I, O, I>, drive(name));
  const runner = runnerOf({ url, lambda, headers, secret }, where);
  if (file !== undefined && typeof file !== "string")
    throw invalid(`the file ${where} to be a text, got ${typeof file}`);
  return { ...defined, driver: "remote", runner, ...(file === undefined ? {} : { file }) };
}

function runnerOf(given: Partial<HttpRunner & LambdaRunner>, where: string): Runner {
  const { url, lambda, headers, secret } = given;
  if ((url === undefined) === (lambda === undefined))
    throw invalid(`either a url or a lambda ${where}, got ${url === undefined ? "neither" : "both"}`);
  if (lambda !== undefined) {
    if (headers !== undefined || secret !== undefined)
      throw invalid(`no headers and no secret with the lambda ${where}: IAM says who may invoke it`);
    checkPlace(lambda, `the lambda ${where}`);
    if (typeof lambda === "string" && !/^[A-Za-z0-9:_$-]{1,170}$/.test(lambda))
      throw invalid(`the lambda ${where} to be a function's name or ARN, got ${JSON.stringify(lambda)}`);
    return { lambda };
  }
  checkPlace(url!, `the url ${where}`);
  if (typeof url === "string") checkRunnerUrl(url, `the url ${where}`);
  if (headers !== undefined) checkHeaders(headers, where);
  if (secret !== undefined) checkSecret(secret, where);
  return {
    url: url!,
    ...(headers === undefined ? {} : { headers }),
    ...(secret === undefined ? {} : { secret }),
  };
}

const invalid = (expected: string): StepfoldError =>
  new StepfoldError("InvalidOptions", `Expected ${expected}.`);

const isFromEnvironment = (value: unknown): value is FromEnvironment =>
  typeof value === "object" &&
  value !== null &&
  /^[A-Za-z_]\w*$/.test(String((value as FromEnvironment).env));

function checkPlace(value: string | FromEnvironment, what: string): void {
  if (typeof value === "string" || isFromEnvironment(value)) return;
  throw invalid(`${what} to be a text or { env: "NAME" }, got ${JSON.stringify(value)}`);
}

function checkSecret(secret: FromEnvironment | FromSecretsManager, where: string): void {
  if (isFromEnvironment(secret)) return;
  const { secretId } = (secret ?? {}) as Partial<FromSecretsManager>;
  if (isFromEnvironment(secretId)) return;
  if (typeof secretId === "string" && /^[\w/+=.@:-]{1,512}$/.test(secretId)) return;
  throw invalid(
    `the secret ${where} to be { env: "NAME" } or { secretId: "name or ARN" }: never the secret itself, which would be in the code`,
  );
}

/** Throws `InvalidOptions`, without the URL: it may hold what is nobody's business. */
export function checkRunnerUrl(text: string, what: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw invalid(`${what} to be an http or https URL, got something else`);
  if (url.username !== "" || url.password !== "")
    throw invalid(`${what} to hold no user name and password: send them as a header`);
  if (url.hash !== "") throw invalid(`${what} to hold no fragment: it would not be sent`);
  return url;
}

/** RFC 9110: a token. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~\w-]{1,128}$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]{0,8192}$/;
/** Those of the message itself, and those by which a turn is signed. */
const RESERVED =
  /^(?:content-(?:type|length|encoding)|transfer-encoding|connection|keep-alive|host|te|trailer|upgrade|expect|proxy-.*|webhook-.*)$/i;

function checkHeaders(headers: Record<string, string>, where: string): void {
  if (typeof headers !== "object" || headers === null || Array.isArray(headers))
    throw invalid(`the headers ${where} to be an object, got ${JSON.stringify(headers)}`);
  for (const [name, value] of Object.entries(headers)) {
    const which = `the header ${JSON.stringify(name.slice(0, 128))} ${where}`;
    if (!HEADER_NAME.test(name)) throw invalid(`${which} to have an HTTP header's name`);
    if (RESERVED.test(name)) throw invalid(`${which} to be another: this one is set with each turn`);
    if (typeof value !== "string" || !HEADER_VALUE.test(value))
      throw invalid(`${which} to be a text of one line`);
  }
}
