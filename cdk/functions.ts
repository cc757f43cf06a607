/**
 * The functions: their bundles, roles, logs, and what invokes them. No role has more than `grants.ts` lists; only
 * `advance`, and that of each worker group, runs users' code, so only they carry users' permissions and environment.
 */
import { Duration, RemovalPolicy } from "aws-cdk-lib";
import * as events from "aws-cdk-lib/aws-events";
import * as targets from "aws-cdk-lib/aws-events-targets";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import { ISOLATION_ENVIRONMENT, SETTINGS_ENVIRONMENT } from "../functions/environment.ts";
import { GROUP_ENVIRONMENT } from "../shared/adapters/aws/names.ts";
import { LEG_MS, LEG_MS_MAX, MESSAGES_PER_BATCH_MAX } from "../shared/core/limits.ts";
import { acknowledgeWildcard } from "./acknowledge.ts";
import { type Entries, type FunctionName, functionCode } from "./bundle.ts";
import {
  advanceGrants,
  apiGrants,
  networkGrants,
  type Resources,
  signalsGrants,
  sweepGrants,
  triggersGrants,
} from "./grants.ts";
import type { GroupProps, Groups } from "./groups.ts";
import type { QueuePair } from "./queues.ts";

/** HTTP APIs give up after 30 seconds. */
export const API_TIMEOUT = Duration.seconds(29);
/** Signals, triggers and the sweep run no user code. */
export const INTAKE_TIMEOUT = Duration.seconds(30);
/** A leg ends by itself before its function does: what closing takes comes on top, as far as Lambda goes. */
const CLOSING_MS = 10_000;
const timeoutOf = (legTimeout: Duration): Duration =>
  Duration.millis(Math.min(legTimeout.toMilliseconds() + CLOSING_MS, LEG_MS_MAX));
const SWEEP_EVERY = Duration.minutes(1);
const MEMORY_MB = 512;
/** Of the default and of every group's `advance`. */
export const USERS_MEMORY_MB = 1024;
const WILDCARD_REASON =
  "X-Ray's actions, and those that attach a function to a network, accept no resource but the wildcard.";
const NAMED_LATER_REASON =
  "Blobs and schedules are named at run time; the bucket and the group are the construct's own.";

export interface FunctionsProps extends Resources {
  entries: Entries;
  groups: Groups;
  legTimeout: Duration;
  memorySize: number;
  logRetention: logs.RetentionDays;
  environment: Record<string, string>;
  userEnvironment: Record<string, string>;
  /** As the functions are told of it. */
  isolation?: string | undefined;
}

export class Functions extends Construct {
  readonly api: lambda.Function;
  readonly advance: lambda.Function;
  readonly signals: lambda.Function;
  readonly sweep: lambda.Function;
  readonly triggers: lambda.Function;
  /** Each worker group's `advance`. */
  readonly groups: Record<string, lambda.Function> = {};

  constructor(scope: Construct, id: string, props: FunctionsProps) {
    super(scope, id);
    const { legTimeout, memorySize, userEnvironment, queues } = props;
    const make = (name: FunctionName, grants: iam.PolicyStatement[], own: Own) =>
      engineFunction(this, { name, id: name }, grants, props, own);

    const isolated = props.isolation ? { told: { [ISOLATION_ENVIRONMENT]: props.isolation } } : {};
    this.api = make("api", apiGrants(props), { timeout: API_TIMEOUT, ...isolated });
    this.advance = make("advance", advanceGrants(props), {
      timeout: timeoutOf(legTimeout),
      memorySize,
      environment: userEnvironment,
    });
    this.signals = make("signals", signalsGrants(props), { timeout: INTAKE_TIMEOUT });
    this.triggers = make("triggers", triggersGrants(props), { timeout: INTAKE_TIMEOUT, ...isolated });
    this.sweep = make("sweep", sweepGrants(props), { timeout: INTAKE_TIMEOUT, retryAttempts: 0 });

    feed(this.advance, queues.work);
    feed(this.signals, queues.signals);
    feed(this.triggers, queues.triggers);
    for (const [group, own] of Object.entries(props.groups)) {
      this.groups[group] = groupFunction(this, group, own, props);
      feed(this.groups[group], queues.groups[group]!);
    }
    new events.Rule(this, "SweepRule", {
      description: "Finds runs whose wake was lost.",
      schedule: events.Schedule.rate(SWEEP_EVERY),
      targets: [new targets.LambdaFunction(this.sweep)],
    });
  }

  get all(): { name: string; function: lambda.Function }[] {
    const names = ["api", "advance", "signals", "sweep", "triggers"] as const;
    return [
      ...names.map((name) => ({ name, function: this[name] })),
      ...Object.entries(this.groups).map(([group, made]) => ({ name: `${group}Advance`, function: made })),
    ];
  }
}

function groupFunction(
  scope: Construct,
  group: string,
  { timeout, memorySize, environment, vpc, vpcSubnets, securityGroups }: GroupProps,
  props: FunctionsProps,
): lambda.Function {
  const legTimeout = timeout ?? Duration.millis(LEG_MS);
  const grants = [...advanceGrants(props, props.queues.groups[group]), ...(vpc ? networkGrants() : [])];
  return engineFunction(scope, { name: "advance", id: `${group}Advance` }, grants, props, {
    timeout: timeoutOf(legTimeout),
    memorySize: memorySize ?? USERS_MEMORY_MB,
    environment: environment ?? {},
    told: {
      [GROUP_ENVIRONMENT]: group,
      [SETTINGS_ENVIRONMENT.legMs]: String(legTimeout.toMilliseconds()),
    },
    ...(vpc ? { vpc } : {}),
    ...(vpcSubnets ? { vpcSubnets } : {}),
    ...(securityGroups ? { securityGroups } : {}),
  });
}

/** A function's own properties, and what it is told beside what all are. */
type Own = Partial<lambda.FunctionProps> & { told?: Record<string, string> };

function engineFunction(
  scope: Construct,
  named: { name: FunctionName; id: string },
  grants: iam.PolicyStatement[],
  props: FunctionsProps,
  { told, ...own }: Own,
): lambda.Function {
  const { name } = named;
  const id = `${named.id[0]!.toUpperCase()}${named.id.slice(1)}`;
  const logGroup = new logs.LogGroup(scope, `${id}Log`, {
    retention: props.logRetention,
    removalPolicy: RemovalPolicy.DESTROY,
  });
  const role = new iam.Role(scope, `${id}Role`, {
    assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com"),
  });
  attach(role, [...observe(logGroup), ...grants]);
  const made = new lambda.Function(scope, id, {
    runtime: lambda.Runtime.NODEJS_24_X,
    architecture: lambda.Architecture.ARM_64,
    code: functionCode(name, props.entries),
    handler: "index.handler",
    memorySize: MEMORY_MB,
    logGroup,
    loggingFormat: lambda.LoggingFormat.JSON,
    role,
    ...own,
    environment: {
      NODE_OPTIONS: "--enable-source-maps",
      POWERTOOLS_SERVICE_NAME: `stepfold-${named.id}`,
      POWERTOOLS_METRICS_NAMESPACE: "Stepfold",
      ...own.environment,
      ...props.environment,
      ...told,
    },
  });
  // `tracing` would add its statement to the policy in which users' own grants are kept apart from ours.
  (made.node.defaultChild as lambda.CfnFunction).tracingConfig = { mode: "Active" };
  return made;
}

/** To the function's own log group, and to X-Ray, which takes no resource. */
const observe = (logGroup: logs.ILogGroup) => [
  new iam.PolicyStatement({
    actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
    resources: [logGroup.logGroupArn],
  }),
  new iam.PolicyStatement({
    actions: ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
    resources: ["*"],
  }),
];

/** Our statements have a policy of their own, so that what we acknowledge never hides what users add. */
function attach(role: iam.Role, statements: iam.PolicyStatement[]): void {
  const policy = new iam.Policy(role, "Grants", { roles: [role], statements });
  for (const resource of new Set(statements.flatMap((statement) => statement.resources))) {
    if (resource === "*") acknowledgeWildcard(policy, resource, WILDCARD_REASON);
    else if (resource.endsWith("*")) acknowledgeWildcard(policy, resource, NAMED_LATER_REASON);
  }
}

function feed(to: lambda.Function, { name, queue }: QueuePair): void {
  new lambda.EventSourceMapping(to, `From${name[0]!.toUpperCase()}${name.slice(1)}`, {
    target: to,
    eventSourceArn: queue.queueArn,
    batchSize: MESSAGES_PER_BATCH_MAX,
    reportBatchItemFailures: true,
  });
}
