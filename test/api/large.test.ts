/** Large answers: Lambda returns at most 6 MB, and counts the body as text within JSON. */
import { describe, expect, test } from "vitest";
import { acceptsGzip, wireBytes } from "../../shared/api/answer.ts";
import * as workflows from "./workflows.ts";
import { type Asked, aWorld, eventOf } from "./world.ts";

const LAMBDA_BYTES_MAX = 6_291_556;
const gzip = { headers: { "accept-encoding": "gzip, deflate" } };
const plain = { headers: {} };
/** 5.2 MB of JSON, 10.4 MB as text within JSON. */
const QUOTES = '"'.repeat(2_600_000);

async function echoed(input: string) {
  const world = aWorld(workflows.all);
  await world.ask("POST", "/runs", { body: { workflow: "echo", runId: "large", input } });
  await world.runs.get("large");
  return world;
}

describe.each([
  ["only letters", "x".repeat(5_240_000), true],
  ["many quotes", QUOTES, false],
  ["many backslashes", "\\".repeat(2_600_000), false],
  ["letters of three bytes", "語".repeat(1_740_000), true],
  ["control characters", "\u0001".repeat(870_000), false],
])("an output of %s", (_what, output, isWhole) => {
  test("is inline for who takes compressed answers", async () => {
    const world = await echoed(output);
    const answer = await world.ask("GET", "/runs/large", gzip);
    expect(answer.body.output).toBe(output);
    expect(answer.lambdaBytes).toBeLessThan(LAMBDA_BYTES_MAX);
  });

  test("is answered whole or as a blob to who does not", async () => {
    const world = await echoed(output);
    const answer = await world.ask("GET", "/runs/large", plain);
    expect(answer.lambdaBytes).toBeLessThan(LAMBDA_BYTES_MAX);
    expect(answer.headers).not.toHaveProperty("content-encoding");
    if (isWhole) expect(answer.body.output).toBe(output);
    else
      expect(answer.body.output).toEqual({
        $blob: expect.any(String),
        bytes: Buffer.byteLength(JSON.stringify(output)),
      });
  });
});

test("every page of a journal full of quotes can be returned", async () => {
  const world = aWorld(workflows.all);
  await world.ask("POST", "/runs", { body: { workflow: "listen/for go", runId: "busy" } });
  const payload = '"'.repeat(15_000);
  for (let count = 0; count < 250; count++) await world.runs.signal("busy", "other", payload);
  for (const [as, path] of [
    [plain, "journal"],
    [gzip, "journal"],
    [plain, "signals"],
    [gzip, "signals"],
  ] as const) {
    let signals = 0;
    for (let after = ""; ; ) {
      const answer = await world.ask("GET", `/runs/busy/${path}?limit=200${after}`, as);
      expect(answer.lambdaBytes).toBeLessThan(LAMBDA_BYTES_MAX);
      signals += answer.body.items.filter((item: { payload?: string }) => item.payload === payload).length;
      if (answer.body.cursor === undefined) break;
      after = `&cursor=${answer.body.cursor}`;
    }
    expect(signals, path).toBe(250);
  }
});

test("every page of a list of runs with long goals can be returned, and none is left out", async () => {
  const world = aWorld(workflows.all);
  const goal = '"語'.repeat(8_000);
  for (let count = 0; count < 120; count++)
    await world.ask("POST", "/runs", { body: { workflow: "echo", goal, origin: goal, trigger: goal } });
  const seen = new Set<string>();
  for (let cursor = ""; ; ) {
    const { body, lambdaBytes } = await world.ask("GET", `/runs?limit=200${cursor}`, plain);
    expect(lambdaBytes).toBeLessThan(LAMBDA_BYTES_MAX);
    for (const { runId } of body.items) seen.add(runId);
    if (body.cursor === undefined) break;
    cursor = `&cursor=${body.cursor}`;
  }
  expect(seen.size).toBe(120);
});

test("what a text takes on the wire is what JSON makes of it", () => {
  for (const value of ['a"b', "\\", "語", "\n\u0001", "😀", "", "x".repeat(10)])
    expect(wireBytes(JSON.stringify(value)), value).toBe(
      Buffer.byteLength(JSON.stringify(JSON.stringify(value))) - 2,
    );
});

test.each([
  ["gzip", true],
  ["GZIP;q=0.5, br", true],
  ["*", true],
  ["gzip;q=0", false],
  ["gzip; q=0.000, *", false],
  ["br, deflate", false],
  ["identity", false],
  ["gzipped", false],
  [undefined, false],
])("accept-encoding %s", (given, accepted) => {
  const asked: Asked = given === undefined ? {} : { headers: { "accept-encoding": given } };
  expect(acceptsGzip(eventOf("GET", "/runs", asked))).toBe(accepted);
});
