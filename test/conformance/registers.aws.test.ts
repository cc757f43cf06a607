import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll } from "vitest";
import { ensureTable } from "../../shared/adapters/aws/provision.ts";
import { DynamoRegisters } from "../../shared/adapters/aws/registers.ts";
import { systemClock as clock } from "../../shared/adapters/local/clock.ts";
import { Meter } from "../../shared/ports/meter.ts";
import { type Dynoxide, startDynoxide } from "../support/dynoxide.ts";
import { realTime } from "../support/ports.ts";
import { registersSuite } from "./registers.suite.ts";

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

registersSuite("aws", async () => {
  const table = `registers-${++drawn}`;
  await ensureTable(table, client);
  const meter = new Meter();
  const registers = new DynamoRegisters({ client, table, clock, meter });
  return { registers, clock, meter, advance: realTime, close: async () => {} };
});
