/**
 * `npm run bench -- map`: maps over a tree of child runs. 10,000 items on the local backend, at once, with results
 * stored together, and with the host killed on the way; 1,000 items over emulators of DynamoDB, SQS and S3. Each item
 * is one step of up to 0.4 s with a result of 100 bytes.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { startDynoxide } from "../test/support/dynoxide.ts";
import { startFauxqs } from "../test/support/fauxqs.ts";
import { report, round } from "./figures.ts";
import { type BenchHost, type Run, startBenchHost, WAIT } from "./host.ts";

interface Costed extends Run<{ index: number }[]> {
  cost: { writeUnits: number; queueRequests: number };
}

export async function map(): Promise<void> {
  const host = await startBenchHost();
  try {
    await mapped(host, { count: 1_000 });
    await report("map", () => mapped(host, { count: 10_000 }));
    await report("map, checkpoint 20", () => mapped(host, { count: 10_000, checkpoint: 20 }));
    await report("map, host killed on the way", () => mapped(host, { count: 10_000 }, 700));
  } finally {
    await host.stop();
  }
  await overAws();
}

async function overAws(): Promise<void> {
  const [dynamo, queues] = await Promise.all([startDynoxide(), startFauxqs()]);
  const host = await startBenchHost(["--backend", "aws"], {
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "bench",
    AWS_SECRET_ACCESS_KEY: "bench",
    AWS_ENDPOINT_URL_DYNAMODB: dynamo.endpoint,
    AWS_ENDPOINT_URL_SQS: queues.endpoint,
    AWS_ENDPOINT_URL_S3: queues.endpoint,
    STEPFOLD_SCHEDULE_GROUP: "default",
  });
  try {
    await report("map over Dynoxide and fauxqs", () => mapped(host, { count: 1_000 }));
  } finally {
    await host.stop();
    await Promise.all([dynamo.stop(), queues.stop()]);
  }
}

async function mapped(
  host: BenchHost,
  input: { count: number; checkpoint?: number },
  killAfterMs?: number,
): Promise<object> {
  const from = performance.now();
  let run = await host.call<Costed>("POST", "/runs", { workflow: "mapped", input });
  if (killAfterMs !== undefined) {
    await sleep(killAfterMs);
    await host.kill();
  }
  while (run.output === undefined) {
    run = await host.call<Costed>("GET", `/runs/${run.runId}`, undefined, WAIT);
    if (["failed", "cancelled", "timedOut"].includes(run.status))
      throw new Error(`The run ${run.runId} is ${run.status}.`);
  }
  const seconds = (performance.now() - from) / 1_000;
  const wrong = run.output.filter((result, index) => result.index !== index).length;
  if (wrong > 0 || run.output.length !== input.count) throw new Error(`${wrong} results are wrong.`);
  const runs = await tree(host, run);
  const units = runs.reduce((sum, { cost }) => sum + cost.writeUnits, 0);
  const requests = runs.reduce((sum, { cost }) => sum + cost.queueRequests, 0);
  return {
    items: input.count,
    runs: runs.length,
    seconds: round(seconds),
    items_per_s: round(input.count / seconds, 0),
    write_units_per_item: round(units / input.count, 3),
    queue_requests_per_item: round(requests / input.count, 3),
  };
}

async function tree(host: BenchHost, run: Costed): Promise<Costed[]> {
  const { items } = await host.call<{ items: Run[] }>("GET", `/runs?parent=${run.runId}&limit=200`);
  return [run, ...(await Promise.all(items.map(({ runId }) => host.call<Costed>("GET", `/runs/${runId}`))))];
}
