/**
 * What the template promises: storage, queues, exact grants, who may call, and what the functions are told.
 * Every list is complete: a permission, route or queue more is a failure, as is one less.
 */
import { Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import { Match, type Template } from "aws-cdk-lib/assertions";
import * as events from "aws-cdk-lib/aws-events";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import * as sns from "aws-cdk-lib/aws-sns";
import { beforeAll, describe, expect, test } from "vitest";
import { SETTINGS_ENVIRONMENT } from "../../functions/environment.ts";
import { BUS_ENVIRONMENT, ENVIRONMENT } from "../../shared/adapters/aws/names.ts";
import {
  plain,
  type Resources,
  readable,
  statementsByRole,
  synthesize,
  unbundled,
} from "./fixtures/synth.ts";

let template: Template;
beforeAll(() => {
  template = synthesize();
});

const ofType = (type: string, from = template) => from.findResources(type) as Resources;

describe("storage", () => {
  test("the table is on demand, expires its items, can be restored, and stays when the stack goes", () => {
    template.hasResource("AWS::DynamoDB::Table", {
      DeletionPolicy: "Retain",
      UpdateReplacePolicy: "Retain",
      Properties: {
        BillingMode: "PAY_PER_REQUEST",
        KeySchema: [
          { AttributeName: "PK", KeyType: "HASH" },
          { AttributeName: "SK", KeyType: "RANGE" },
        ],
        TimeToLiveSpecification: { AttributeName: "ttl", Enabled: true },
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      },
    });
  });

  test("its indexes are `due` and the lists, with no more than their readers need", () => {
    const [table] = Object.values(ofType("AWS::DynamoDB::Table"));
    expect(table?.Properties.GlobalSecondaryIndexes).toEqual([
      {
        IndexName: "due",
        KeySchema: [
          { AttributeName: "ds", KeyType: "HASH" },
          { AttributeName: "du", KeyType: "RANGE" },
        ],
        Projection: { ProjectionType: "KEYS_ONLY" },
      },
      {
        IndexName: "list",
        KeySchema: [
          { AttributeName: "ls", KeyType: "HASH" },
          { AttributeName: "lk", KeyType: "RANGE" },
        ],
        Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: ["w", "o"] },
      },
      {
        IndexName: "owner",
        KeySchema: [
          { AttributeName: "o", KeyType: "HASH" },
          { AttributeName: "lk", KeyType: "RANGE" },
        ],
        Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: ["w"] },
      },
      {
        IndexName: "parent",
        KeySchema: [
          { AttributeName: "p", KeyType: "HASH" },
          { AttributeName: "lk", KeyType: "RANGE" },
        ],
        Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: ["w", "o"] },
      },
    ]);
    expect(table?.Properties.AttributeDefinitions).toContainEqual({
      AttributeName: "du",
      AttributeType: "N",
    });
  });

  test("the bucket is private, TLS only, expires its blobs after every run, and stays when the stack goes", () => {
    template.hasResource("AWS::S3::Bucket", {
      DeletionPolicy: "Retain",
      Properties: {
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
        LifecycleConfiguration: { Rules: [Match.objectLike({ ExpirationInDays: 425, Status: "Enabled" })] },
      },
    });
    template.hasResourceProperties("AWS::S3::BucketPolicy", { PolicyDocument: denyPlainHttp("s3:*") });
  });

  test("both can be made to go with the stack", () => {
    const mortal = synthesize({ removalPolicy: RemovalPolicy.DESTROY });
    mortal.hasResource("AWS::DynamoDB::Table", { DeletionPolicy: "Delete" });
    mortal.hasResource("AWS::S3::Bucket", { DeletionPolicy: "Delete" });
  });
});

describe("queues", () => {
  test("each has a dead-letter queue, and is hidden for long enough", () => {
    const found = Object.entries(ofType("AWS::SQS::Queue")).map(([id, { Properties }]) => {
      const redrive = Properties.RedrivePolicy as
        | { deadLetterTargetArn: unknown; maxReceiveCount: number }
        | undefined;
      return {
        queue: plain(id),
        fifo: Properties.FifoQueue ?? false,
        visibility: Properties.VisibilityTimeout,
        redrive: redrive && `${redrive.maxReceiveCount} to ${readable(redrive.deadLetterTargetArn)}`,
      };
    });
    expect(found).toEqual([
      { queue: "QueuesWorkDead", fifo: false },
      { queue: "QueuesWork", fifo: false, visibility: 150, redrive: "10 to <QueuesWorkDead.Arn>" },
      { queue: "QueuesSignalsDead", fifo: true },
      { queue: "QueuesSignals", fifo: true, visibility: 180, redrive: "10 to <QueuesSignalsDead.Arn>" },
      { queue: "QueuesTriggersDead", fifo: false },
      { queue: "QueuesTriggers", fifo: false, visibility: 180, redrive: "10 to <QueuesTriggersDead.Arn>" },
    ]);
  });

  test("all are encrypted and TLS only", () => {
    template.allResourcesProperties("AWS::SQS::Queue", { SqsManagedSseEnabled: true });
    template.resourcePropertiesCountIs(
      "AWS::SQS::QueuePolicy",
      { PolicyDocument: denyPlainHttp("sqs:*") },
      6,
    );
  });

  test("signals are in order by run, and only by run", () => {
    template.hasResourceProperties("AWS::SQS::Queue", {
      FifoQueue: true,
      DeduplicationScope: "messageGroup",
      FifoThroughputLimit: "perMessageGroupId",
    });
  });

  test("each feeds its function, in batches of which single messages may fail", () => {
    const found = Object.values(ofType("AWS::Lambda::EventSourceMapping")).map(({ Properties }) => ({
      from: readable(Properties.EventSourceArn),
      to: readable(Properties.FunctionName),
      batch: Properties.BatchSize,
      failures: Properties.FunctionResponseTypes,
    }));
    const failures = ["ReportBatchItemFailures"];
    expect(found).toEqual([
      { from: "<QueuesWork.Arn>", to: "<FunctionsAdvance>", batch: 10, failures },
      { from: "<QueuesSignals.Arn>", to: "<FunctionsSignals>", batch: 10, failures },
      { from: "<QueuesTriggers.Arn>", to: "<FunctionsTriggers>", batch: 10, failures },
    ]);
  });
});

describe("functions", () => {
  const names = ["Api", "Advance", "Signals", "Triggers", "Sweep"];

  test("all run on Node 24 on arm64, traced, with logs that are kept for a month", () => {
    const functions = ofType("AWS::Lambda::Function");
    expect(Object.keys(functions).map(plain)).toEqual(names.map((name) => `Functions${name}`));
    template.allResourcesProperties("AWS::Lambda::Function", {
      Runtime: "nodejs24.x",
      Architectures: ["arm64"],
      TracingConfig: { Mode: "Active" },
      LoggingConfig: { LogFormat: "JSON", LogGroup: Match.anyValue() },
    });
    template.allResourcesProperties("AWS::Logs::LogGroup", { RetentionInDays: 30 });
  });

  test("a leg lasts two minutes, the API less than its gateway waits", () => {
    const timeouts = Object.values(ofType("AWS::Lambda::Function")).map(
      ({ Properties }) => Properties.Timeout,
    );
    expect(timeouts).toEqual([29, 130, 30, 30, 30]);
  });

  test("each is told its resources, and nothing of timing unless it was set", () => {
    for (const [id, { Properties }] of Object.entries(ofType("AWS::Lambda::Function"))) {
      const { Variables } = Properties.Environment as { Variables: Record<string, unknown> };
      const told = Object.keys(Variables).filter((name) => name.startsWith("STEPFOLD_"));
      expect(told.sort(), id).toEqual(Object.values(ENVIRONMENT).sort());
      expect(readable(Variables[ENVIRONMENT.table])).toBe("<StorageJournal>");
      expect(readable(Variables[ENVIRONMENT.workQueueUrl])).toBe("<QueuesWork>");
      expect(readable(Variables[ENVIRONMENT.workQueueArn])).toBe("<QueuesWork.Arn>");
      expect(readable(Variables[ENVIRONMENT.signalsQueueUrl])).toBe("<QueuesSignals>");
      expect(readable(Variables[ENVIRONMENT.scheduleRoleArn])).toBe("<SchedulesRole.Arn>");
      expect(readable(Variables[ENVIRONMENT.bucket])).toBe("<StorageBlobs>");
    }
  });

  test("the settings reach the functions; the user's environment reaches `advance` alone", () => {
    const set = synthesize({
      messageDelayMax: Duration.seconds(2),
      sweepAfter: Duration.seconds(5),
      legTimeout: Duration.minutes(15),
      memorySize: 2048,
      environment: { SHOP: "one" },
      logRetention: logs.RetentionDays.ONE_WEEK,
    });
    const { legMs, messageDelayMsMax, sweepAfterMs } = SETTINGS_ENVIRONMENT;
    const timing = {
      [legMs]: "900000",
      [messageDelayMsMax]: "2000",
      [sweepAfterMs]: "5000",
    };
    set.allResourcesProperties("AWS::Lambda::Function", {
      Environment: { Variables: Match.objectLike(timing) },
    });
    const withShop = { Environment: { Variables: Match.objectLike({ SHOP: "one" }) } };
    set.resourcePropertiesCountIs("AWS::Lambda::Function", withShop, 1);
    set.hasResourceProperties("AWS::Lambda::Function", { ...withShop, Timeout: 900, MemorySize: 2048 });
    set.hasResourceProperties("AWS::SQS::Queue", { VisibilityTimeout: 930 });
    set.allResourcesProperties("AWS::Logs::LogGroup", { RetentionInDays: 7 });
  });

  test("the sweep runs every minute and is not retried", () => {
    template.hasResourceProperties("AWS::Events::Rule", { ScheduleExpression: "rate(1 minute)" });
    template.hasResourceProperties("AWS::Lambda::EventInvokeConfig", { MaximumRetryAttempts: 0 });
  });

  test("what cannot work is refused by name", () => {
    expect(() => synthesize({ legTimeout: Duration.minutes(16) })).toThrow(
      /Expected legTimeout to be at most 15 minutes/,
    );
    expect(() => synthesize({ messageDelayMax: Duration.hours(1) })).toThrow(
      /Expected messageDelayMax to be at most/,
    );
    expect(() => synthesize({ entry: "nowhere.ts" })).toThrow(/Expected a module .* at nowhere\.ts/);
  });
});

describe("grants", () => {
  const own = (log: string) => [
    `logs:CreateLogStream logs:PutLogEvents on <Functions${log}Log.Arn>`,
    "xray:PutTraceSegments xray:PutTelemetryRecords on *",
  ];
  const readAndAppend = "dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:UpdateItem";
  const receive = "sqs:ReceiveMessage sqs:DeleteMessage sqs:ChangeMessageVisibility sqs:GetQueueAttributes";
  const listBlobs = "s3:ListBucket on <StorageBlobs.Arn>";
  const schedules = [
    "scheduler:CreateSchedule scheduler:GetSchedule on " +
      "arn:<AWS::Partition>:scheduler:<AWS::Region>:<AWS::AccountId>:schedule/Test-Flows-Schedules-Group-44BB9DD7/*",
    'iam:PassRole on <SchedulesRole.Arn> if {"StringEquals":{"iam:PassedToService":"scheduler.amazonaws.com"}}',
  ];

  const queryLists =
    "dynamodb:Query on " +
    ["list", "owner", "parent"].map((index) => `<StorageJournal.Arn>/index/${index}`).join(", ");

  test("each role may do exactly this", () => {
    expect(statementsByRole(template)).toEqual({
      SchedulesRole: ["sqs:SendMessage on <QueuesWork.Arn>"],
      FunctionsApiRole: [
        ...own("Api"),
        `${readAndAppend} dynamodb:BatchGetItem dynamodb:BatchWriteItem dynamodb:DeleteItem on <StorageJournal.Arn>`,
        queryLists,
        "sqs:SendMessage on <QueuesWork.Arn>, <QueuesSignals.Arn>",
        "s3:GetObject s3:PutObject s3:DeleteObject on <StorageBlobs.Arn>/*",
        listBlobs,
        ...schedules.map((one) => one.replace("GetSchedule on", "GetSchedule scheduler:DeleteSchedule on")),
      ],
      FunctionsAdvanceRole: [
        ...own("Advance"),
        `${readAndAppend} dynamodb:BatchGetItem on <StorageJournal.Arn>`,
        queryLists,
        "sqs:SendMessage on <QueuesWork.Arn>, <QueuesSignals.Arn>",
        `${receive} on <QueuesWork.Arn>`,
        "s3:GetObject s3:PutObject on <StorageBlobs.Arn>/*",
        listBlobs,
        ...schedules,
      ],
      FunctionsSignalsRole: [
        ...own("Signals"),
        `${readAndAppend} on <StorageJournal.Arn>`,
        "sqs:SendMessage on <QueuesWork.Arn>",
        `${receive} on <QueuesSignals.Arn>`,
      ],
      FunctionsTriggersRole: [
        ...own("Triggers"),
        "dynamodb:GetItem dynamodb:PutItem dynamodb:Query on <StorageJournal.Arn>",
        "sqs:SendMessage on <QueuesWork.Arn>, <QueuesSignals.Arn>",
        `${receive} on <QueuesTriggers.Arn>`,
        "s3:PutObject on <StorageBlobs.Arn>/*",
      ],
      FunctionsSweepRole: [
        ...own("Sweep"),
        "dynamodb:GetItem dynamodb:UpdateItem on <StorageJournal.Arn>",
        "dynamodb:Query on <StorageJournal.Arn>/index/due",
        "sqs:SendMessage on <QueuesWork.Arn>",
      ],
    });
  });

  test("with a bus, those that change a run's status may publish it, and no other", () => {
    const arn = "arn:aws:events:eu-west-1:123456789012:event-bus/shop";
    const bus = events.EventBus.fromEventBusArn(new Stack(), "Bus", arn);
    const withBus = synthesize({ bus, publishedStatuses: ["failed"] }, undefined, unbundled);
    const publishing = Object.entries(statementsByRole(withBus)).filter(([, list]) =>
      list.includes(`events:PutEvents on ${arn}`),
    );
    expect(publishing.map(([role]) => role)).toEqual(["FunctionsApiRole", "FunctionsAdvanceRole"]);
    const [told] = Object.values(ofType("AWS::Lambda::Function", withBus)).map(
      ({ Properties }) => (Properties.Environment as { Variables: Record<string, unknown> }).Variables,
    );
    expect(JSON.parse(readable(told![BUS_ENVIRONMENT]))).toEqual({
      bus: arn,
      statuses: ["failed"],
    });
  });

  test("no role has a managed policy, and each is assumed by one service", () => {
    const roles = Object.values(ofType("AWS::IAM::Role")).map(({ Properties }) => Properties);
    expect(roles.filter(({ ManagedPolicyArns, Policies }) => ManagedPolicyArns || Policies)).toEqual([]);
    const trusted = roles.map(({ AssumeRolePolicyDocument }) => {
      const { Statement } = AssumeRolePolicyDocument as { Statement: { Principal: { Service: string } }[] };
      return Statement.map(({ Principal }) => Principal.Service);
    });
    expect(trusted.flat().sort()).toEqual([
      ...Array(5).fill("lambda.amazonaws.com"),
      "scheduler.amazonaws.com",
    ]);
  });

  test("only this construct's schedules may assume the schedule role", () => {
    template.hasResourceProperties("AWS::IAM::Role", {
      AssumeRolePolicyDocument: {
        Statement: [
          Match.objectLike({
            Principal: { Service: "scheduler.amazonaws.com" },
            Condition: {
              StringEquals: {
                "aws:SourceAccount": { Ref: "AWS::AccountId" },
                "aws:SourceArn": Match.anyValue(),
              },
            },
          }),
        ],
      },
    });
  });

  test("a user's own grant goes to `advance` alone", () => {
    const statement = new iam.PolicyStatement({
      actions: ["ses:SendEmail"],
      resources: ["arn:aws:ses:::identity/a"],
    });
    const granted = synthesize({}, (stack) => stack.flows.grantAdvance(statement));
    const having = Object.entries(statementsByRole(granted)).filter(([, list]) =>
      list.some((one) => one.includes("ses:")),
    );
    expect(having.map(([role]) => role)).toEqual(["FunctionsAdvanceRole"]);
  });

  test("a remote workflow's function may be invoked by `advance` alone, and no other may", () => {
    const granted = synthesize({}, (stack) => {
      const arn = "arn:aws:lambda:eu-west-1:123456789012:function:billing";
      stack.flows.grantRunner(lambda.Function.fromFunctionArn(stack, "Billing", arn));
    });
    const having = Object.entries(statementsByRole(granted)).flatMap(([role, list]) =>
      list.filter((one) => one.includes("lambda:")).map((one) => `${role}: ${one}`),
    );
    expect(having).toEqual([
      "FunctionsAdvanceRole: lambda:InvokeFunction on arn:aws:lambda:eu-west-1:123456789012:function:billing",
    ]);
  });
});

describe("the HTTP API", () => {
  const routes = (from: Template) =>
    Object.values(ofType("AWS::ApiGatewayV2::Route", from)).map(
      ({ Properties }) => `${Properties.RouteKey} ${Properties.AuthorizationType}`,
    );

  test("has one proxy route, signed with IAM", () => {
    expect(routes(template)).toEqual(["ANY / AWS_IAM", "ANY /{proxy+} AWS_IAM"]);
    template.resourceCountIs("AWS::ApiGatewayV2::Authorizer", 0);
  });

  test("takes the tokens of an issuer instead", () => {
    const jwt = synthesize({ auth: { jwt: { issuer: "https://issuer.example", audience: ["flows"] } } });
    expect(routes(jwt)).toEqual(["ANY / JWT", "ANY /{proxy+} JWT"]);
    jwt.hasResourceProperties("AWS::ApiGatewayV2::Authorizer", {
      AuthorizerType: "JWT",
      JwtConfiguration: { Issuer: "https://issuer.example", Audience: ["flows"] },
    });
  });

  test("is throttled and logs who called", () => {
    template.hasResourceProperties("AWS::ApiGatewayV2::Stage", {
      StageName: "$default",
      AutoDeploy: true,
      DefaultRouteSettings: { ThrottlingRateLimit: 1_000, ThrottlingBurstLimit: 2_000 },
      AccessLogSettings: { DestinationArn: Match.anyValue(), Format: Match.stringLikeRegexp("requestId") },
    });
  });

  test("can be opened to a principal", () => {
    const granted = synthesize({}, (stack) =>
      stack.flows.grantInvoke(new iam.Role(stack, "Caller", { assumedBy: new iam.AccountRootPrincipal() })),
    );
    const [statement] = statementsByRole(granted).Caller ?? [];
    expect(statement).toMatch(/^execute-api:Invoke on /);
  });
});

describe("alarms", () => {
  test("there is one for every way to fall behind or fail", () => {
    const over = Object.entries(ofType("AWS::CloudWatch::Alarm")).map(
      ([id, { Properties }]) => `${plain(id).replace("Alarms", "")} > ${Properties.Threshold}`,
    );
    expect(over).toEqual([
      "WorkDeadLetters > 0",
      "WorkAge > 1500",
      "SignalsDeadLetters > 0",
      "SignalsAge > 600",
      "TriggersDeadLetters > 0",
      "TriggersAge > 600",
      ...["Api", "Advance", "Signals", "Sweep", "Triggers"].flatMap((name) => [
        `${name}Errors > 0`,
        `${name}Throttles > 0`,
      ]),
    ]);
  });

  test("all of them tell the topic, if there is one", () => {
    const arn = "arn:aws:sns:eu-west-1:123456789012:alarmed";
    const alarmed = synthesize({ alarmTopic: sns.Topic.fromTopicArn(new Stack(), "Topic", arn) });
    alarmed.resourceCountIs("AWS::CloudWatch::Alarm", 16);
    alarmed.allResourcesProperties("AWS::CloudWatch::Alarm", { AlarmActions: [arn] });
  });
});

test("the outputs tell where everything is", () => {
  expect(Object.keys(template.findOutputs("*")).sort()).toEqual(
    [
      ...["ApiUrl", "BucketName", "ScheduleGroupName", "SweepFunctionName", "TableName"],
      ...["Work", "Signals", "Triggers"].flatMap((name) => [`${name}DeadLettersUrl`, `${name}QueueUrl`]),
    ]
      .map((name) => `Flows${name}`)
      .sort(),
  );
});

const denyPlainHttp = (action: string) => ({
  Statement: Match.arrayWith([
    Match.objectLike({
      Effect: "Deny",
      Action: action,
      Condition: { Bool: { "aws:SecureTransport": "false" } },
    }),
  ]),
});
