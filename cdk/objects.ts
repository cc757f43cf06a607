/**
 * A bucket's objects as a source of events: a rule of EventBridge, to which S3 sends them.
 *
 * A bucket of this app is told so by its own property. One that also has other notifications, and one that was not
 * made here, is told by the custom resource by which CDK sets notifications: it knows of all of them.
 */
import * as events from "aws-cdk-lib/aws-events";
import * as s3 from "aws-cdk-lib/aws-s3";
import type { Construct } from "constructs";
import { FROM, TEXT, type Template } from "../shared/engine/mapping.ts";

export interface ObjectEventsOptions {
  /** What happens to the objects. Default: `"created"`. */
  on?: "created" | "deleted";
  prefix?: string;
  suffix?: string;
}

/** What a bucket tells of its objects. Made by `objectEvents`. */
export class ObjectEvents {
  readonly bucket: s3.IBucket;
  readonly options: ObjectEventsOptions;

  constructor(bucket: s3.IBucket, options: ObjectEventsOptions) {
    this.bucket = bucket;
    this.options = options;
  }
}

/** The objects of a bucket that are created, or deleted, as a source for `startOn` and `signalOn`. */
export const objectEvents = (bucket: s3.IBucket, options: ObjectEventsOptions = {}): ObjectEvents =>
  new ObjectEvents(bucket, options);

/** S3 may send an event twice, with another id: an object's own change is what tells it. */
export const changeOfObject: Template = {
  [TEXT]: [
    { [FROM]: "$.detail.bucket.name" },
    "/",
    { [FROM]: "$.detail.object.key" },
    "#",
    { [FROM]: "$.detail.object.sequencer" },
  ],
};

export function objectRule(scope: Construct, id: string, { bucket, options }: ObjectEvents): events.Rule {
  const { on = "created", prefix, suffix } = options;
  sendToEventBridge(bucket);
  return new events.Rule(scope, id, {
    description: `Objects ${on} in ${bucket.node.id}.`,
    eventPattern: {
      source: ["aws.s3"],
      detailType: [on === "created" ? "Object Created" : "Object Deleted"],
      detail: { bucket: { name: [bucket.bucketName] }, ...keysLike(prefix, suffix) },
    },
  });
}

function keysLike(prefix: string | undefined, suffix: string | undefined): object {
  if (prefix === undefined && suffix === undefined) return {};
  if (suffix === undefined) return { object: { key: [{ prefix }] } };
  if (prefix === undefined) return { object: { key: [{ suffix }] } };
  return { object: { key: [{ wildcard: `${literal(prefix)}*${literal(suffix)}` }] } };
}

/** As EventBridge's wildcards take it for itself. */
const literal = (text: string): string => text.replace(/[\\*]/g, "\\$&");

function sendToEventBridge(bucket: s3.IBucket): void {
  const made = bucket.node.defaultChild;
  const isManaged = made instanceof s3.CfnBucket && bucket.node.tryFindChild("Notifications") === undefined;
  if (!isManaged) return bucket.enableEventBridgeNotification();
  if (made.notificationConfiguration !== undefined) return;
  made.notificationConfiguration = { eventBridgeConfiguration: { eventBridgeEnabled: true } };
  bucket.node.addValidation({
    validate: () =>
      bucket.node.tryFindChild("Notifications") === undefined
        ? []
        : [
            `Expected ${bucket.node.path} to get its notifications before startOn or signalOn, got them after: they would undo each other. Add them first, or set eventBridgeEnabled on the bucket.`,
          ],
  });
}
