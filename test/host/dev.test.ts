/** `stepfold dev` from outside: what it serves, how it ends, what it says when it cannot. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { checkNode } from "../../cli/dev.ts";
import { createClient } from "../../shared/client/index.ts";
import { aDirectory, run, serve } from "./command.ts";

const ENTRY = "test/host/entry.ts";
const serveIn = (data: string) => serve([ENTRY, "--port", "0", "--data", data]);
const oneLine = (text: string) => text.trim().split("\n").length === 1;

describe("a host", () => {
  test("serves every workflow that the entry exports, and ends with 0 on SIGTERM", async () => {
    const host = await serveIn(aDirectory());
    const client = createClient({ url: host.url });
    expect((await client.workflows()).items.map(({ name }) => name)).toEqual([
      "echo",
      "listen",
      "nap",
      "slow",
      "stray",
    ]);
    expect(await client.result(await client.start("echo", { a: 1 }))).toEqual({ a: 1 });
    expect(await host.end("SIGTERM")).toMatchObject({ code: 0, stderr: "" });
    expect(host.stdout()).toBe(`listening on ${host.url}\n`);
  });

  test("with --events writes each change of a run's status as an event", async () => {
    const host = await serve([ENTRY, "--port", "0", "--data", aDirectory(), "--events"]);
    const client = createClient({ url: host.url });
    await client.start("listen", undefined, { runId: "l", owner: "ada" });
    await untilHolds(() => host.stdout().includes('"waiting"'));
    await client.signal("l", "go/now", 7);
    expect(await client.result("l")).toBe(7);
    await untilHolds(() => host.stdout().includes('"completed"'));
    const events = host
      .stdout()
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => JSON.parse(line));
    expect(events[0]).toMatchObject({ source: "stepfold", "detail-type": "Run Status Changed" });
    expect(events.map(({ detail }) => detail.status)).toEqual(["waiting", "completed"]);
    expect(events[1].detail).toMatchObject({ runId: "l", workflow: "listen", owner: "ada" });
  });

  test("ends with 0 in the midst of a leg, before its step is over, and goes on at the next start", async () => {
    const data = aDirectory();
    const file = join(data, "steps");
    const host = await serveIn(data);
    const client = createClient({ url: host.url });
    const release = join(data, "release");
    await client.start("slow", { file, steps: 2, stepMs: 1, release }, { runId: "r" });
    await untilHolds(() => readIf(file) === "s0\n");
    expect((await host.end("SIGINT")).code).toBe(0);
    writeFileSync(release, "");
    const next = createClient({ url: (await serveIn(data)).url });
    expect(await next.result("r")).toBe("done");
    expect(readFileSync(file, "utf8")).toBe("s0\ns0\ns1\n");
  });

  test("goes on at the start that follows kill -9, long before the dead lease is over", async () => {
    const data = aDirectory();
    const file = join(data, "steps");
    const host = await serveIn(data);
    const client = createClient({ url: host.url });
    await client.start("slow", { file, steps: 4, stepMs: 300 }, { runId: "working" });
    await client.start("nap", { ms: 60_000 }, { runId: "sleeping" });
    await client.start("nap", { ms: 1_000 }, { runId: "waking" });
    await client.start("listen", undefined, { runId: "listening" });
    await untilHolds(() => readIf(file).includes("s1"));
    await host.end("SIGKILL");
    const next = createClient({ url: (await serveIn(data)).url });
    expect(await next.result("working")).toBe("done");
    const claims = (await next.journal("working")).items.filter(({ type }) => type === "LegStarted");
    expect(claims).toHaveLength(2);
    expect(Date.parse(claims[1]!.at)).toBeLessThan(Date.parse(String(claims[0]!.until)));
    expect(await next.result("waking")).toBe("rested");
    expect((await next.get("sleeping")).status).toBe("sleeping");
    await next.signal("listening", "go/now", "heard");
    expect(await next.result("listening")).toBe("heard");
  });

  test("outlives code that fails outside of its run, and logs it", async () => {
    const host = await serveIn(aDirectory());
    const client = createClient({ url: host.url });
    expect(await client.result(await client.start("stray"))).toBe("fine");
    await untilHolds(
      () => host.stderr().includes("nobody waits for this") && host.stderr().includes("thrown by a timer"),
    );
    expect(await client.result(await client.start("echo", 1))).toBe(1);
  });
});

test("--events with --backend aws is wrong use: there the bus is told", async () => {
  const ended = await run(["dev", ENTRY, "--port", "0", "--backend", "aws", "--events"]);
  expect(ended).toMatchObject({ code: 2, stderr: expect.stringMatching(/--events.*STEPFOLD_BUS/) });
});

describe("a host that cannot start says why, what to do, and ends with 2", () => {
  const broken = (name: string, text: string): string => {
    const path = join(aDirectory(), name);
    writeFileSync(path, text);
    return path;
  };

  test.each([
    ["no such entry", () => "no/such/file.ts", /no\/such\/file\.ts.*stepfold dev/],
    ["a directory", () => "test/host", /test\/host/],
    ["a syntax error", () => broken("w.ts", "export const a = ;"), /w\.ts.*SyntaxError/],
    ["a missing import", () => broken("w.ts", 'import "./none.ts";'), /w\.ts.*none\.ts/],
    ["an entry that throws", () => broken("w.ts", '\nthrow new Error("boom");'), /boom.*w\.ts:2/],
    [
      "an entry that calls what throws",
      () => broken("w.ts", 'function deep() {\n  throw new Error("boom");\n}\ndeep();'),
      /boom.*w\.ts:2/,
    ],
    ["no workflows", () => broken("w.ts", "export const a = 1;"), /w\.ts.*workflow/],
  ])("%s", async (_what, entry, expected) => {
    const ended = await run(["dev", entry(), "--port", "0", "--data", aDirectory()]);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.stderr).toMatch(expected);
    expect(oneLine(ended.stderr)).toBe(true);
  });

  test("data that another host holds; a port that is taken", async () => {
    const data = aDirectory();
    const host = await serveIn(data);
    const held = await run(["dev", ENTRY, "--port", "0", "--data", data]);
    expect(held).toMatchObject({ code: 2, stderr: expect.stringContaining("another process holds") });
    const port = new URL(host.url).port;
    const taken = await run(["dev", ENTRY, "--port", port, "--data", aDirectory()]);
    expect(taken).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(new RegExp(`port ${port}.*--port`)),
    });
    expect([held, taken].every(({ stderr }) => oneLine(stderr))).toBe(true);
  });

  test("data of a newer version", async () => {
    const data = aDirectory();
    await (await serveIn(data)).end("SIGTERM");
    const db = new DatabaseSync(join(data, "stepfold.db"));
    db.exec("PRAGMA user_version = 999");
    db.close();
    const ended = await run(["dev", ENTRY, "--port", "0", "--data", data]);
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringMatching(/999.*update Stepfold/) });
  });

  test("data that is none", async () => {
    const data = aDirectory();
    writeFileSync(join(data, "stepfold.db"), "not a database, whatever its name says".repeat(100));
    expect((await run(["dev", ENTRY, "--port", "0", "--data", data])).code).toBe(2);
  });

  test.each([
    [["--port", "70000"], /--port/],
    [["--port", "http"], /--port/],
    [["--backend", "azure"], /local, aws/],
    [["--colour"], /--colour/],
  ])("%j", async (args, expected) => {
    const ended = await run(["dev", ENTRY, ...args]);
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringMatching(expected) });
  });

  test("no AWS credentials", async () => {
    const env = { AWS_REGION: "us-east-1", AWS_EC2_METADATA_DISABLED: "true", HOME: aDirectory() };
    const ended = await run(["dev", ENTRY, "--backend", "aws", "--port", "0"], env);
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringMatching(/credentials.*AWS_PROFILE/) });
    expect(oneLine(ended.stderr)).toBe(true);
  });

  test("a Node that is too old", () => {
    for (const version of ["20.19.0", "22.17.1"]) expect(() => checkNode(version)).toThrow(/22\.18/);
    for (const version of ["22.18.0", "24.0.0"]) expect(() => checkNode(version)).not.toThrow();
  });
});

const readIf = (file: string): string => {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
};

async function untilHolds(holds: () => boolean): Promise<void> {
  for (
    const deadline = Date.now() + 45_000;
    !holds();
    await new Promise((resolve) => setTimeout(resolve, 10))
  ) {
    if (Date.now() > deadline) throw new Error("it never held");
  }
}
