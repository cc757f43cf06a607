/**
 * `new Stepfold(this, "Flows", { entry: "workflows/index.ts" })`: everything that runs a user's workflows in their
 * own account. It holds no server; idle, it costs its storage, its alarms and the sweep's invocation once a minute.
 *
 * 1. No path is open: callers sign with IAM, or bring a token of the issuer that `auth` names.
 * 2. No function may do more than its list in `grants.ts`; users' own permissions go to `advance` alone.
 * 3. The table and the bucket stay when the stack goes, unless `removalPolicy` says otherwise.
 */
import { CfnOutput, Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import type * as apigateway from "aws-cdk-lib/aws-apigatewayv2";
import type * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import type * as events from "aws-cdk-lib/aws-events";
import type * as iam from "aws-cdk-lib/aws-iam";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import type * as s3 from "aws-cdk-lib/aws-s3";
import type * as sns from "aws-cdk-lib/aws-sns";
import type * as sqs from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { SETTINGS_ENVIRONMENT } from "../functions/environment.ts";
import { BUS_ENVIRONMENT, environmentOf, GROUPS_ENVIRONMENT } from "../shared/adapters/aws/names.ts";
import { StepfoldError } from "../shared/core/errors.ts";
import type { RunStatus } from "../shared/core/events.ts";
import { LEG_MS, LEG_MS_MAX, MESSAGE_DELAY_MS_MAX } from "../shared/core/limits.ts";
import { Alarms } from "./alarms.ts";
import { type Entries, resolveEntry } from "./bundle.ts";
import { Crons, type ScheduleOptions, type SignalSchedule, type SignalScheduleOptions } from "./crons.ts";
import { Functions, INTAKE_TIMEOUT, USERS_MEMORY_MB } from "./functions.ts";
import { type Resources, runnerGrant } from "./grants.ts";
import { checkGroups, type Groups, groupNamed, type WorkerGroup } from "./groups.ts";
import { type Auth, HttpEndpoint, type Throttle } from "./http-api.ts";
import { type IsolationProps, isolationOf } from "./isolation.ts";
import { type QueuePair, Queues } from "./queues.ts";
import { Schedules } from "./schedules.ts";
import { Storage } from "./storage.ts";
import { type EventSource, type SignalOnOptions, type StartOnOptions, Triggers } from "./triggers.ts";

export interface StepfoldProps {
  /** The module whose exports are the workflows, relative to the directory from which cdk runs. */
  entry: string;
  /** Who may call the API: IAM principals (see `grantInvoke`), or holders of a token. Default: `"iam"`. */
  auth?: Auth;
  /** `"owner"`: a caller sees and touches only its own runs. Default: whoever may call the API sees all. */
  isolation?: IsolationProps;
  /** How long one stretch of a run may last, and so how long a crash may delay it. Default: 2 minutes; at most 15. */
  legTimeout?: Duration;
  /** Of the function that runs the workflows, in MB. Default: 1024. */
  memorySize?: number;
  /** Workflows with a function, a role, a work queue and a leg length of their own, by the group's name. */
  groups?: Groups;
  /** Environment variables for the workflows' code. */
  environment?: Record<string, string>;
  /** Default: one month. */
  logRetention?: logs.RetentionDays;
  /** Of the table and the bucket. Default: `RETAIN`. A bucket that still holds blobs must be emptied to be destroyed. */
  removalPolicy?: RemovalPolicy;
  /** The age at which large payloads expire. Default: 425 days. A run that lives longer renews its own; a workflow
   * that is kept for more than 210 days less than this is refused. */
  blobExpiration?: Duration;
  /** Default: 1,000 requests a second, 2,000 in a burst. */
  throttle?: Throttle;
  /** Told of every alarm. */
  alarmTopic?: sns.ITopic;
  /** Timers further off than this use EventBridge Scheduler, nearer ones a message's delay. Default and maximum: 15 minutes. */
  messageDelayMax?: Duration;
  /** How long after a run should have moved by itself the sweep looks at it. Default: 1 minute. */
  sweepAfter?: Duration;
  /** Where changes of runs' statuses are published, each as one event. Default: nowhere. */
  bus?: events.IEventBus;
  /** Which of them are published: each costs what the bus charges for an event. Default: all. */
  publishedStatuses?: readonly RunStatus[];
}

export class Stepfold extends Construct {
  /** The HTTP API. */
  readonly api: apigateway.HttpApi;
  /** Runs the workflows: what their code needs is granted to it. */
  readonly advance: lambda.Function;
  /** The journal. */
  readonly table: dynamodb.Table;
  /** Payloads too large for the journal. */
  readonly bucket: s3.Bucket;
  /** Takes `{workflow, input, idempotencyKey?}` and `{runId, signal, payload, signalId?}` from other AWS services. */
  readonly triggersQueue: sqs.Queue;
  /** Of signals for runs: FIFO, its groups the runs' ids. */
  readonly signalsQueue: sqs.Queue;
  readonly alarms: Alarms;
  readonly #triggers: Triggers;
  readonly #triggersPair: QueuePair;
  #crons: Crons | undefined;
  readonly #endpoint: HttpEndpoint;
  readonly #groups: Record<string, lambda.Function>;

  constructor(scope: Construct, id: string, props: StepfoldProps) {
    super(scope, id);
    const legTimeout = checkedLegTimeout(props.legTimeout ?? Duration.millis(LEG_MS));
    const groups = props.groups ?? {};
    checkGroups(groups);
    const logRetention = props.logRetention ?? logs.RetentionDays.ONE_MONTH;
    const removalPolicy = props.removalPolicy ?? RemovalPolicy.RETAIN;

    const storage = new Storage(this, "Storage", { removalPolicy, blobExpiration: props.blobExpiration });
    const queues = new Queues(this, "Queues", {
      legTimeout,
      intakeTimeout: INTAKE_TIMEOUT,
      groups: legTimeoutsOf(groups),
    });
    const schedules = new Schedules(this, "Schedules", {
      workQueues: queues.works.map(({ queue }) => queue),
    });
    const resources = { bus: props.bus, storage, queues, schedules };
    const functions = new Functions(this, "Functions", {
      ...resources,
      entries: entriesOf(props.entry, groups),
      groups,
      legTimeout,
      logRetention,
      memorySize: props.memorySize ?? USERS_MEMORY_MB,
      userEnvironment: props.environment ?? {},
      isolation: props.isolation && isolationOf(this, props.isolation, props.auth ?? "iam"),
      environment: { ...environment(this, resources), ...publishing(this, props), ...timing(props) },
    });
    this.#endpoint = new HttpEndpoint(this, "Http", {
      handler: functions.api,
      auth: props.auth ?? "iam",
      throttle: props.throttle ?? { rateLimit: 1_000, burstLimit: 2_000 },
      logRetention,
    });
    this.alarms = new Alarms(this, "Alarms", { queues, functions, topic: props.alarmTopic });

    this.#triggers = new Triggers(this, "Triggers", {
      queue: queues.triggers,
      function: functions.triggers,
      alarms: this.alarms,
    });
    this.#triggersPair = queues.triggers;

    this.api = this.#endpoint.api;
    this.advance = functions.advance;
    this.#groups = functions.groups;
    this.table = storage.table;
    this.bucket = storage.bucket;
    this.triggersQueue = queues.triggers.queue;
    this.signalsQueue = queues.signals.queue;
    this.#output("ApiUrl", "The HTTP API of the runs.", this.#endpoint.url);
    this.#output("TableName", "The journal.", storage.table.tableName);
    this.#output("BucketName", "Payloads too large for the journal.", storage.bucket.bucketName);
    this.#output("ScheduleGroupName", "Long timers.", schedules.group.scheduleGroupName);
    this.#output("SweepFunctionName", "Wakes runs whose wake was lost.", functions.sweep.functionName);
    for (const { name, queue, deadLetters } of queues.all) {
      const title = `${name[0]!.toUpperCase()}${name.slice(1)}`;
      this.#output(`${title}QueueUrl`, `The ${name} queue.`, queue.queueUrl);
      this.#output(
        `${title}DeadLettersUrl`,
        `What the ${name} queue could not deliver.`,
        deadLetters.queueUrl,
      );
    }
  }

  /** Lets an IAM principal call the API. */
  grantInvoke(grantee: iam.IGrantable): void {
    this.#endpoint.grantInvoke(grantee);
  }

  /** A worker group: what its code needs is granted to it alone. Throws `GroupNotFound`. */
  group(name: string): WorkerGroup {
    return groupNamed(this.#groups, name);
  }

  /** Lets remote workflows have their steps done by this function, and by no other version or alias of it. */
  grantRunner(runner: lambda.IFunction): void {
    this.grantAdvance(runnerGrant(runner));
  }

  /** Lets the workflows' code do more; `bucket.grantRead(flows.advance)` and the like do the same. */
  grantAdvance(...statements: iam.PolicyStatement[]): void {
    for (const statement of statements) this.advance.addToRolePolicy(statement);
  }

  /** Starts a run of `workflow` for each event of a rule, a bucket (`objectEvents`), a topic or a queue. */
  startOn(source: EventSource, workflow: string, options?: StartOnOptions): void {
    this.#triggers.startOn(source, workflow, options);
  }

  /** Signals a run for each event of a rule, a bucket (`objectEvents`), a topic or a queue. */
  signalOn(source: EventSource, options: SignalOnOptions): void {
    this.#triggers.signalOn(source, options);
  }

  /** Starts a run of a workflow, or signals a run, at the times of `cron(…)` or `rate(…)`. */
  schedule(name: string, expression: string, workflow: string, options?: ScheduleOptions): void;
  schedule(name: string, expression: string, signal: SignalSchedule, options?: SignalScheduleOptions): void;
  schedule(
    name: string,
    expression: string,
    what: string | SignalSchedule,
    options: ScheduleOptions = {},
  ): void {
    this.#crons ??= this.#newCrons();
    this.#crons.add(name, expression, what, options);
  }

  #newCrons(): Crons {
    const crons = new Crons(this, "Crons", this.#triggersPair);
    const { scheduleGroupName } = crons.group;
    this.#output(
      "CronGroupName",
      "Recurring schedules, by the names they were declared with.",
      scheduleGroupName,
    );
    return crons;
  }

  #output(name: string, description: string, value: string): void {
    const logicalId = `${this.node.id.replace(/[^A-Za-z0-9]/g, "")}${name}`;
    new CfnOutput(this, name, { description, value }).overrideLogicalId(logicalId);
  }
}

function environment(scope: Construct, { storage, queues, schedules }: Resources): Record<string, string> {
  const groups = Object.entries(queues.groups).map(([group, { queue }]) => [
    group,
    { queueUrl: queue.queueUrl, queueArn: queue.queueArn },
  ]);
  const told = environmentOf({
    table: storage.table.tableName,
    bucket: storage.bucket.bucketName,
    workQueueUrl: queues.work.queue.queueUrl,
    workQueueArn: queues.work.queue.queueArn,
    signalsQueueUrl: queues.signals.queue.queueUrl,
    scheduleGroup: schedules.group.scheduleGroupName,
    scheduleRoleArn: schedules.role.roleArn,
  });
  if (groups.length === 0) return told;
  return { ...told, [GROUPS_ENVIRONMENT]: Stack.of(scope).toJsonString(Object.fromEntries(groups)) };
}

const entriesOf = (entry: string, groups: Groups): Entries => ({
  workflows: resolveEntry(entry),
  groups: Object.fromEntries(Object.entries(groups).map(([group, own]) => [group, resolveEntry(own.entry)])),
});

const legTimeoutsOf = (groups: Groups): Record<string, Duration> =>
  Object.fromEntries(
    Object.entries(groups).map(([group, { timeout }]) => [
      group,
      checkedLegTimeout(timeout ?? Duration.millis(LEG_MS), `the timeout of group ${group}`),
    ]),
  );

function publishing(scope: Construct, { bus, publishedStatuses }: StepfoldProps): Record<string, string> {
  if (bus === undefined) return {};
  const told = { bus: bus.eventBusArn, ...(publishedStatuses ? { statuses: publishedStatuses } : {}) };
  return { [BUS_ENVIRONMENT]: Stack.of(scope).toJsonString(told) };
}

/** Only what was set: the functions' own defaults are the engine's limits. */
function timing({
  legTimeout,
  messageDelayMax,
  sweepAfter,
  blobExpiration,
}: StepfoldProps): Record<string, string> {
  if (messageDelayMax && messageDelayMax.toMilliseconds() > MESSAGE_DELAY_MS_MAX) {
    throw outOfRange(
      "messageDelayMax",
      "at most 15 minutes, which is what SQS can delay a message",
      messageDelayMax,
    );
  }
  const set = [
    [SETTINGS_ENVIRONMENT.legMs, legTimeout],
    [SETTINGS_ENVIRONMENT.messageDelayMsMax, messageDelayMax],
    [SETTINGS_ENVIRONMENT.sweepAfterMs, sweepAfter],
    [SETTINGS_ENVIRONMENT.blobExpiryMs, blobExpiration],
  ] as const;
  return Object.fromEntries(
    set.flatMap(([name, value]) => (value ? [[name, String(value.toMilliseconds())]] : [])),
  );
}

function checkedLegTimeout(legTimeout: Duration, name = "legTimeout"): Duration {
  if (legTimeout.toMilliseconds() > LEG_MS_MAX) {
    throw outOfRange(name, "at most 15 minutes, which is what Lambda allows", legTimeout);
  }
  return legTimeout;
}

const outOfRange = (name: string, expected: string, got: Duration) =>
  new StepfoldError("InvalidDuration", `Expected ${name} to be ${expected}, got ${got.toHumanString()}.`, {
    name,
  });
