import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll } from "vitest";
import { DynamoJournal } from "../../shared/adapters/aws/journal.ts";
import { ensureTable } from "../../shared/adapters/aws/provision.ts";
import { systemClock as clock } from "../../shared/adapters/local/clock.ts";
import { Meter } from "../../shared/ports/meter.ts";
import { type Dynoxide, startDynoxide } from "../support/dynoxide.ts";
import { realTime } from "../support/ports.ts";
import { journalSuite } from "./journal.suite.ts";

let dynoxide: Dynoxide;
let client: DynamoDBClient;
let drawn = 0;

beforeAll(async () => {
  dynoxide = await startDynoxide();
  client = new DynamoDBClient({
    endpoint: dynoxide.endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
});
afterAll(async () => {
  client.destroy();
  await dynoxide.stop();
});

journalSuite("aws", async () => {
  const table = `journal-${++drawn}`;
  await ensureTable(table, client);
  const meter = new Meter();
  const journal = new DynamoJournal({ client, table, clock, meter });
  return { journal, clock, meter, advance: realTime, close: async () => {} };
});
