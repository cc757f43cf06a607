/** What the command says when it cannot: one line, what to do next, and 1 or 2. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { run } from "../host/command.ts";
import { cliOnHost } from "./stepfold.ts";

const cli = cliOnHost();
const isOneLine = (text: string): boolean => text.trim().split("\n").length === 1;

/** A server that answers everything in one way. */
async function answering<T>(status: number, body: string, use: (url: string) => Promise<T>): Promise<T> {
  const server = createServer((_request, response) => response.writeHead(status).end(body));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.close();
  }
}

describe("what fails ends with 1", () => {
  test.each([
    ["show", "nobody"],
    ["journal", "nobody"],
    ["watch", "nobody"],
    ["cost", "nobody"],
    ["cancel", "nobody"],
    ["signal", "nobody", "x"],
    ["approve", "nobody", "x"],
  ])("%s of a run that is not there", async (...args) => {
    const ended = await cli.stepfold(...args);
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    expect(ended.stderr).toBe('stepfold: There is no run "nobody": `stepfold list` shows those there are.\n');
  });

  test("a workflow that is not there, and those that are", async () => {
    const ended = await cli.stepfold("start", "order");
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/no workflow "order".*\bgreet\b.*\bsale\b/);
    expect(isOneLine(ended.stderr)).toBe(true);
  });

  test("no host, and how to start one", async () => {
    const url = await answering(200, "", async (address) => address);
    const ended = await run(["list", "--url", url]);
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    expect(ended.stderr).toBe(
      `stepfold: Expected a host at ${url}, got no answer (ECONNREFUSED): start one with \`stepfold dev\`, or say where it is by --url or --stack.\n`,
    );
  });

  test("an address that is somebody else's", async () => {
    const ended = await answering(200, "<html>hello</html>", (url) => run(["list", "--url", url]));
    expect(ended).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/Expected an answer of Stepfold.*<html>/),
    });
    expect(isOneLine(ended.stderr)).toBe(true);
  });

  test("credentials that may not call, and a token that has expired", async () => {
    const forbidden = await answering(403, '{"message":"Forbidden"}', (url) => run(["list", "--url", url]));
    expect(forbidden).toMatchObject({ code: 1, stderr: expect.stringMatching(/grantInvoke.*--token/) });
    const expired = await answering(401, '{"message":"Unauthorized"}', (url) => run(["list", "--url", url]));
    expect(expired).toMatchObject({ code: 1, stderr: expect.stringContaining("STEPFOLD_TOKEN") });
  });

  test("with --json, as JSON", async () => {
    const ended = await cli.stepfold("show", "nobody", "--json");
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    expect(JSON.parse(ended.stderr)).toEqual({
      error: { code: "RunNotFound", message: expect.stringContaining("nobody") },
    });
  });
});

describe("wrong use ends with 2", () => {
  test.each([
    [["start"], /workflow/],
    [["start", "greet", "{x"], /JSON.*@path/],
    [["start", "greet", "@no/such/file.json"], /no\/such\/file\.json.*ENOENT/],
    [["start", "greet", "{}", "--timeout", "soon"], /--timeout.*duration/],
    [["start", "greet", "{}", "--start-at", "whenever"], /--start-at.*time/],
    [["start", "greet", "{}", "--tag", "none"], /--tag.*key=value/],
    [["start", "greet", "{}", "--owner", "\u0001"], /owner/],
    [["start", "greet", "{}", "--run-id", "a b"], /runId/],
    [["list", "--status", "done"], /--status.*completed.*"done"/],
    [["list", "--limit", "none"], /--limit.*whole number/],
    [["list", "--order", "up"], /desc, asc/],
    [["list", "--url", "nowhere"], /http:\/\/127\.0\.0\.1:4317.*"nowhere"/],
    [["list", "--url", "http://x.test", "--stack", "Shop"], /--url or --stack/],
    [["list", "--url", "http://x.test/?stage=one"], /http:\/\/127\.0\.0\.1:4317.*stage=one/],
    [["show", ""], /an id or a name.*""/],
    [["signal", "x", ".."], /an id or a name.*"\.\."/],
    [["journal", "x", "--after", "-1"], /--after/],
    [["list", "--colour"], /--colour/],
    [["lst"], /unknown command.*list/s],
  ])("%j", async (args, expected) => {
    const ended = await cli.stepfold(...args);
    expect(ended).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(expected) });
    expect(ended.stderr).not.toContain("    at ");
  });

  test("help and the version are no mistakes", async () => {
    expect(await cli.stepfold("--help")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("redrive"),
    });
    expect(await cli.stepfold("start", "--help")).toMatchObject({ code: 0 });
    expect(await cli.stepfold("--version")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+/),
    });
  });
});
