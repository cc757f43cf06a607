/** Runners over real HTTP: what reaches them, and what becomes of what they answer. */
import { createHmac } from "node:crypto";
import http from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { NetworkRunners, SECRET_VARIABLE } from "../../../shared/adapters/local/runners.ts";
import { signatureHeaders } from "../../../shared/adapters/local/signature.ts";
import { StepfoldError } from "../../../shared/core/errors.ts";
import { TURN_BYTES_MAX } from "../../../shared/core/limits.ts";
import type { HttpRunner } from "../../../shared/core/remote/remote.ts";

const turn = { id: "turn-1", runId: "run-1", workflow: "billing", body: '{"name":"billing","é":1}' };
const never = new AbortController().signal;
const now = () => 1_767_225_600_000;

interface Received {
  method: string | undefined;
  path: string | undefined;
  headers: http.IncomingHttpHeaders;
  body: string;
}
type Reply = (answer: http.ServerResponse, received: Received) => void;

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function serving(
  reply: Reply,
  port = 0,
): Promise<{ url: string; port: number; received: Received[]; close(): void }> {
  const received: Received[] = [];
  const server = http.createServer(async (request, answer) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method, url: path, headers } = request;
    const one = { method, path, headers, body: Buffer.concat(chunks).toString("utf8") };
    received.push(one);
    reply(answer, one);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  closing.push(close);
  const bound = (server.address() as { port: number }).port;
  return { url: `http://127.0.0.1:${bound}/turn`, port: bound, received, close };
}

const answering =
  (status: number, body: string): Reply =>
  (answer) =>
    answer.writeHead(status).end(body);

const runners = (env: Record<string, string> = {}) => new NetworkRunners({ env, clock: { now } });
const askOf = async (runner: HttpRunner, env?: Record<string, string>) =>
  runners(env).ask(runner, turn, never);
const errorOf = async (asked: Promise<unknown>): Promise<StepfoldError> =>
  asked.then(
    () => expect.unreachable("it answered"),
    (error: unknown) => {
      expect(error).toBeInstanceOf(StepfoldError);
      return error as StepfoldError;
    },
  );

describe("a turn", () => {
  test("is posted as JSON with the definition's headers", async () => {
    const { url, received } = await serving(answering(200, '{"action":"complete"}'));
    const answer = await askOf({ url: `${url}?team=a`, headers: { Authorization: "Bearer t" } });
    expect(answer).toEqual({ action: "complete" });
    expect(received).toMatchObject([
      {
        method: "POST",
        path: "/turn?team=a",
        headers: { "content-type": "application/json", authorization: "Bearer t", "webhook-id": "turn-1" },
        body: turn.body,
      },
    ]);
  });

  test("goes to the address of the environment", async () => {
    const { url, received } = await serving(answering(200, "1"));
    expect(await askOf({ url: { env: "RUNNER_URL" } }, { RUNNER_URL: url })).toBe(1);
    expect(received).toHaveLength(1);
    expect((await errorOf(askOf({ url: { env: "OTHER" } }))).message).toMatch(/variable OTHER.*is not set/);
  });

  test("is signed, so that whoever knows the secret can check it", async () => {
    const { url, received } = await serving(answering(200, "1"));
    const key = Buffer.from("0123456789abcdef0123456789abcdef");
    await askOf(
      { url, secret: { env: "MINE" } },
      { MINE: `whsec_${key.toString("base64")}`, [SECRET_VARIABLE]: "x" },
    );
    const { headers, body } = received[0]!;
    const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
    const expected = createHmac("sha256", key).update(signed).digest("base64");
    expect(headers["webhook-signature"]).toBe(`v1,${expected}`);
    expect(headers["webhook-timestamp"]).toBe("1767225600");
  });

  test("is signed by the host's secret where the definition names none, and else not at all", async () => {
    const { url, received } = await serving(answering(200, "1"));
    await askOf({ url }, { [SECRET_VARIABLE]: "plain text" });
    await askOf({ url });
    expect(received[0]!.headers["webhook-signature"]).toMatch(/^v1,\S+ v1,\S+$/);
    expect(received[1]!.headers["webhook-signature"]).toBeUndefined();
  });

  test("is not sent unsigned when its secret is missing", async () => {
    const { url, received } = await serving(answering(200, "1"));
    expect(await errorOf(askOf({ url, secret: { env: "MINE" } }))).toMatchObject({
      code: "RunnerUnavailable",
    });
    expect(received).toEqual([]);
  });

  test("has the signature of the specification's own example", () => {
    const example = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", body: '{"test": 2432232314}' };
    const headers = signatureHeaders(example, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1_614_265_330_000);
    expect(headers["webhook-signature"]).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  });
});

describe("what may be mended by asking again", () => {
  test.each([500, 502, 503, 504, 408, 425, 429])("status %i", async (status) => {
    const { url } = await serving(answering(status, '{"action":"complete"}'));
    expect(await errorOf(askOf({ url }))).toMatchObject({
      code: "RunnerUnavailable",
      message: `The runner gave no answer: it answered with status ${status}.`,
    });
  });

  test.each(["", "<html>", '{"action":'])("an answer that is no JSON: %j", async (body) => {
    const { url } = await serving(answering(200, body));
    expect(await errorOf(askOf({ url }))).toMatchObject({
      code: "RunnerUnavailable",
      message: expect.stringContaining("not JSON"),
    });
  });

  test("nobody there, or one that dies in the midst of it", async () => {
    const { url, close } = await serving((answer) => {
      answer.writeHead(200);
      answer.write('{"action"');
      setImmediate(() => answer.destroy());
    });
    expect(await errorOf(askOf({ url }))).toMatchObject({ code: "RunnerUnavailable" });
    close();
    const error = await errorOf(askOf({ url }));
    expect(error).toMatchObject({ code: "RunnerUnavailable" });
    expect(error.message).toContain("ECONNREFUSED");
    expect(error.message, "the address is nobody's business").not.toContain("127.0.0.1");
  });

  test("being told to stop", async () => {
    const { url } = await serving(() => {});
    const stopping = new AbortController();
    const asked = errorOf(runners().ask({ url }, turn, stopping.signal));
    setTimeout(() => stopping.abort(), 30);
    expect(await asked).toMatchObject({ code: "RunnerUnavailable" });
  });
});

describe("what may not", () => {
  test.each([301, 307, 400, 401, 403, 404, 422])("status %i", async (status) => {
    const elsewhere = await serving(answering(200, "1"));
    const { url } = await serving((answer) => answer.writeHead(status, { location: elsewhere.url }).end("1"));
    expect(await errorOf(askOf({ url }))).toMatchObject({ code: "RunnerRefused", data: { status } });
    expect(elsewhere.received, "redirects are not followed").toEqual([]);
  });

  test("an answer that is too large, whose rest is not read", async () => {
    let written = 0;
    const { url } = await serving((answer) => {
      answer.writeHead(200);
      const chunk = Buffer.alloc(1_000_000, " ");
      const write = (): void => {
        while (!answer.destroyed && written < 1_000 * chunk.length) {
          written += chunk.length;
          if (!answer.write(chunk)) return void answer.once("drain", write);
        }
      };
      write();
    });
    expect(await errorOf(askOf({ url }))).toMatchObject({
      code: "RunnerProtocolError",
      message: expect.stringContaining(String(TURN_BYTES_MAX)),
    });
    expect(written).toBeLessThan(100_000_000);
  });

  test("a Lambda function without AWS", async () => {
    const asked = runners().ask({ lambda: "f" }, turn, never);
    expect(await errorOf(asked)).toMatchObject({ code: "RunnerRefused" });
  });
});

test("a connection that was kept and has been closed is replaced at once", async () => {
  const first = await serving(answering(200, "1"));
  const all = runners();
  expect(await all.ask({ url: first.url }, turn, never)).toBe(1);
  first.close();
  const second = await serving(answering(200, "2"), first.port);
  expect(await all.ask({ url: second.url }, turn, never)).toBe(2);
});
