/**
 * The queues: `work` wakes runs, one for the default and for each worker group; `signals` (FIFO, one FIFO group a run)
 * carries messages to them; `triggers` takes what other AWS services send. Each has a dead-letter queue, in which a message lands after `RECEIVES_MAX` tries.
 *
 * 1. TLS only, encrypted with keys that SQS manages.
 * 2. A message stays hidden for longer than its function may take, or SQS would hand it out twice. `signals` and
 *    `triggers` keep to Lambda's advice of six times as long. `work` does not: its visibility is also how long a
 *    crashed leg delays the run, and a message that comes back early only meets the lease.
 */
import { Duration } from "aws-cdk-lib";
import * as sqs from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { RECEIVES_MAX } from "../shared/core/limits.ts";

const DEAD_LETTER_RETENTION = Duration.days(14);
const RETENTION = Duration.days(4);
const WORK_MARGIN_SECONDS = 30;
const VISIBILITY_FACTOR = 6;

export interface QueuesProps {
  legTimeout: Duration;
  intakeTimeout: Duration;
  /** The leg length of each worker group. */
  groups: Record<string, Duration>;
}

/** A queue and where its undeliverable messages go. */
export interface QueuePair {
  /** `work`, `signals`, `triggers`, or a group's, such as `paymentsWork`. */
  name: string;
  kind: "work" | "signals" | "triggers";
  queue: sqs.Queue;
  deadLetters: sqs.Queue;
}

export class Queues extends Construct {
  readonly work: QueuePair;
  readonly signals: QueuePair;
  readonly triggers: QueuePair;
  /** The work queues of the worker groups. */
  readonly groups: Record<string, QueuePair>;

  constructor(scope: Construct, id: string, props: QueuesProps) {
    super(scope, id);
    const intakeVisibility = Duration.seconds(props.intakeTimeout.toSeconds() * VISIBILITY_FACTOR);
    this.work = queuePair(this, "work", "work", workVisibility(props.legTimeout));
    this.signals = queuePair(this, "signals", "signals", intakeVisibility, {
      fifo: true,
      deduplicationScope: sqs.DeduplicationScope.MESSAGE_GROUP,
      fifoThroughputLimit: sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
    });
    this.triggers = queuePair(this, "triggers", "triggers", intakeVisibility);
    this.groups = Object.fromEntries(
      Object.entries(props.groups).map(([group, timeout]) => [
        group,
        queuePair(this, `${group}Work`, "work", workVisibility(timeout)),
      ]),
    );
  }

  /** Every work queue: whoever wakes runs sends to all of them. */
  get works(): QueuePair[] {
    return [this.work, ...Object.values(this.groups)];
  }

  get all(): QueuePair[] {
    return [this.work, this.signals, this.triggers, ...Object.values(this.groups)];
  }
}

const workVisibility = (legTimeout: Duration) => legTimeout.plus(Duration.seconds(WORK_MARGIN_SECONDS));

function queuePair(
  scope: Construct,
  name: string,
  kind: QueuePair["kind"],
  visibilityTimeout: Duration,
  fifo: Pick<sqs.QueueProps, "fifo" | "deduplicationScope" | "fifoThroughputLimit"> = {},
): QueuePair {
  const id = `${name[0]!.toUpperCase()}${name.slice(1)}`;
  const secure = { enforceSSL: true, encryption: sqs.QueueEncryption.SQS_MANAGED };
  const deadLetters = new sqs.Queue(scope, `${id}Dead`, {
    ...secure,
    ...(fifo.fifo ? { fifo: true } : {}),
    retentionPeriod: DEAD_LETTER_RETENTION,
  });
  const queue = new sqs.Queue(scope, id, {
    ...secure,
    ...fifo,
    visibilityTimeout,
    retentionPeriod: RETENTION,
    deadLetterQueue: { queue: deadLetters, maxReceiveCount: RECEIVES_MAX },
  });
  return { name, kind, queue, deadLetters };
}
