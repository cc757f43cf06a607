/** Managed and mirrored runs over HTTP on DynamoDB: the conditional writes are the store's own. Time is virtual. */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll } from "vitest";
import { DynamoJournal } from "../../shared/adapters/aws/journal.ts";
import { ensureTable } from "../../shared/adapters/aws/provision.ts";
import { type Dynoxide, startDynoxide } from "../support/dynoxide.ts";
import { drivenSuite } from "./driven.suite.ts";
import { workersSuite } from "./workers.suite.ts";
import { echo } from "./workflows.ts";
import { aWorld, type World } from "./world.ts";

let dynoxide: Dynoxide;
let client: DynamoDBClient;

beforeAll(async () => {
  dynoxide = await startDynoxide();
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  client = new DynamoDBClient({ endpoint: dynoxide.endpoint, region: "us-east-1", credentials });
  await ensureTable("runs", client);
});

afterAll(async () => {
  client.destroy();
  await dynoxide.stop();
});

const open = (): World =>
  aWorld([echo], ({ clock, meter }) => ({
    journal: new DynamoJournal({ client, table: "runs", clock, meter }),
  }));

drivenSuite("driven runs, on DynamoDB", open);
workersSuite("outside workers, on DynamoDB", open);
