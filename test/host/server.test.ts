/** The host in this process, over HTTP: what lies between a socket and the API's handler. */
import { request } from "node:http";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { localBackend } from "../../cli/host/backend.ts";
import { type Host, startHost } from "../../cli/host/host.ts";
import { REQUEST_BYTES_MAX } from "../../shared/core/limits.ts";
import { workflow } from "../../shared/core/workflow.ts";
import { createEngine } from "../../shared/engine/settings.ts";
import { aDirectory } from "./command.ts";
import * as entry from "./entry.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };
const naps = workflow("naps", async (run) => {
  for (const nap of ["first", "second", "third"]) await run.sleep(nap, "200 ms");
});

let backend: Awaited<ReturnType<typeof localBackend>>;
let host: Host;
let close: () => Promise<void>;

beforeEach(async () => {
  backend = await localBackend(aDirectory(), "me");
  const settings = { owner: "me", codeHash: "test", ...backend.settings };
  const engine = createEngine(backend.ports, { workflows: [...Object.values(entry), naps], log, settings });
  host = await startHost({ engine, port: 0, receivers: 1, isAlone: true });
  close = async () => {
    await host.close();
    await backend.close();
  };
});
afterEach(() => close());

const post = (path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
  fetch(`${host.url}${path}`, {
    method: "POST",
    body,
    headers: { "content-type": "application/json", ...headers },
  });

test("callers are who they say they are, where runs are isolated by owner", async () => {
  await close();
  const backend = await localBackend(aDirectory(), "me");
  const settings = { owner: "me", codeHash: "test", isolation: {}, ...backend.settings };
  const engine = createEngine(backend.ports, { workflows: Object.values(entry), log, settings });
  host = await startHost({ engine, port: 0, receivers: 1, isAlone: true });
  close = async () => {
    await host.close();
    await backend.close();
  };
  const as = (sub: string) => ({ "stepfold-claims": JSON.stringify({ sub }) });
  const started = await post("/runs", JSON.stringify({ workflow: "listen", runId: "l" }), as("alice"));
  expect(await started.json()).toMatchObject({ owner: "alice" });
  const status = async (headers: Record<string, string>) =>
    (await fetch(`${host.url}/runs/l`, { headers })).status;
  expect(await status(as("alice"))).toBe(200);
  expect(await status(as("bob"))).toBe(404);
  expect(await status({})).toBe(403);
  expect(await status({ "stepfold-claims": "alice" })).toBe(403);
});

describe("requests", () => {
  test("a name with an encoded slash arrives", async () => {
    await post("/runs", JSON.stringify({ workflow: "listen", runId: "l" }));
    const sent = await post("/runs/l/signals/go%2Fnow", '"heard ü"');
    expect(sent.status).toBe(202);
    const run = await fetch(`${host.url}/runs/l`, { headers: { prefer: "wait=25" } });
    expect(await run.json()).toMatchObject({ status: "completed", output: "heard ü" });
  });

  test("bytes that are no UTF-8 are MalformedRequest", async () => {
    const answer = await post("/runs", new Uint8Array([0x22, 0xff, 0x22]));
    expect(answer.status).toBe(400);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(await answer.json()).toMatchObject({ code: "MalformedRequest" });
  });

  test("a body far over the limit is 413, and read to its end", async () => {
    const answer = await post("/runs", "x".repeat(REQUEST_BYTES_MAX * 4));
    expect(answer.status).toBe(413);
    expect((await fetch(`${host.url}/health`)).status).toBe(200);
  });

  test("405 names the methods; 404 and query strings are the API's own", async () => {
    const wrong = await fetch(`${host.url}/runs`, { method: "PUT" });
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "POST, GET"]);
    expect((await fetch(`${host.url}/nothing`)).status).toBe(404);
    expect((await fetch(`${host.url}/runs?status=completed,failed&limit=1`)).status).toBe(200);
    expect((await fetch(`${host.url}/runs?unknown=1`)).status).toBe(422);
    expect((await fetch(`${host.url}/runs/%zz`)).status).toBe(400);
  });

  test("web pages of other hosts are refused, those of this machine are not", async () => {
    const body = JSON.stringify({ workflow: "echo" });
    for (const origin of ["https://evil.example", "null", "http://localhost.evil.example"]) {
      expect((await post("/runs", body, { origin })).status).toBe(403);
    }
    expect((await post("/runs", body, { origin: "http://localhost:5173" })).status).toBe(201);
  });

  test("names that a stranger may have pointed here are refused, this machine's and private ones are not", async () => {
    const statusOf = (name: string) =>
      new Promise((resolve, reject) => {
        const asked = request(`${host.url}/runs`, { headers: { host: name } }, (response) =>
          resolve(response.resume().statusCode),
        );
        asked.once("error", reject).end();
      });
    for (const name of ["evil.example", "evil.example:4317", "127.0.0.1.evil.example", "a.test.evil.example"])
      expect(await statusOf(name), name).toBe(403);
    for (const name of ["localhost:1", "127.0.0.1", "[::1]:4317", "laptop", "host.docker.internal:4317"])
      expect(await statusOf(name), name).toBe(200);
  });

  test("an answer without a body has none", async () => {
    await post("/runs", JSON.stringify({ workflow: "echo", runId: "e" }), { prefer: "wait=25" });
    const removed = await fetch(`${host.url}/runs/e`, { method: "DELETE" });
    expect([removed.status, await removed.text()]).toEqual([204, ""]);
  });

  test("what is no HTTP ends its own connection only", async () => {
    const socket = connect(Number(new URL(host.url).port), "127.0.0.1");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write("nonsense\r\n\r\n");
    socket.resume();
    await closed;
    expect((await fetch(`${host.url}/health`)).status).toBe(200);
  });
});

describe("large outputs", () => {
  test("are read where the answer says", async () => {
    const input = "x".repeat(5_300_000);
    await post("/runs", JSON.stringify({ workflow: "echo", runId: "large", input }));
    const run = (await (
      await fetch(`${host.url}/runs/large`, { headers: { prefer: "wait=20" } })
    ).json()) as {
      output: { $blob: string; bytes: number };
    };
    expect(run.output).toEqual({ $blob: expect.stringMatching(/^\/blobs\//), bytes: 5_300_002 });
    const blob = await fetch(`${host.url}${run.output.$blob}`);
    expect(blob.headers.get("content-type")).toBe("application/json");
    expect(await blob.json()).toBe(input);
  });

  test("an unknown blob is 404", async () => {
    for (const [path, status] of [
      ["none", 404],
      ["..%2F..%2Fstepfold.db", 404],
      ["%zz", 400],
    ] as const) {
      expect((await fetch(`${host.url}/blobs/${path}`)).status).toBe(status);
    }
  });
});

describe("Prefer: wait", () => {
  test("is told of each change, and does not ask in between", async () => {
    const asked = vi.spyOn(backend.ports.journal, "changed");
    const answer = await post("/runs", JSON.stringify({ workflow: "naps" }), { prefer: "wait=25" });
    const { status, revision } = (await answer.json()) as { status: string; revision: number };
    expect(status).toBe("completed");
    // At most once for each entry: who asks every few milliseconds would ask far more often in 600 ms.
    expect(asked.mock.calls.length).toBeLessThanOrEqual(revision + 1);
    expect(asked).toHaveBeenCalled();
  });
});
