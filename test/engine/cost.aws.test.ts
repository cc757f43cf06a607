/** What a run costs, by DynamoDB's own account: the engine's promises of design, counted at the store. */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, expect, it } from "vitest";
import { DynamoJournal } from "../../shared/adapters/aws/journal.ts";
import { ensureTable } from "../../shared/adapters/aws/provision.ts";
import { systemClock } from "../../shared/adapters/local/clock.ts";
import { memoryPorts } from "../../shared/adapters/memory/index.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { advance } from "../../shared/engine/advance.ts";
import { loadRun } from "../../shared/engine/load.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import { start } from "../../shared/engine/start.ts";
import { Meter } from "../../shared/ports/meter.ts";
import { type Dynoxide, startDynoxide } from "../support/dynoxide.ts";

interface Request {
  command: string;
  units: number;
}

let dynoxide: Dynoxide;
let client: DynamoDBClient;
const requests: Request[] = [];

beforeAll(async () => {
  dynoxide = await startDynoxide();
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  client = new DynamoDBClient({ endpoint: dynoxide.endpoint, region: "us-east-1", credentials });
  await ensureTable("runs", client);
  client.middlewareStack.add(
    (next, context) => async (args) => {
      Object.assign(args.input, { ReturnConsumedCapacity: "TOTAL" });
      const result = await next(args);
      const { ConsumedCapacity } = result.output as { ConsumedCapacity?: { CapacityUnits?: number } };
      requests.push({ command: String(context.commandName), units: ConsumedCapacity?.CapacityUnits ?? 0 });
      return result;
    },
    { step: "initialize" },
  );
});

afterAll(async () => {
  client.destroy();
  await dynoxide.stop();
});

const isRead = ({ command }: Request): boolean => /Get|Query|Scan/.test(command);

it("a 10-step run: 16 write units, one round trip a step, and no read after the leg's first", async () => {
  const tenSteps = workflow("ten-steps", async (run) => {
    for (let index = 0; index < 10; index++) await run.step(`step-${index}`, () => ({ index, ok: true }));
    return "done";
  });
  const meter = new Meter();
  const { queue, scheduler, blobs, registers, publisher, runners } = memoryPorts();
  const journal = new DynamoJournal({ client, table: "runs", clock: systemClock, meter });
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const engine = createEngine(
    { journal, queue, scheduler, blobs, registers, publisher, runners, clock: systemClock, meter },
    { workflows: [tenSteps], log, settings: { owner: "test", codeHash: "test" } },
  );
  const { state } = await start(engine, { workflow: "ten-steps" });
  const started = requests.splice(0);
  const [wake] = await queue.receive("work", { max: 1, waitMs: 0 });
  await advance(engine, wake!.body);
  const leg = requests.splice(0);

  const run = await loadRun(engine, state.runId, { consistent: true });
  expect(run?.state.finished?.status).toBe("completed");
  const units = (of: Request[]): number =>
    of.filter((request) => !isRead(request)).reduce((sum, request) => sum + request.units, 0);
  expect(units(started) + units(leg)).toBe(16);
  // Created by one put. The leg: one read, the claim with the first step, ten results, and the header.
  expect(started.map(({ command }) => command)).toEqual(["PutItemCommand"]);
  expect(leg.map(({ command }) => command)).toEqual([
    "QueryCommand",
    ...Array.from({ length: 11 }, () => "PutItemCommand"),
    "UpdateItemCommand",
  ]);
  // What the run says it cost is what the store says.
  expect((run?.state.usage.writeUnits ?? 0) + (run?.header.usage?.writeUnits ?? 0)).toBe(16);
});
