/**
 * Long timers: a group that holds the one-off schedules, and the role by which EventBridge Scheduler puts their
 * messages on a work queue. The role can do nothing else, and only this group's schedules may assume it.
 */
import { Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as scheduler from "aws-cdk-lib/aws-scheduler";
import type * as sqs from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";

export class Schedules extends Construct {
  readonly group: scheduler.ScheduleGroup;
  readonly role: iam.Role;

  constructor(scope: Construct, id: string, props: { workQueues: sqs.IQueue[] }) {
    super(scope, id);
    this.group = new scheduler.ScheduleGroup(this, "Group");
    this.role = new iam.Role(this, "Role", {
      description: "EventBridge Scheduler sends the wakes of long timers to the work queues.",
      assumedBy: new iam.ServicePrincipal("scheduler.amazonaws.com", {
        conditions: {
          StringEquals: {
            "aws:SourceAccount": Stack.of(this).account,
            "aws:SourceArn": this.group.scheduleGroupArn,
          },
        },
      }),
    });
    this.role.addToPolicy(
      new iam.PolicyStatement({
        actions: ["sqs:SendMessage"],
        resources: props.workQueues.map((queue) => queue.queueArn),
      }),
    );
  }
}
