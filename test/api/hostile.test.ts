/**
 * Hostile names: what callers write reaches no log line, no error and no expression as anything but text. Names that
 * the API must take are stored and come back as they were; the rest is refused, and says so on one line.
 */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lineLog } from "../../cli/host/log.ts";
import { DynamoJournal } from "../../shared/adapters/aws/journal.ts";
import { ensureTable } from "../../shared/adapters/aws/provision.ts";
import { systemClock } from "../../shared/adapters/local/clock.ts";
import { routes } from "../../shared/api/routes/index.ts";
import { PortError } from "../../shared/core/errors.ts";
import { printable } from "../../shared/core/text.ts";
import { Meter } from "../../shared/ports/meter.ts";
import { type Dynoxide, startDynoxide } from "../support/dynoxide.ts";
import * as workflows from "./workflows.ts";
import { aWorld } from "./world.ts";

const HOSTILE = [
  "a\nb",
  "a\r\nerror forged line",
  "\u001b[31mred\u001b[0m",
  "\u0000",
  "\u009b2J",
  "\u202egnp.exe",
  "\u2028",
  "' OR 1=1 --",
  "\u0024{jndi:ldap://x}",
  ":pk AND attribute_exists(PK)",
  "#ttl",
  "<script>alert(1)</script>",
  "../../etc/passwd",
  "__proto__",
  "constructor",
  "%00%0a",
  "=1+1",
  "\ud800",
  "😀".repeat(64),
];
const ONE_LINE = /^[^\p{Cc}\u2028\u2029\u202e]*$/u;

describe("what is said of a hostile name", () => {
  const paths = [...new Set(routes.map(({ path }) => path))].filter((path) => path.includes("{"));

  test.each(HOSTILE.map((name) => [JSON.stringify(name).slice(0, 60), name]))("%s", async (_shown, name) => {
    const world = aWorld(workflows.all);
    await world.ask("POST", "/runs", { body: { workflow: "listen/for go", runId: "r" } });
    const encoded = encodeURIComponent(name.toWellFormed());
    const asked = [
      ...paths.map((path) => [path.replace("{runId}", "r").replaceAll(/\{\w+\}/g, encoded), {}] as const),
      ...paths.map((path) => [path.replaceAll(/\{\w+\}/g, encoded), {}] as const),
      ["/runs", { body: { workflow: name, owner: name, tags: { [name]: name }, goal: name } }] as const,
      ["/runs", { body: { workflow: "echo", runId: name, [name]: name } }] as const,
      [`/runs?owner=${encoded}&tag=${encoded}:${encoded}&cursor=${encoded}&${encoded}=1`, {}] as const,
      [`/${encoded}`, {}] as const,
      [
        "/runs",
        { headers: { "if-match": name, "idempotency-key": name, prefer: name, "content-type": name } },
      ] as const,
    ];
    for (const isDecoded of [false, true])
      for (const [path, more] of asked)
        for (const method of ["GET", "POST", "DELETE", "PATCH"]) {
          const given = isDecoded ? safelyDecoded(path) : path;
          const answer = await world.ask(method, given, { ...more, isDecoded });
          expect(answer.status, `${method} ${path}`).toBeLessThan(500);
          if (answer.status >= 400) expect(answer.body.detail, `${method} ${path}`).toMatch(ONE_LINE);
        }
    expect(world.errors).toEqual([]);
  });
});

test("what the log says of a failure is one line, whatever was asked", async () => {
  const lines: string[] = [];
  const world = aWorld(workflows.all, ({ journal }) => ({
    log: lineLog((line) => lines.push(line)),
    journal: Object.assign(Object.create(journal), {
      header: () => Promise.reject(new Error("failed for \n\u001b[2Jforged")),
      read: () => Promise.reject(new Error("failed for \n\u001b[2Jforged")),
    }),
  }));
  for (const name of HOSTILE) {
    const path = `/runs/r/gates/${name.toWellFormed()}`;
    expect((await world.ask("GET", path, { isDecoded: true })).status).toBe(500);
  }
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines) expect(line).toMatch(ONE_LINE);
});

test("a line of users' own logging stays one line", () => {
  const lines: string[] = [];
  const log = lineLog((line) => lines.push(line));
  for (const name of HOSTILE) log.info(name, { name, [name]: name });
  expect(lines).toHaveLength(HOSTILE.length);
  for (const line of lines) expect(line).toMatch(ONE_LINE);
});

test("a failing service's own words stay inside", async () => {
  const world = aWorld(workflows.all, ({ journal }) => ({
    journal: Object.assign(Object.create(journal), {
      list: () => Promise.reject(new PortError("Broken", "table arn:aws:secret", { retryable: false })),
    }),
  }));
  const answer = await world.ask("GET", "/runs");
  expect(answer.status).toBe(500);
  expect(JSON.stringify(answer)).not.toContain("secret");
});

test("printable text keeps what is printable, and shows the rest", () => {
  expect(printable("grüezi 😀 語 \"'\\")).toBe("grüezi 😀 語 \"'\\");
  expect(printable("a\nb\u001b\u202e\ud800")).toBe("a\\u000ab\\u001b\\u202e\\ud800");
});

describe("expressions", () => {
  let dynoxide: Dynoxide;
  let client: DynamoDBClient;
  const seen = new Set<string>();

  beforeAll(async () => {
    dynoxide = await startDynoxide();
    const credentials = { accessKeyId: "local", secretAccessKey: "local" };
    client = new DynamoDBClient({ endpoint: dynoxide.endpoint, region: "us-east-1", credentials });
    await ensureTable("runs", client);
    client.middlewareStack.add(
      (next) => (args) => {
        for (const [name, value] of Object.entries(args.input))
          if (name.endsWith("Expression")) seen.add(`${name}: ${value}`);
        return next(args);
      },
      { step: "initialize" },
    );
  });
  afterAll(async () => {
    client.destroy();
    await dynoxide.stop();
  });

  async function used(name: string): Promise<string[]> {
    seen.clear();
    const world = aWorld(workflows.all, () => ({
      journal: new DynamoJournal({ client, table: "runs", clock: systemClock, meter: new Meter() }),
      clock: systemClock,
    }));
    const runId = `r-${seen.size}-${Buffer.from(name).toString("hex").slice(0, 40)}`;
    const body = { workflow: "echo", runId, owner: name, tags: { [name]: name }, goal: name, step: name };
    const started = await world.ask("POST", "/runs", { body });
    expect(started.status, JSON.stringify(started.body)).toBe(201);
    const encoded = encodeURIComponent(name);
    await world.ask("POST", `/runs/${runId}/cancel`, { body: { reason: name, by: name } });
    await world.ask("PATCH", `/runs/${runId}/state`, { body: { [name]: name } });
    await world.ask("GET", `/runs/${runId}/journal`);
    const listed = await world.ask("GET", `/runs?owner=${encoded}&tag=${encoded}:${encoded}`);
    if (!name.includes(":"))
      expect(listed.body.items.map((run: { tags: object }) => Object.entries(run.tags))).toEqual([
        [[name, name]],
      ]);
    await world.ask("GET", `/runs?owner=${encoded}&parent=${runId}&workflow=${encoded}`);
    return [...seen].sort();
  }

  test("are the same whatever the names are: values go by placeholders", async () => {
    const plain = await used("plain");
    expect(plain.length).toBeGreaterThan(3);
    for (const name of HOSTILE.filter(
      (text) => /^\P{Cc}*$/u.test(text) && text.isWellFormed() && text.length <= 128,
    ))
      expect(plain, name).toEqual(expect.arrayContaining(await used(name)));
  });
});

function safelyDecoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
