/** Maps over many items on hosts that are killed on the way: each item has one result. */
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startHost } from "../../cli/host/host.ts";
import { createClients } from "../../shared/adapters/aws/clients.ts";
import { awsPorts } from "../../shared/adapters/aws/index.ts";
import { ensureResources, localConfig } from "../../shared/adapters/aws/provision.ts";
import { localPorts, systemClock } from "../../shared/adapters/local/index.ts";
import { createClient } from "../../shared/client/index.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import { type Life, mortalPorts } from "../../shared/testing/mortal.ts";
import { type Dynoxide, startDynoxide } from "../support/dynoxide.ts";
import { type Fauxqs, startFauxqs } from "../support/fauxqs.ts";
import { settledItems } from "../support/items.ts";
import { aDirectory, serve } from "./command.ts";
import { squares } from "./map-entry.ts";

/** What items and test tell each other by files: how many were begun, and whether the last one may end. */
function aTally() {
  const directory = aDirectory();
  const begun = join(directory, "begun");
  const release = join(directory, "release");
  writeFileSync(begun, "");
  return {
    files: { begun, release },
    release: () => writeFileSync(release, ""),
    untilMore: async (items: number) => {
      const enough = statSync(begun).size + items;
      await expect.poll(() => statSync(begun).size, { timeout: 60_000 }).toBeGreaterThanOrEqual(enough);
    },
  };
}

const squaresOf = (count: number): number[] => Array.from({ length: count }, (_, n) => n * n);

test("10,000 items on the local backend, its process killed twice: each has one result", async () => {
  const data = aDirectory();
  const begin = () => serve(["test/host/map-entry.ts", "--port", "0", "--data", data]);
  let host = await begin();
  const count = 10_000;
  const tally = aTally();
  const input = { count, ms: 20, ...tally.files };
  const { runId } = await createClient({ url: host.url }).start("squares", input);
  for (const items of [500, 2_000]) {
    await tally.untilMore(items);
    await host.end("SIGKILL");
    host = await begin();
  }
  const client = createClient({ url: host.url });
  tally.release();
  expect(await client.result(runId)).toEqual(squaresOf(count));
  await host.end("SIGTERM");
  const ports = await localPorts({ dir: data });
  const { results, nodes } = await settledItems(ports, runId);
  await ports.close();
  expect(nodes).toBe(100);
  expect(results.size).toBe(count);
  expect([...results.values()].filter((times) => times !== 1)).toEqual([]);
}, 120_000);

describe("over DynamoDB, SQS and S3", () => {
  let dynamo: Dynoxide;
  let queues: Fauxqs;
  beforeAll(async () => {
    [dynamo, queues] = await Promise.all([startDynoxide(), startFauxqs()]);
    vi.stubEnv("AWS_REGION", "us-east-1");
    vi.stubEnv("AWS_ACCESS_KEY_ID", "test");
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test");
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await Promise.all([dynamo?.stop(), queues?.stop()]);
  });

  test("1,000 items, the host dead twice on the way: each has one result", async () => {
    const clients = createClients({
      AWS_ENDPOINT_URL_DYNAMODB: dynamo.endpoint,
      AWS_ENDPOINT_URL_SQS: queues.endpoint,
      AWS_ENDPOINT_URL_S3: queues.endpoint,
    });
    const config = await ensureResources(localConfig({}), clients, systemClock);
    for (const QueueUrl of [config.workQueueUrl, config.signalsQueueUrl]) {
      const Attributes = { VisibilityTimeout: "2" };
      await clients.sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes }));
    }
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    let dead = 0;
    /** A process: once its life is over, nothing that it asks for happens, and nothing is answered. */
    const begin = async () => {
      const life: Life = { isOver: false, onCall() {} };
      const owner = `process-${dead}`;
      const ports = mortalPorts(awsPorts(config, { clients, clock: systemClock }), life);
      const settings = { owner, codeHash: "code", isDead: (other: string) => other !== owner };
      const engine = createEngine(ports, { workflows: [squares], log, settings });
      const host = await startHost({ engine, port: 0, receivers: 2, isAlone: false });
      return { life, host, client: createClient({ url: host.url }) };
    };
    let process = await begin();
    const count = 1_000;
    const tally = aTally();
    const { runId } = await process.client.start("squares", { count, ms: 30, ...tally.files });
    for (const items of [50, 300]) {
      await tally.untilMore(items);
      process.life.isOver = true;
      dead++;
      process = await begin();
    }
    tally.release();
    expect(await process.client.result(runId)).toEqual(squaresOf(count));
    const ports = awsPorts(config, { clients, clock: systemClock });
    const { results, nodes } = await settledItems(ports, runId);
    expect(nodes).toBe(10);
    expect([...results.values()].filter((times) => times !== 1)).toEqual([]);
    expect(results.size).toBe(count);
    await process.host.close();
    for (const client of Object.values(clients)) client.destroy();
  }, 400_000);
});
