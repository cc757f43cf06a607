/** Whatever is sent, the host lives, answers nothing above 499, and nothing that its document does not have. */
import { connect } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { localBackend } from "../../cli/host/backend.ts";
import { type Host, startHost } from "../../cli/host/host.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import { aDirectory } from "./command.ts";
import * as entry from "./entry.ts";

interface Operation {
  method: string;
  path: string;
  statuses: Set<string>;
  hasBody: boolean;
}

const failures: string[] = [];
const log = { debug() {}, info() {}, warn() {}, error: (message: string) => void failures.push(message) };
let host: Host;
let close: () => Promise<void>;
let operations: Operation[];

beforeAll(async () => {
  const backend = await localBackend(aDirectory(), "me");
  const settings = { owner: "me", codeHash: "test", ...backend.settings };
  const engine = createEngine(backend.ports, { workflows: Object.values(entry), log, settings });
  host = await startHost({ engine, port: 0, receivers: 1, isAlone: true });
  close = async () => {
    await host.close();
    await backend.close();
  };
  await fetch(`${host.url}/runs`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ workflow: "listen", runId: "listening" }),
  });
  const { paths } = (await (await fetch(`${host.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { responses: object; requestBody?: object }>>;
  };
  operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { responses, requestBody }]) => ({
      method: method.toUpperCase(),
      path,
      statuses: new Set(Object.keys(responses)),
      hasBody: requestBody !== undefined,
    })),
  );
});
afterAll(() => close());

/** The status of an answer that must be documented and a problem where it is a failure. */
async function statusOf(
  { method, path, statuses }: Operation,
  url: string,
  init: RequestInit,
): Promise<number> {
  const answer = await fetch(`${host.url}${url}`, { method, ...init });
  const said = `${method} ${url.slice(0, 200)}: ${answer.status}`;
  expect(answer.status, said).toBeLessThan(500);
  expect(statuses, `${said} of ${path}`).toContain(String(answer.status));
  const text = await answer.text();
  if (answer.status >= 400) {
    expect(answer.headers.get("content-type"), said).toBe("application/problem+json");
    expect(JSON.parse(text), said).toMatchObject({ status: answer.status, code: expect.any(String) });
  }
  return answer.status;
}

const alive = async () => {
  expect((await fetch(`${host.url}/health`)).status).toBe(200);
  expect(failures).toEqual([]);
};

/** Text that software trips over: controls, separators, right-to-left marks, half surrogates, normal forms, paths. */
const odd = fc.oneof(
  fc.string({ unit: "binary", minLength: 1, maxLength: 40 }),
  fc.constantFrom(
    ...[
      "\u0000",
      "\n",
      "\r\nX-Injected: 1",
      "\u2028",
      "\u202e",
      "\ufeff",
      "\ud800",
      "\udc00x",
      "e\u0301",
      "🇩🇪🏴‍☠️",
    ],
    ...[
      "..",
      ".",
      "../../etc/passwd",
      "%",
      "%2e%2e",
      "a/b",
      "a\\b",
      "?",
      "#",
      "\u0000".repeat(128),
      "ß".repeat(129),
    ],
    ...[
      "__proto__",
      "constructor",
      "toString",
      "$".concat("{jndi:ldap://x}"),
      "<script>",
      "' OR 1=1 --",
      "=cmd()",
      "😀".repeat(64),
    ],
  ),
);
const encoded = (text: string): string => encodeURIComponent(text.toWellFormed()).replaceAll(".", "%2E");
const filled = (path: string, values: string[]): string => {
  let index = 0;
  return path.replaceAll(/\{\w+\}/g, () => encoded(values[index++ % values.length]!));
};

describe("anything goes in, nothing breaks", () => {
  test("odd text in every name of every path", async () => {
    for (const operation of operations.filter(({ path }) => path.includes("{")))
      await fc.assert(
        fc.asyncProperty(
          fc.array(odd, { minLength: 1, maxLength: 3 }),
          fc.boolean(),
          async (texts, known) => {
            const url = known
              ? filled(operation.path, ["listening", ...texts])
              : filled(operation.path, texts);
            if (operation.method === "DELETE" && url === "/runs/listening") return;
            const body = operation.hasBody
              ? { body: "{}", headers: { "content-type": "application/json" } }
              : {};
            await statusOf(operation, url, body);
          },
        ),
        { numRuns: 60, seed: 7 },
      );
    await alive();
  });

  test("odd text and odd values in every body", async () => {
    const bodies = fc.oneof(
      fc.json({ depthSize: "medium" }),
      fc.dictionary(odd, fc.jsonValue()).map((value) => JSON.stringify(value)),
      fc
        .record({ workflow: odd, input: fc.jsonValue(), runId: odd, owner: odd })
        .map((value) => JSON.stringify(value)),
      odd.map((name) =>
        JSON.stringify({ workflow: "listen", tags: { [name]: name }, goal: name, owner: name }),
      ),
      fc.string({ maxLength: 60 }),
    );
    for (const operation of operations.filter(({ hasBody }) => hasBody))
      await fc.assert(
        fc.asyncProperty(bodies, async (body) => {
          const headers = { "content-type": "application/json" };
          await statusOf(operation, filled(operation.path, ["listening", "x", "y"]), { body, headers });
        }),
        { numRuns: 60, seed: 11 },
      );
    await alive();
  });

  test("odd queries and headers", async () => {
    for (const operation of operations)
      await fc.assert(
        fc.asyncProperty(
          odd,
          fc.constantFrom("limit", "cursor", "status", "after", "mode", "token"),
          async (text, name) => {
            const url = `${filled(operation.path, ["nobody", "x"])}?${encoded(name)}=${encoded(text)}`;
            const body = operation.hasBody ? { body: "{}" } : {};
            const headers = {
              "content-type": "application/json",
              "if-match": JSON.stringify(text.length),
              prefer: encoded(text),
            };
            await statusOf(operation, url, { headers, ...body });
          },
        ),
        { numRuns: 20, seed: 13 },
      );
    await alive();
  });

  test.each([
    ["arrays", "[".repeat(100_000)],
    ["closed arrays", `${"[".repeat(5_000)}${"]".repeat(5_000)}`],
    ["objects", '{"a":'.repeat(50_000)],
    ["a long string", JSON.stringify("x".repeat(5_600_000))],
    ["a long number", "1".repeat(1_000_000)],
    ["many keys", `{${Array.from({ length: 100_000 }, (_, index) => `"k${index}":1`).join(",")}}`],
    ["prototype keys", '{"workflow":"listen","__proto__":{"runId":"x"},"constructor":{"prototype":{}}}'],
  ])("a body of %s", async (_what, body) => {
    const start = operations.find(({ path, method }) => path === "/runs" && method === "POST")!;
    const status = await statusOf(start, "/runs", { body, headers: { "content-type": "application/json" } });
    expect(status).toBeGreaterThanOrEqual(400);
    await alive();
  });
});

describe("raw bytes", () => {
  /** Where no answer is due, the caller hangs up. */
  const sent = (bytes: Uint8Array | string, hangsUpAfterMs = 30_000): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect(Number(new URL(host.url).port), "127.0.0.1");
      let answer = "";
      const end = setTimeout(() => socket.destroy(), hangsUpAfterMs);
      socket.on("data", (chunk) => (answer += chunk.toString("latin1")));
      socket.on("error", () => {});
      socket.on("close", () => {
        clearTimeout(end);
        resolve(answer);
      });
      socket.end(bytes);
    });

  test.each([
    ["noise", Buffer.from([0, 255, 1, 254, 13, 10, 13, 10])],
    ["another protocol", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"],
    ["no version", "GET /health FTP/1.0\r\n\r\n"],
    ["a method that is none", "FROB /runs HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["a header without a colon", "GET /health HTTP/1.1\r\nHost x\r\n\r\n"],
    ["two lengths", "POST /runs HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"],
    ["a bad length", "POST /runs HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}"],
    ["a bad chunk", "POST /runs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"],
    ["a head without end", `GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(300_000)}\r\n\r\n`],
  ])("%s is a problem of the caller's", async (_what, bytes) => {
    const answer = await sent(bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer).toContain("application/problem+json");
    await alive();
  });

  test("a request that stops in the midst of its body leaves nothing behind", async () => {
    const head =
      "POST /runs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n";
    await sent(`${head}{"workflow":`, 1_000);
    await alive();
  });

  test("random bytes after a sound head", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (bytes) => {
        const head = `POST /runs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${bytes.length}\r\n\r\n`;
        expect(await sent(Buffer.concat([Buffer.from(head), bytes]))).toMatch(/^HTTP\/1\.1 4\d\d /);
      }),
      { numRuns: 40, seed: 17 },
    );
    await alive();
  });
});
