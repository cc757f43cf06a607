/**
 * The names that both sides of a deployment need: the table's keys and indexes, and the environment variables by
 * which functions learn their resources. CDK, the entry points, `provision.ts` and the adapters import them from here.
 *
 * It touches nothing: `configFromEnvironment` is given the environment.
 */
import { StepfoldError } from "../../core/errors.ts";
import type { RunStatus } from "../../core/events.ts";

/** What the adapters need to know of the deployed stack. */
export interface AwsConfig {
  table: string;
  workQueueUrl: string;
  signalsQueueUrl: string;
  workQueueArn: string;
  scheduleGroup: string;
  scheduleRoleArn: string;
  bucket: string;
  /** The work queue of each worker group beside the default one. */
  groups?: Record<string, GroupConfig>;
  /** Where status changes are published. Absent, they are not. */
  bus?: BusConfig;
}

export interface BusConfig {
  /** A name or an ARN. */
  bus: string;
  /** Which are published: by default all. */
  statuses?: readonly RunStatus[];
}

export interface GroupConfig {
  queueUrl: string;
  queueArn: string;
}

export const ENVIRONMENT = {
  table: "STEPFOLD_TABLE",
  workQueueUrl: "STEPFOLD_WORK_QUEUE_URL",
  signalsQueueUrl: "STEPFOLD_SIGNALS_QUEUE_URL",
  workQueueArn: "STEPFOLD_WORK_QUEUE_ARN",
  scheduleGroup: "STEPFOLD_SCHEDULE_GROUP",
  scheduleRoleArn: "STEPFOLD_SCHEDULE_ROLE_ARN",
  bucket: "STEPFOLD_BUCKET",
} as const satisfies Record<Exclude<keyof AwsConfig, "groups" | "bus">, string>;

/** Where a function is told of all worker groups, as JSON, and of its own. Absent where there are none. */
export const GROUPS_ENVIRONMENT = "STEPFOLD_GROUPS";
export const GROUP_ENVIRONMENT = "STEPFOLD_GROUP";

/** Where a function is told of the bus, as JSON. Absent where nothing is published. */
export const BUS_ENVIRONMENT = "STEPFOLD_BUS";

type Environment = Record<string, string | undefined>;

/** The variables that a function gets, for CDK and for child processes. */
export function environmentOf(config: AwsConfig): Record<string, string> {
  const environment = Object.fromEntries(configKeys().map((key) => [ENVIRONMENT[key], config[key]]));
  if (config.groups !== undefined) environment[GROUPS_ENVIRONMENT] = JSON.stringify(config.groups);
  if (config.bus !== undefined) environment[BUS_ENVIRONMENT] = JSON.stringify(config.bus);
  return environment;
}

/** Throws `ConfigurationMissing`, which names every absent variable at once. */
export function configFromEnvironment(env: Environment): AwsConfig {
  const missing = configKeys()
    .map((key) => ENVIRONMENT[key])
    .filter((name) => !env[name]);
  if (missing.length > 0) {
    throw new StepfoldError(
      "ConfigurationMissing",
      `Expected the environment variables ${missing.join(", ")} to be set, got none. The Stepfold construct sets them on its functions; elsewhere take their values from the stack's outputs.`,
      { missing },
    );
  }
  const config = Object.fromEntries(configKeys().map((key) => [key, env[ENVIRONMENT[key]]]));
  const groups = env[GROUPS_ENVIRONMENT];
  const bus = env[BUS_ENVIRONMENT];
  return {
    ...config,
    ...(groups ? { groups: JSON.parse(groups) } : {}),
    ...(bus ? { bus: JSON.parse(bus) } : {}),
  } as unknown as AwsConfig;
}

export const configKeys = () => Object.keys(ENVIRONMENT) as (keyof typeof ENVIRONMENT)[];

/** The table, as CDK and `provision.ts` create it. Attribute names are short because they are billed. */
export const TABLE_SCHEMA = {
  partitionKey: { name: "PK", type: "S" },
  sortKey: { name: "SK", type: "S" },
  /** Epoch seconds, on every item. */
  ttlAttribute: "ttl",
  indexes: {
    /** Unfinished runs by the time at which the sweep should look at them. Sparse: leaving it is one write. */
    due: {
      name: "due",
      partitionKey: { name: "ds", type: "S" },
      sortKey: { name: "du", type: "N" },
      projection: { type: "KEYS_ONLY" },
    },
    /** All runs by time of creation. It projects only what never changes, so no later write touches it. */
    list: {
      name: "list",
      partitionKey: { name: "ls", type: "S" },
      sortKey: { name: "lk", type: "S" },
      projection: { type: "INCLUDE", attributes: ["w", "o"] },
    },
    /** The runs of an owner, by time of creation. Sparse: a run without an owner has no row, and costs nothing. */
    owner: {
      name: "owner",
      partitionKey: { name: "o", type: "S" },
      sortKey: { name: "lk", type: "S" },
      projection: { type: "INCLUDE", attributes: ["w"] },
    },
    /** The runs that somebody started under a parent. Sparse: what a run starts itself is in its own journal. */
    parent: {
      name: "parent",
      partitionKey: { name: "p", type: "S" },
      sortKey: { name: "lk", type: "S" },
      projection: { type: "INCLUDE", attributes: ["w", "o"] },
    },
  },
} as const;

/** Names that are derived from others, so that both sides derive them alike. */
export const DEAD_LETTER_SUFFIX = "-dead";
export const FIFO_SUFFIX = ".fifo";

/** The dead-letter queue of a queue; FIFO queues end in `.fifo`, and so must their dead-letter queues. */
export function deadLetterQueueName(queueName: string): string {
  return queueName.endsWith(FIFO_SUFFIX)
    ? `${queueName.slice(0, -FIFO_SUFFIX.length)}${DEAD_LETTER_SUFFIX}${FIFO_SUFFIX}`
    : `${queueName}${DEAD_LETTER_SUFFIX}`;
}
