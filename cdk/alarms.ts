/**
 * What an operator must hear of: a message that could not be delivered, a queue that falls behind, a function that
 * fails or is throttled. Without a topic the alarms still show in the console.
 *
 * A queue's age counts from when a message was sent, delays included, so `work` is given the longest delay on top.
 */
import { Duration } from "aws-cdk-lib";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import type * as sns from "aws-cdk-lib/aws-sns";
import type * as sqs from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { MESSAGE_DELAY_MS_MAX } from "../shared/core/limits.ts";
import type { Functions } from "./functions.ts";
import type { QueuePair, Queues } from "./queues.ts";

const PERIOD = Duration.minutes(1);
const BEHIND = Duration.minutes(10);
const FAILING_PERIOD = Duration.minutes(5);

export interface AlarmsProps {
  queues: Queues;
  functions: Functions;
  topic?: sns.ITopic | undefined;
}

export class Alarms extends Construct {
  readonly all: cloudwatch.Alarm[];
  readonly #action: SnsAction | undefined;

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    this.all = [
      ...props.queues.all.flatMap((pair) => [this.#undeliverable(pair), this.#behind(pair)]),
      ...props.functions.all.flatMap(({ name, function: failing }) => [
        this.#over(
          `${name}Errors`,
          `The ${name} function failed: see its log.`,
          0,
          failing.metricErrors({ period: FAILING_PERIOD }),
        ),
        this.#over(
          `${name}Throttles`,
          `The ${name} function was throttled: raise the account's concurrency.`,
          0,
          failing.metricThrottles({ period: FAILING_PERIOD }),
        ),
      ]),
    ];
    this.#action = props.topic && new SnsAction(props.topic);
    if (this.#action) for (const alarm of this.all) alarm.addAlarmAction(this.#action);
  }

  /** One more queue of dead letters: that of a queue of the user's. */
  watch(name: string, of: string, deadLetters: sqs.IQueue): void {
    const alarm = this.#undeliverable({ name, of, deadLetters });
    if (this.#action) alarm.addAlarmAction(this.#action);
    this.all.push(alarm);
  }

  #undeliverable(pair: { name: string; of?: string; deadLetters: sqs.IQueue }): cloudwatch.Alarm {
    const { name, of = name, deadLetters } = pair;
    const visible = deadLetters.metricApproximateNumberOfMessagesVisible({
      period: PERIOD,
      statistic: "Maximum",
    });
    return this.#over(
      `${name}DeadLetters`,
      `A message on the ${of} queue could not be processed.`,
      0,
      visible,
    );
  }

  #behind({ name, kind, queue }: QueuePair): cloudwatch.Alarm {
    const seconds = BEHIND.toSeconds() + (kind === "work" ? MESSAGE_DELAY_MS_MAX / 1000 : 0);
    const age = queue.metricApproximateAgeOfOldestMessage({ period: PERIOD, statistic: "Maximum" });
    return this.#over(`${name}Age`, `The ${name} queue is not keeping up.`, seconds, age);
  }

  #over(
    id: string,
    alarmDescription: string,
    threshold: number,
    metric: cloudwatch.IMetric,
  ): cloudwatch.Alarm {
    return new cloudwatch.Alarm(this, `${id[0]!.toUpperCase()}${id.slice(1)}`, {
      alarmDescription,
      metric,
      threshold,
      evaluationPeriods: 1,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    });
  }
}
