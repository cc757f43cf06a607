/** The same host and the same functions on the AWS adapters, over emulators of DynamoDB, SQS and S3. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { contextOf } from "../../cli/host/invocation.ts";
import { apiFunction } from "../../functions/api.ts";
import { lambdaEngine } from "../../functions/lambda.ts";
import { sweepFunction } from "../../functions/sweep.ts";
import { createClients } from "../../shared/adapters/aws/clients.ts";
import { environmentOf } from "../../shared/adapters/aws/names.ts";
import { ensureResources, localConfig } from "../../shared/adapters/aws/provision.ts";
import { systemClock } from "../../shared/adapters/local/index.ts";
import { createClient } from "../../shared/client/index.ts";
import { eventOf } from "../api/world.ts";
import { type Dynoxide, startDynoxide } from "../support/dynoxide.ts";
import { type Fauxqs, startFauxqs } from "../support/fauxqs.ts";
import { serve } from "./command.ts";
import * as entry from "./entry.ts";

let dynamo: Dynoxide;
let queues: Fauxqs;
let env: Record<string, string>;

beforeAll(async () => {
  [dynamo, queues] = await Promise.all([startDynoxide(), startFauxqs()]);
  env = {
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
    AWS_ENDPOINT_URL_DYNAMODB: dynamo.endpoint,
    AWS_ENDPOINT_URL_SQS: queues.endpoint,
    AWS_ENDPOINT_URL_S3: queues.endpoint,
    // There is no emulator of EventBridge Scheduler here; the default group needs not be made.
    STEPFOLD_SCHEDULE_GROUP: "default",
  };
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await Promise.all([dynamo?.stop(), queues?.stop()]);
});

test("dev --backend aws makes the table and the queues, and runs workflows through them", async () => {
  const host = await serve(["test/host/entry.ts", "--port", "0", "--backend", "aws"], env);
  const client = createClient({ url: host.url });
  const started = await client.start("listen", undefined, { runId: "l" });
  await client.signal("l", "go/now", { word: "hello" });
  expect(await client.result(started)).toEqual({ word: "hello" });
  expect(await client.result(await client.start("nap", { ms: 1_500 }))).toBe("rested");
  const large = "x".repeat(500_000);
  expect(await client.result(await client.start("echo", large))).toBe(large);
  expect(await host.end("SIGTERM")).toMatchObject({ code: 0, stderr: "" });
});

test("a Lambda function's engine comes from its environment, with Powertools around each invocation", async () => {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  vi.stubEnv("POWERTOOLS_METRICS_NAMESPACE", "Stepfold");
  vi.stubEnv("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand");
  const config = await ensureResources(localConfig(env), createClients(env), systemClock);
  const written = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  const engine = await lambdaEngine(
    entry,
    {},
    {
      ...environmentOf(config),
      STEPFOLD_LEG_MS: "7000",
      AWS_LAMBDA_LOG_STREAM_NAME: "stream",
    },
  );
  expect(engine.settings).toMatchObject({
    owner: "stream",
    legMs: 7_000,
    codeHash: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  expect(engine.registry.names()).toEqual(["echo", "listen", "nap", "slow", "stray"]);
  const started = await apiFunction(engine)(
    eventOf("POST", "/runs", { body: { workflow: "echo", runId: "by-lambda" } }),
    contextOf("api", "1"),
  );
  expect(started.statusCode).toBe(201);
  expect(await sweepFunction(engine)({}, contextOf("sweep", "2"))).toEqual({ woken: 0 });
  const lines = written.mock.calls.map(([text]) => String(text)).join("");
  written.mockRestore();
  expect(lines).toContain("ColdStart");
});
