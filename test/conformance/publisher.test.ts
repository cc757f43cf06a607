import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { mockClient } from "aws-sdk-client-mock";
import { EventBridgePublisher } from "../../shared/adapters/aws/publisher.ts";
import { detailOf } from "../../shared/adapters/common/events.ts";
import { systemClock } from "../../shared/adapters/local/clock.ts";
import { LinePublisher } from "../../shared/adapters/local/publisher.ts";
import { MemoryPublisher } from "../../shared/adapters/memory/publisher.ts";
import { publisherSuite } from "./publisher.suite.ts";

const close = async () => {};

publisherSuite("memory", async () => {
  const publisher = new MemoryPublisher();
  return { publisher, published: () => publisher.published.map(detailOf), close };
});

publisherSuite("local", async () => {
  const lines: string[] = [];
  const publisher = new LinePublisher((line) => lines.push(line));
  return { publisher, published: () => lines.map((line) => JSON.parse(line).detail), close };
});

publisherSuite("aws", async () => {
  const client = new EventBridgeClient({ region: "eu-west-1" });
  const mock = mockClient(client);
  mock.on(PutEventsCommand).callsFake(({ Entries }) => {
    if (Entries.length === 0 || Entries.length > 10) throw new Error(`${Entries.length} entries`);
    return { FailedEntryCount: 0, Entries: Entries.map(() => ({ EventId: "e" })) };
  });
  const publisher = new EventBridgePublisher({ client, clock: systemClock, bus: "bus" });
  const published = () =>
    mock
      .commandCalls(PutEventsCommand)
      .flatMap(({ args }) => args[0].input.Entries!.map(({ Detail }) => JSON.parse(Detail!)));
  return { publisher, published, close };
});
