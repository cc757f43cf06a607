"""Starts MiniStack with what it lacks for Stepfold's end-to-end test. It reaches into private names of the version
that `ministack.ts` pins, and fails at once when one of them is gone.

1. Schedules and rules fire within a quarter of a second of their time; on its own, MiniStack looks every ten.
2. A table made by CloudFormation has its TTL, and says that its indexes are active.
3. A Lambda call that logs nothing does not wait for its log.
4. No second port is opened beside the one that was asked for.
5. With IAM enforced, whatever is denied to a role is in the log as one line: `DENIED <role> <action> <resource>`.
6. A batch of SQS is allowed to whoever may do the single thing: IAM knows no action for batches.
7. A schedule is authorized in its own group; on its own, MiniStack takes every schedule for one of the default group.
8. A schedule's message says when it was due; on its own, MiniStack leaves `<aws.scheduler.scheduled-time>` as it is.
"""

import datetime

from ministack import app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.services import dynamodb, eventbridge, scheduler
from ministack.services.cloudformation import provisioners

TICK_SECONDS = 0.25
LOG_WAITS_SECONDS = (0.003, 0.002, 0.25)


def patch(module, name, value):
    if not hasattr(module, name):
        raise SystemExit(f"Expected {module.__name__}.{name} to exist: is this the pinned MiniStack?")
    setattr(module, name, value)


def table_handlers():
    for value in vars(provisioners).values():
        handlers = value.get("AWS::DynamoDB::Table") if isinstance(value, dict) else None
        if isinstance(handlers, dict) and "create" in handlers:
            return handlers
    raise SystemExit("Expected a provisioner of AWS::DynamoDB::Table: is this the pinned MiniStack?")


def with_ttl(create):
    def create_table(logical_id, properties, stack_name):
        result = create(logical_id, properties, stack_name)
        name = result[0]
        ttl = properties.get("TimeToLiveSpecification")
        if ttl:
            enabled = str(ttl.get("Enabled", True)).lower() == "true"
            specification = {"AttributeName": ttl.get("AttributeName"), "Enabled": enabled}
            dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": specification})
        for index in dynamodb._tables[name].get("GlobalSecondaryIndexes") or []:
            index.setdefault("IndexStatus", "ACTIVE")
        return result

    return create_table


def with_denials(enforce):
    def enforce_and_tell(access_key_id, iam_action, service, region, resource_arn="*", *rest, **named):
        if service == "sqs":
            iam_action = iam_action.removesuffix("Batch")
        result = enforce(access_key_id, iam_action, service, region, resource_arn, *rest, **named)
        if isinstance(result, iam_evaluator.EvalResult):
            print(f"DENIED {result.principal_arn} {iam_action} {resource_arn}", flush=True)
        return result

    return enforce_and_tell


def with_schedule_groups(extract):
    def extract_resource_arn(service, method, path, headers, body, query_params, region, account_id):
        arn = extract(service, method, path, headers, body, query_params, region, account_id)
        if service != "scheduler":
            return arn
        in_body = iam_actions._safe_json_field(body, "GroupName")
        group = in_body or iam_actions._query_param(query_params, "groupName") or "default"
        return arn.replace(":schedule/default/", f":schedule/{group}/")

    return extract_resource_arn


def with_scheduled_time(invoke):
    def invoke_target(target, event, rule, view=None):
        text = target.get("Input")
        if event.get("Source") == "aws.scheduler" and text:
            due = datetime.datetime.fromtimestamp(int(event["Time"]), tz=datetime.timezone.utc)
            due = due.strftime("%Y-%m-%dT%H:%M:%SZ")
            target = {**target, "Input": text.replace("<aws.scheduler.scheduled-time>", due)}
        return invoke(target, event, rule, view)

    return invoke_target


patch(eventbridge, "_invoke_target", with_scheduled_time(eventbridge._invoke_target))
patch(iam_actions, "extract_resource_arn", with_schedule_groups(iam_actions.extract_resource_arn))
patch(iam_evaluator, "enforce", with_denials(iam_evaluator.enforce))
patch(scheduler, "_SCHEDULE_TICK_INTERVAL", TICK_SECONDS)
patch(eventbridge, "_SCHEDULER_TICK_INTERVAL", TICK_SECONDS)
lambda_runtime.Worker._drain_stderr_bounded.__defaults__ = LOG_WAITS_SECONDS
patch(app, "_port_is_bindable", lambda _host, _port: False)
handlers = table_handlers()
handlers["create"] = with_ttl(handlers["create"])
app.main()
