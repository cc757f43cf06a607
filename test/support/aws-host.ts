/**
 * A host on the AWS adapters that a scenario can be played on: requests go over HTTP to the API, to DynamoDB, SQS and
 * S3 (Dynoxide, fauxqs), and to a scheduler that fires when it is told to. Whatever is asked for has come to rest when
 * the answer comes; `skip` leaps over time in which nothing happens.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { GetQueueAttributesCommand, SetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { type Host, startHost } from "../../cli/host/host.ts";
import type { ScenarioHost } from "../../examples/triad.ts";
import { type AwsClients, createClients } from "../../shared/adapters/aws/clients.ts";
import { awsPorts } from "../../shared/adapters/aws/index.ts";
import type { AwsConfig } from "../../shared/adapters/aws/names.ts";
import { ensureResources, localConfig } from "../../shared/adapters/aws/provision.ts";
import { systemClock } from "../../shared/adapters/local/clock.ts";
import { type Client, createClient } from "../../shared/client/index.ts";
import { type Duration, durationMs } from "../../shared/core/duration.ts";
import type { TurnRequest } from "../../shared/core/remote/protocol.ts";
import type { AnyWorkflow } from "../../shared/core/workflow.ts";
import type { Ports } from "../../shared/engine/parts.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import type { Clock } from "../../shared/ports/clock.ts";
import { journalOf } from "../../shared/testing/inspect.ts";
import { type Dynoxide, startDynoxide } from "./dynoxide.ts";
import { type Fauxqs, startFauxqs } from "./fauxqs.ts";
import { type FakeScheduler, startFakeScheduler } from "./scheduler.ts";

/** What is nearer than this waits in SQS, in real time. */
const MESSAGE_DELAY_MS_MAX = 1_000;
/** A schedule is early by half of that, and by up to a second more. */
const SCHEDULE_EARLY_MS = MESSAGE_DELAY_MS_MAX / 2 + 1_000;
/** A message that was handed to a host that is gone comes again after this. */
const VISIBILITY_SECONDS = 3;
const LOOK_MS = 25;
const QUIET_WITHIN_MS = 30_000;

/** The emulators, for many hosts. */
export class Emulators {
  readonly dynamo: Dynoxide;
  readonly queues: Fauxqs;
  readonly #env: Record<string, string>;
  #hosts = 0;

  private constructor(dynamo: Dynoxide, queues: Fauxqs) {
    this.dynamo = dynamo;
    this.queues = queues;
    this.#env = {
      AWS_ENDPOINT_URL_DYNAMODB: dynamo.endpoint,
      AWS_ENDPOINT_URL_SQS: queues.endpoint,
      AWS_ENDPOINT_URL_S3: queues.endpoint,
    };
  }

  static async start(): Promise<Emulators> {
    return new Emulators(...(await Promise.all([startDynoxide(), startFauxqs()])));
  }

  /** A host with resources of its own. The environment must have credentials and a region. */
  async host(workflows: readonly AnyWorkflow[]): Promise<AwsHost> {
    const name = `host-${++this.#hosts}`;
    const { sqs } = this.queues;
    const urls = new Map<string, string>();
    const scheduler = await startFakeScheduler(sqs, (queue) => urls.get(queue)!);
    const clients = createClients({ ...this.#env, AWS_ENDPOINT_URL_SCHEDULER: scheduler.endpoint });
    const named = {
      ...localConfig({}),
      table: name,
      bucket: name,
      workQueueUrl: `${name}-work`,
      signalsQueueUrl: `${name}-signals.fifo`,
    };
    const config = await ensureResources(named, clients, systemClock);
    urls.set(named.workQueueUrl, config.workQueueUrl);
    for (const QueueUrl of [config.workQueueUrl, config.signalsQueueUrl]) {
      const Attributes = { VisibilityTimeout: String(VISIBILITY_SECONDS) };
      await sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes }));
    }
    const host = new AwsHost({ config, clients, scheduler });
    await host.deploy(workflows);
    return host;
  }

  async stop(): Promise<void> {
    await Promise.all([this.dynamo.stop(), this.queues.stop()]);
  }
}

/** A clock that leaps when it is told to. */
class LeapingClock implements Clock {
  #aheadMs = 0;
  readonly sleep = systemClock.sleep;
  readonly after = systemClock.after;
  readonly random = systemClock.random;
  readonly id = systemClock.id;
  now(): number {
    return systemClock.now() + this.#aheadMs;
  }
  leapTo(at: number): void {
    this.#aheadMs += Math.max(0, at - this.now());
  }
}

interface AwsHostParts {
  config: AwsConfig;
  clients: AwsClients;
  scheduler: FakeScheduler;
}

export class AwsHost implements ScenarioHost {
  readonly ports: Ports;
  readonly #parts: AwsHostParts;
  readonly #clock = new LeapingClock();
  readonly #runners: (() => void)[] = [];
  #deployments = 0;
  #host: Host | undefined;
  #client: Client | undefined;

  constructor(parts: AwsHostParts) {
    this.#parts = parts;
    const { config, clients } = parts;
    this.ports = awsPorts(config, { clients, clock: this.#clock });
  }

  get client(): Client {
    return this.#client!;
  }

  async deploy(workflows: Iterable<unknown>): Promise<void> {
    await this.#host?.close();
    const owner = `deployment-${++this.#deployments}`;
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const settings = { owner, codeHash: owner, messageDelayMsMax: MESSAGE_DELAY_MS_MAX };
    const engine = createEngine(this.ports, { workflows, log, settings });
    this.#host = await startHost({ engine, port: 0, receivers: 1, isAlone: false });
    this.#client = createClient({ url: this.#host.url });
  }

  async start(workflow: { name: string } | string, input?: unknown): Promise<string> {
    const name = typeof workflow === "string" ? workflow : workflow.name;
    const { runId } = await this.client.start(name, input);
    await this.#rest();
    return runId;
  }

  async signal(runId: string, name: string, payload?: unknown): Promise<{ signalId: string }> {
    return this.#rested(this.client.signal(runId, name, payload));
  }

  async approve(runId: string, gate: string, decision: object = {}): Promise<void> {
    await this.#rested(this.client.approve(runId, gate, decision));
  }

  async reject(runId: string, gate: string, decision: object = {}): Promise<void> {
    await this.#rested(this.client.reject(runId, gate, decision));
  }

  async cancel(runId: string, request: { reason?: string; by?: string } = {}): Promise<void> {
    await this.#rested(this.client.cancel(runId, request));
  }

  journal(runId: string): ReturnType<ScenarioHost["journal"]> {
    return journalOf(this.ports, runId);
  }

  /** The runner is asked over HTTP, at the address that its definition takes from the environment. */
  runner(...[workflow, runner]: Parameters<ScenarioHost["runner"]>): void {
    const { url, secret } = httpRunnerOf(workflow);
    const server = createServer(async (request, response) => {
      const call = { turnId: String(request.headers["webhook-id"]), signal: new AbortController().signal };
      const answer = await runner((await json(request)) as TurnRequest, call);
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
    server.listen(0, "127.0.0.1", () => {
      process.env[url] = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    });
    process.env[secret] = `whsec_${Buffer.alloc(32).toString("base64")}`;
    this.#runners.push(() => {
      server.close();
      for (const name of [url, secret]) delete process.env[name];
    });
  }

  /** Lets time pass, and everything happen that is due by then. */
  async skip(duration: Duration): Promise<void> {
    const { scheduler } = this.#parts;
    const until = this.#clock.now() + durationMs(duration);
    for (;;) {
      await this.#rest();
      const at = scheduler.earliest();
      if (at === undefined || at + SCHEDULE_EARLY_MS > until + MESSAGE_DELAY_MS_MAX) break;
      this.#clock.leapTo(at + SCHEDULE_EARLY_MS);
      await scheduler.fire(this.#clock.now());
    }
    this.#clock.leapTo(until);
    await this.#rest();
  }

  async close(): Promise<void> {
    await this.#host?.close();
    for (const end of this.#runners) end();
    await this.#parts.scheduler.stop();
    for (const client of Object.values(this.#parts.clients)) client.destroy();
  }

  async #rested<T>(asked: Promise<T>): Promise<T> {
    const answer = await asked;
    await this.#rest();
    return answer;
  }

  /** Until no message is there, under way or delayed. */
  async #rest(): Promise<void> {
    let quiet = 0;
    for (const deadline = Date.now() + QUIET_WITHIN_MS; quiet < 2; ) {
      if (Date.now() > deadline) throw new Error("The queues were never at rest.");
      quiet = (await this.#messages()) === 0 ? quiet + 1 : 0;
      await systemClock.sleep(LOOK_MS);
    }
  }

  async #messages(): Promise<number> {
    const { config, clients } = this.#parts;
    const counts = await Promise.all(
      [config.workQueueUrl, config.signalsQueueUrl].map(async (QueueUrl) => {
        const command = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] });
        const { Attributes = {} } = await clients.sqs.send(command);
        return (["", "NotVisible", "Delayed"] as const)
          .map((kind) => Number(Attributes[`ApproximateNumberOfMessages${kind}` as const] ?? 0))
          .reduce((sum, count) => sum + count);
      }),
    );
    return counts.reduce((sum, count) => sum + count);
  }
}

/** The variables that a remote workflow's definition names. */
function httpRunnerOf(workflow: AnyWorkflow | string): { url: string; secret: string } {
  const runner = typeof workflow === "string" ? undefined : workflow.runner;
  if (runner === undefined || !("url" in runner))
    throw new Error("Expected a workflow with a runner over HTTP.");
  const { url, secret } = runner;
  if (typeof url === "string" || secret === undefined || !("env" in secret))
    throw new Error("Expected a runner whose address and secret are in the environment.");
  return { url: url.env, secret: secret.env };
}
