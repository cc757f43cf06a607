/**
 * The three queues: `work` wakes runs, `signals` (FIFO, one group a run) carries messages to them, `triggers` takes
 * what other AWS services send. Each has a dead-letter queue, in which a message lands after `RECEIVES_MAX` tries.
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
}

/** A queue and where its undeliverable messages go. */
export interface QueuePair {
  name: "work" | "signals" | "triggers";
  queue: sqs.Queue;
  deadLetters: sqs.Queue;
}

export class Queues extends Construct {
  readonly work: QueuePair;
  readonly signals: QueuePair;
  readonly triggers: QueuePair;

  constructor(scope: Construct, id: string, props: QueuesProps) {
    super(scope, id);
    const intakeVisibility = Duration.seconds(props.intakeTimeout.toSeconds() * VISIBILITY_FACTOR);
    const workVisibility = props.legTimeout.plus(Duration.seconds(WORK_MARGIN_SECONDS));
    this.work = queuePair(this, "work", workVisibility);
    this.signals = queuePair(this, "signals", intakeVisibility, {
      fifo: true,
      deduplicationScope: sqs.DeduplicationScope.MESSAGE_GROUP,
      fifoThroughputLimit: sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
    });
    this.triggers = queuePair(this, "triggers", intakeVisibility);
  }

  get all(): QueuePair[] {
    return [this.work, this.signals, this.triggers];
  }
}

function queuePair(
  scope: Construct,
  name: QueuePair["name"],
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
  return { name, queue, deadLetters };
}
