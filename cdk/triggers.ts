/**
 * What starts and signals runs, and how each source reaches the triggers function:
 *
 * 1. A rule's target is the triggers queue; its message holds the event and what to make of it. A bucket's objects
 *    come by a rule too.
 * 2. A topic subscribes the triggers queue, and a queue of the user's feeds the function by itself. Neither adds
 *    anything to its messages, so the function knows them by their ARNs, from its environment.
 * 3. What cannot be delivered or understood ends in a dead-letter queue that has an alarm: that of the triggers
 *    queue, or the user's queue's own, which it must have.
 */
import { Lazy, Stack } from "aws-cdk-lib";
import * as events from "aws-cdk-lib/aws-events";
import * as targets from "aws-cdk-lib/aws-events-targets";
import * as lambda from "aws-cdk-lib/aws-lambda";
import type * as sns from "aws-cdk-lib/aws-sns";
import { SqsSubscription } from "aws-cdk-lib/aws-sns-subscriptions";
import * as sqs from "aws-cdk-lib/aws-sqs";
import { Construct, type IConstruct } from "constructs";
import { SOURCES_ENVIRONMENT } from "../functions/environment.ts";
import { StepfoldError } from "../shared/core/errors.ts";
import { MESSAGES_PER_BATCH_MAX } from "../shared/core/limits.ts";
import type { Template } from "../shared/engine/mapping.ts";
import type { Trigger, TriggerSource } from "../shared/engine/trigger.ts";
import type { Alarms } from "./alarms.ts";
import { receive } from "./grants.ts";
import { from, templateOf } from "./mapping.ts";
import { changeOfObject, ObjectEvents, objectRule } from "./objects.ts";
import type { QueuePair } from "./queues.ts";

/** An EventBridge rule, the objects of a bucket (`objectEvents`), a topic, or a queue. */
export type EventSource = events.Rule | ObjectEvents | sns.ITopic | sqs.IQueue;

/**
 * Parts of the event are `EventField.fromPath("$.detail.id")`, also within texts. `$` is a rule's event, a topic's
 * message or a queue's message (as JSON, where it is JSON).
 */
export interface StartOnOptions {
  /** Default: a rule's or bucket's `$.detail`, a topic's or queue's whole message. */
  input?: unknown;
  /** Events with the same key start one run. Default: the event's own id. */
  idempotencyKey?: string;
}

export interface SignalOnOptions {
  /** The run to signal, such as `EventField.fromPath("$.detail.orderId")`. */
  runId: string;
  signal: string;
  /** Default: a rule's or bucket's `$.detail`, a topic's or queue's whole message. */
  payload?: unknown;
  /** Events with the same id signal a run once. Default: the event's own id. */
  signalId?: string;
}

/** A function's environment holds 4 KB in all. */
const SOURCES_BYTES_MAX = 2_400;
/** About what an ARN takes that is known only when it is deployed. */
const ARN_BYTES = 100;

export interface TriggersProps {
  queue: QueuePair;
  function: lambda.Function;
  alarms: Alarms;
}

export class Triggers extends Construct {
  readonly #props: TriggersProps;
  readonly #ids = new Set<string>();
  readonly #sources: TriggerSource[] = [];

  constructor(scope: Construct, id: string, props: TriggersProps) {
    super(scope, id);
    this.#props = props;
  }

  startOn(source: EventSource, workflow: string, options: StartOnOptions = {}): void {
    const { input, idempotencyKey } = options;
    const id = this.#newId(source, workflow);
    const key = keyOf(source, idempotencyKey, "idempotencyKey");
    this.#connect(source, {
      id,
      start: { workflow, input: bodyOf(source, input, "input"), ...(key && { idempotencyKey: key }) },
    });
  }

  signalOn(source: EventSource, options: SignalOnOptions): void {
    const { runId, signal, payload, signalId } = options;
    const id = this.#newId(source, signal);
    const key = keyOf(source, signalId, "signalId");
    this.#connect(source, {
      id,
      signal: {
        name: signal,
        runId: templateOf(runId, "runId"),
        payload: bodyOf(source, payload, "payload"),
        ...(key && { signalId: key }),
      },
    });
  }

  #newId(source: EventSource, what: string): string {
    if (!isSource(source)) throw unknownSource(source);
    const id = `${placeOf(source).node.path}/${what}`;
    if (this.#ids.has(id))
      throw new StepfoldError(
        "DuplicateTrigger",
        `Expected one trigger of ${what} on ${placeOf(source).node.path}, got two.`,
      );
    this.#ids.add(id);
    return id;
  }

  #connect(source: EventSource, trigger: Trigger): void {
    if (source instanceof events.Rule) return this.#onRule(source, trigger);
    if (source instanceof ObjectEvents)
      return this.#onRule(objectRule(this, trigger.id.replace(/\W/g, ""), source), trigger);
    if ("topicArn" in source) return this.#onTopic(source, trigger);
    return this.#onQueue(source, trigger);
  }

  #onRule(rule: events.Rule, trigger: Trigger): void {
    const { queue, deadLetters } = this.#props.queue;
    const inputTemplate = eventTemplate(this, trigger);
    const message = { bind: () => ({ inputTemplate }) } as events.RuleTargetInput;
    rule.addTarget(new targets.SqsQueue(queue, { message, deadLetterQueue: deadLetters }));
  }

  #onTopic(topic: sns.ITopic, trigger: Trigger): void {
    const { queue, deadLetters } = this.#props.queue;
    if (this.#remember(topic.topicArn, trigger))
      topic.addSubscription(new SqsSubscription(queue, { deadLetterQueue: deadLetters }));
  }

  #onQueue(queue: sqs.IQueue, trigger: Trigger): void {
    if (!this.#remember(queue.queueArn, trigger)) return;
    const { function: reader, alarms } = this.#props;
    const name = queue.node.path.replace(/\W/g, "");
    const deadLetters = deadLettersOf(queue);
    if (deadLetters !== undefined) alarms.watch(name, queue.node.path, deadLetters);
    reader.addToRolePolicy(receive(queue));
    queue.encryptionMasterKey?.grantDecrypt(reader);
    new lambda.EventSourceMapping(this, `From${name}`, {
      target: reader,
      eventSourceArn: queue.queueArn,
      batchSize: MESSAGES_PER_BATCH_MAX,
      reportBatchItemFailures: true,
    });
  }

  /** Whether it is the source's first trigger. */
  #remember(arn: string, trigger: Trigger): boolean {
    const known = this.#sources.find((source) => source.arn === arn);
    known?.triggers.push(trigger);
    if (known !== undefined) return false;
    if (this.#sources.length === 0) this.#handSourcesOver();
    this.#sources.push({ arn, triggers: [trigger] });
    return true;
  }

  #handSourcesOver(): void {
    const sources = Lazy.string({ produce: () => Stack.of(this).toJsonString(this.#sources) });
    this.#props.function.addEnvironment(SOURCES_ENVIRONMENT, sources);
    this.node.addValidation({ validate: () => this.#tooLarge() });
  }

  #tooLarge(): string[] {
    const bytes = JSON.stringify(this.#sources).length + this.#sources.length * ARN_BYTES;
    if (bytes <= SOURCES_BYTES_MAX) return [];
    return [
      `Expected the triggers on topics and queues to take at most ${SOURCES_BYTES_MAX} bytes, which is what a function's environment has room for, got ${bytes}. Map less, or start on rules, which carry their own.`,
    ];
  }
}

/** A message of the event and what to make of it. EventBridge would take each further `<` for a part of the event. */
function eventTemplate(scope: Construct, trigger: Trigger): string {
  const declared = Stack.of(scope).toJsonString(trigger);
  const withoutMarks = (value: unknown): unknown => {
    if (typeof value === "string") return value.replaceAll("<", "\\u003c");
    const join = (value as { "Fn::Join"?: [string, unknown[]] })["Fn::Join"];
    return join === undefined ? value : { "Fn::Join": [join[0], join[1].map(withoutMarks)] };
  };
  const escaped = Lazy.uncachedString({
    produce: ({ resolve }) => withoutMarks(resolve(declared)) as string,
  });
  return `{"trigger":${escaped},"event":<aws.events.event.json>}`;
}

const isSource = (source: unknown): source is EventSource =>
  source instanceof ObjectEvents ||
  source instanceof events.Rule ||
  (typeof source === "object" && source !== null && ("topicArn" in source || "queueArn" in source));

const isWithDetail = (source: EventSource): boolean =>
  source instanceof events.Rule || source instanceof ObjectEvents;

const bodyOf = (source: EventSource, given: unknown, what: string): Template =>
  given === undefined ? from(isWithDetail(source) ? "$.detail" : "$") : templateOf(given, what);

/** Where none is given, the message's own id is the key: a rule's message may come twice, its event has one id. */
function keyOf(source: EventSource, given: string | undefined, what: string): Template | undefined {
  if (given !== undefined) return templateOf(given, what);
  return source instanceof ObjectEvents ? changeOfObject : undefined;
}

const placeOf = (source: EventSource): IConstruct =>
  source instanceof ObjectEvents ? source.bucket : source;

/** Of a queue of another stack it cannot be known. */
function deadLettersOf(queue: sqs.IQueue): sqs.IQueue | undefined {
  if (!(queue instanceof sqs.Queue)) return undefined;
  if (queue.deadLetterQueue !== undefined) return queue.deadLetterQueue.queue;
  throw new StepfoldError(
    "InvalidTrigger",
    `Expected the queue ${queue.node.path} to have a dead-letter queue, got none: a message that nothing can be done with would come again and again.`,
  );
}

const unknownSource = (source: unknown) =>
  new StepfoldError(
    "InvalidTrigger",
    `Expected a rule, objectEvents(bucket), a topic or a queue to start or signal runs on, got ${String(source)}.`,
  );
