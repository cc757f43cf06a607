/** The ports on AWS, built from a configuration. A bill of materials: it holds no logic. */
import type { BlobStore } from "../../ports/blobs.ts";
import type { Clock } from "../../ports/clock.ts";
import type { JournalStore } from "../../ports/journal.ts";
import { Meter } from "../../ports/meter.ts";
import type { Publisher } from "../../ports/publisher.ts";
import type { Queue } from "../../ports/queue.ts";
import type { Registers } from "../../ports/registers.ts";
import type { Runners } from "../../ports/runners.ts";
import type { Scheduler } from "../../ports/scheduler.ts";
import { silence } from "../common/events.ts";
import { systemClock } from "../local/clock.ts";
import { NetworkRunners } from "../local/runners.ts";
import { S3Blobs } from "./blobs.ts";
import { type AwsClients, createClients } from "./clients.ts";
import { DynamoJournal } from "./journal.ts";
import type { AwsConfig } from "./names.ts";
import { EventBridgePublisher } from "./publisher.ts";
import { SqsQueue } from "./queue.ts";
import { DynamoRegisters } from "./registers.ts";
import { awsAccess } from "./runners.ts";
import { EventBridgeScheduler } from "./scheduler.ts";

export interface AwsPorts {
  journal: JournalStore;
  queue: Queue;
  scheduler: Scheduler;
  blobs: BlobStore;
  runners: Runners;
  registers: Registers;
  publisher: Publisher;
  clock: Clock;
  meter: Meter;
}

/** Anything of the ports, or any of the SDK's clients, in place of its own. */
export interface AwsOverrides {
  clients?: Partial<AwsClients>;
  clock?: Clock;
  meter?: Meter;
}

export function awsPorts(config: AwsConfig, overrides: AwsOverrides = {}): AwsPorts {
  const { clock = systemClock, meter = new Meter() } = overrides;
  const clients = { ...createClients(process.env), ...overrides.clients };
  return {
    journal: new DynamoJournal({ client: clients.dynamodb, table: config.table, clock, meter }),
    queue: new SqsQueue({ client: clients.sqs, ...config, clock, meter }),
    scheduler: new EventBridgeScheduler({
      client: clients.scheduler,
      group: config.scheduleGroup,
      workQueueArn: config.workQueueArn,
      groups: config.groups,
      roleArn: config.scheduleRoleArn,
      clock,
      meter,
    }),
    registers: new DynamoRegisters({ client: clients.dynamodb, table: config.table, clock, meter }),
    publisher:
      config.bus === undefined
        ? silence
        : new EventBridgePublisher({ client: clients.eventbridge, ...config.bus, clock }),
    blobs: new S3Blobs({ client: clients.s3, bucket: config.bucket, clock }),
    runners: new NetworkRunners({ env: process.env, aws: awsAccess(process.env), clock }),
    clock,
    meter,
  };
}
