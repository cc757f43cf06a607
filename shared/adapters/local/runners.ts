/**
 * Runners over HTTP, with Node's own client: it follows no redirect, and waits as long as it is let.
 *
 * 1. A kept-alive connection that turns out to be closed is replaced by a new one at once.
 * 2. Errors tell a code and a status, never an address, a header or a secret.
 * 3. Lambda and Secrets Manager are reached through `aws`, where the host has it.
 */
import http from "node:http";
import https from "node:https";
import { StepfoldError } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { TURN_BYTES_MAX } from "../../core/limits.ts";
import {
  checkRunnerUrl,
  type FromEnvironment,
  type HttpRunner,
  type Runner,
} from "../../core/remote/remote.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Runners, Turn } from "../../ports/runners.ts";
import { answerTooLarge, checkStatus, jsonAnswer, unavailable } from "../common/runners.ts";
import { systemClock } from "./clock.ts";
import { signatureHeaders } from "./signature.ts";

/** What only AWS gives. */
export interface AwsAccess {
  /** Invokes a function with a turn; answers what it returned. */
  invoke(name: string, turn: Turn, signal: AbortSignal): Promise<Json>;
  /** A secret's text. */
  secret(secretId: string): Promise<string>;
}

/** Signs the turns of every definition that names no secret of its own. */
export const SECRET_VARIABLE = "STEPFOLD_RUNNER_SECRET";

const CONNECT_WITHIN_MS = 5_000;
const CLOSED = new Set(["ECONNRESET", "EPIPE"]);

type Environment = Record<string, string | undefined>;

export class NetworkRunners implements Runners {
  readonly #env: Environment;
  readonly #aws: AwsAccess | undefined;
  readonly #clock: Pick<Clock, "now">;
  readonly #plainAgent = new http.Agent({ keepAlive: true });
  readonly #secureAgent = new https.Agent({ keepAlive: true });

  constructor(options: { env: Environment; aws?: AwsAccess; clock?: Pick<Clock, "now"> }) {
    this.#env = options.env;
    this.#aws = options.aws;
    this.#clock = options.clock ?? systemClock;
  }

  async ask(runner: Runner, turn: Turn, signal: AbortSignal): Promise<Json> {
    if ("lambda" in runner)
      return this.#needed("a Lambda function").invoke(this.#placeOf(runner.lambda), turn, signal);
    const url = checkRunnerUrl(this.#placeOf(runner.url), "a runner's url");
    const secrets = await this.#secretOf(runner);
    const headers = {
      ...runner.headers,
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(turn.body)),
      accept: "application/json",
      ...signatureHeaders(turn, secrets, this.#clock.now()),
    };
    const post = () => this.#post(url, headers, turn.body, signal);
    const { status, text } = await post().catch((error: unknown) => {
      if (error instanceof StaleConnection) return post();
      throw error;
    });
    checkStatus(status);
    return jsonAnswer(text);
  }

  #needed(what: string): AwsAccess {
    if (this.#aws !== undefined) return this.#aws;
    throw new StepfoldError(
      "RunnerRefused",
      `Expected a host that reaches AWS for ${what}, got one that does not.`,
    );
  }

  #placeOf(place: string | FromEnvironment): string {
    return typeof place === "string" ? place : this.#variable(place);
  }

  #variable({ env: name }: FromEnvironment): string {
    const value = this.#env[name];
    if (value !== undefined && value !== "") return value;
    throw unavailable(`the environment variable ${name}, which its definition names, is not set`);
  }

  async #secretOf({ secret }: HttpRunner): Promise<string | undefined> {
    if (secret === undefined) return this.#env[SECRET_VARIABLE];
    if ("env" in secret) return this.#variable(secret);
    return this.#needed("a secret of Secrets Manager").secret(this.#placeOf(secret.secretId));
  }

  #post(
    url: URL,
    headers: Record<string, string>,
    body: string,
    signal: AbortSignal,
  ): Promise<{ status: number; text: string }> {
    const isSecure = url.protocol === "https:";
    const { request } = isSecure ? https : http;
    const agent = isSecure ? this.#secureAgent : this.#plainAgent;
    return new Promise((resolve, reject) => {
      const sent = request(url, { method: "POST", headers, agent, signal }, (answer) => {
        textOf(answer).then((text) => resolve({ status: answer.statusCode ?? 0, text }), fail);
      });
      const fail = (error: unknown): void => {
        sent.destroy();
        if (error instanceof StepfoldError) return reject(error);
        const { code = "no connection" } = error as NodeJS.ErrnoException;
        if (sent.reusedSocket && CLOSED.has(code)) return reject(new StaleConnection());
        reject(unavailable(code));
      };
      sent.on("error", fail);
      connectInTime(sent, () => fail(unavailable(`no connection within ${CONNECT_WITHIN_MS} ms`)));
      sent.end(body);
    });
  }
}

/** The other side had closed a connection that was kept. */
class StaleConnection extends Error {}

function connectInTime(sent: http.ClientRequest, tooLate: () => void): void {
  sent.on("socket", (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(tooLate, CONNECT_WITHIN_MS);
    const connected = (): void => clearTimeout(timer);
    socket.once("connect", connected).once("close", connected);
  });
}

async function textOf(answer: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > TURN_BYTES_MAX) throw answerTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
