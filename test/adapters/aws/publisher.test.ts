/** What EventBridge is sent, and what becomes of its refusals. */
import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { mockClient } from "aws-sdk-client-mock";
import { beforeEach, expect, it } from "vitest";
import { EventBridgePublisher } from "../../../shared/adapters/aws/publisher.ts";
import type { RunStatus } from "../../../shared/core/events.ts";
import type { StatusChange } from "../../../shared/ports/publisher.ts";
import { instantClock } from "./clock.ts";

const client = new EventBridgeClient({ region: "eu-west-1" });
const mock = mockClient(client);
beforeEach(() => mock.reset());

const publisher = (statuses?: RunStatus[]) => {
  return new EventBridgePublisher({
    client,
    clock: instantClock(),
    bus: "arn:bus",
    ...(statuses ? { statuses } : {}),
  });
};
const change = (revision: number): StatusChange => ({
  id: `id-${revision}`,
  runId: "run-1",
  workflow: "order",
  version: 1,
  status: "completed",
  at: 1_700_000_000_000,
  revision,
});
const sent = () =>
  mock
    .commandCalls(PutEventsCommand)
    .map(({ args }) => args[0].input.Entries!.map(({ Detail }) => JSON.parse(Detail!).revision));

it("an event says where it is from, what it is, and when it was", async () => {
  mock.on(PutEventsCommand).resolves({ FailedEntryCount: 0, Entries: [{ EventId: "e" }] });
  await publisher().publish([change(1)]);
  expect(mock.commandCalls(PutEventsCommand)[0]!.args[0].input.Entries).toEqual([
    {
      EventBusName: "arn:bus",
      Source: "stepfold",
      DetailType: "Run Status Changed",
      Time: new Date(1_700_000_000_000),
      Detail: expect.stringContaining('"runId":"run-1"'),
    },
  ]);
});

it("what is refused for a moment is sent again, and only that", async () => {
  mock
    .on(PutEventsCommand)
    .resolvesOnce({
      FailedEntryCount: 2,
      Entries: [{ ErrorCode: "ThrottlingException" }, { EventId: "e" }, { ErrorCode: "InternalFailure" }],
    })
    .resolves({ FailedEntryCount: 0, Entries: [{ EventId: "e" }, { EventId: "e" }] });
  await publisher().publish([change(1), change(2), change(3)]);
  expect(sent()).toEqual([
    [1, 2, 3],
    [1, 3],
  ]);
});

it("what is refused again and again is an error that may pass", async () => {
  mock
    .on(PutEventsCommand)
    .resolves({ FailedEntryCount: 1, Entries: [{ ErrorCode: "ThrottlingException" }] });
  await expect(publisher().publish([change(1)])).rejects.toMatchObject({
    code: "Throttled",
    retryable: true,
    message: expect.stringContaining("publish on the bus arn:bus that run run-1 is completed"),
  });
});

it("what is refused for good, and a bus that is not there, are errors that say so", async () => {
  mock.on(PutEventsCommand).resolves({ Entries: [{ ErrorCode: "MalformedDetail", ErrorMessage: "no" }] });
  await expect(publisher().publish([change(1)])).rejects.toMatchObject({
    code: "RequestRefused",
    retryable: false,
    message: expect.stringContaining("MalformedDetail: no"),
  });
  mock
    .on(PutEventsCommand)
    .rejects(Object.assign(new Error("no bus"), { name: "ResourceNotFoundException" }));
  await expect(publisher().publish([change(1)])).rejects.toMatchObject({ code: "BusNotFound" });
});

it("tells of all statuses, or of those that were asked for", () => {
  expect(publisher().tells("waiting")).toBe(true);
  expect(["waiting", "failed"].map((status) => publisher(["failed"]).tells(status as RunStatus))).toEqual([
    false,
    true,
  ]);
});
