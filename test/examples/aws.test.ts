/**
 * Every scenario of every example on the AWS adapters: over HTTP to DynamoDB, SQS and S3, with the journal that it
 * writes on virtual time. An example without scenarios is found out.
 */
import { existsSync, globSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { readGolden } from "../../examples/golden.ts";
import * as entry from "../../examples/index.ts";
import type { Example } from "../../examples/triad.ts";
import type { Json } from "../../shared/core/json.ts";
import { isWorkflow } from "../../shared/core/workflow.ts";
import { normalised, recordJournal, replayJournal } from "../../shared/testing/golden.ts";
import { repository } from "../architecture/source.ts";
import { type AwsHost, Emulators } from "../support/aws-host.ts";

const folders = globSync("examples/*/workflow.ts", { cwd: repository })
  .map((path) => dirname(path))
  .sort();
const examples = await Promise.all(
  folders
    .filter((folder) => existsSync(join(repository, folder, "scenarios.ts")))
    .map(async (folder) => {
      const url = pathToFileURL(join(repository, folder, "scenarios.ts"));
      const { example } = (await import(url.href)) as { example: Example };
      return { name: basename(folder), golden: new URL("golden/", url), example };
    }),
);

test("every example has scenarios, and every workflow that is exported is in one", () => {
  expect(examples.map(({ name }) => `examples/${name}`)).toEqual(folders);
  for (const { example } of examples) expect(Object.keys(example.scenarios)).not.toEqual([]);
  const played = new Set(examples.flatMap(({ example }) => example.workflows.map(({ name }) => name)));
  const exported = Object.values(entry).filter(isWorkflow);
  expect(exported.map(({ name }) => name).filter((name) => !played.has(name))).toEqual([]);
});

/** Without times of day, and without the hashes of what such times are in. */
const undated = (value: Json): Json =>
  JSON.parse(
    JSON.stringify(value)
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>")
      .replace(/\b[0-9a-f]{64}\b/g, "<sha256>"),
  ) as Json;

let emulators: Emulators;
let host: AwsHost | undefined;

beforeAll(async () => {
  vi.stubEnv("AWS_REGION", "us-east-1");
  vi.stubEnv("AWS_ACCESS_KEY_ID", "test");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test");
  emulators = await Emulators.start();
});
afterEach(async () => {
  await host?.close();
  host = undefined;
});
afterAll(async () => {
  await emulators?.stop();
  vi.unstubAllEnvs();
});

describe.each(examples)("$name", ({ golden, example }) => {
  test.each(Object.entries(example.scenarios))("%s", async (name, scenario) => {
    example.forget?.();
    host = await emulators.host(scenario.workflows ?? example.workflows);
    const { runId, scrub } = await scenario.play(host);
    const recorded = await recordJournal(host, runId, scrub);
    const kept = readGolden(new URL(`${name}.json`, golden));
    expect(undated(normalised(recorded))).toEqual(undated(normalised(kept)));
    await replayJournal(example.workflows[0], recorded);
  });
});
