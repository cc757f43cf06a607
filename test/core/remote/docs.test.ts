/** docs/remote.md: its runner works with its definition, and its checks of signatures tell right from wrong. */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePort } from "../../../examples/claim/runner.ts";
import { NetworkRunners } from "../../../shared/adapters/local/runners.ts";
import { signatureHeaders } from "../../../shared/adapters/local/signature.ts";
import { remote } from "../../../shared/core/remote/remote.ts";
import { testHost } from "../../../shared/testing/index.ts";
import { repository } from "../../architecture/source.ts";

const page = readFileSync(`${repository}/docs/remote.md`, "utf8");
const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(([, code]) => code!);
const [runner, pythonCheck] = blocks("python");
const typescriptCheck = blocks("ts").find((code) => code.startsWith("// signature.ts"))!;

type Check = (secret: string, headers: Record<string, string>, body: Buffer) => boolean;
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "stepfold-remote-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const KEY = `whsec_${Buffer.from("0123456789abcdef0123456789abcdef").toString("base64")}`;
const body = '{"workflow_id":"é"}';
const signed = (secret: string, now = Date.now()) => signatureHeaders({ id: "turn-1", body }, secret, now);
const cases: [string, string, Record<string, string>, boolean][] = [
  ["right", KEY, signed(KEY), true],
  ["right, with a plain key", "plain", signed("plain"), true],
  ["right, while the secret changes", KEY, signed(`other ${KEY}`), true],
  ["of another secret", KEY, signed("other"), false],
  ["too old", KEY, signed(KEY, Date.now() - 301_000), false],
  ["of another turn", KEY, { ...signed(KEY), "webhook-id": "turn-2" }, false],
];

test.each(cases)("both checks see that a signature is %s", async (_, secret, headers, isRight) => {
  const call = `print(is_signed(${JSON.stringify(secret)}, ${JSON.stringify(headers)}, ${JSON.stringify(body)}.encode()))`;
  const found = execFileSync("python3", ["-c", `${pythonCheck}\n${call}`], { encoding: "utf8" });
  expect(found.trim()).toBe(isRight ? "True" : "False");
  const file = join(directory, "signature.ts");
  writeFileSync(file, typescriptCheck);
  const { isSigned } = (await import(/* @vite-ignore */ file)) as { isSigned: Check };
  expect(isSigned(secret, headers, Buffer.from(body))).toBe(isRight);
  expect(isSigned(secret, headers, Buffer.from(`${body} `))).toBe(false);
});

test("the page's runner brings its run to its end", async () => {
  const port = await freePort();
  const file = join(directory, "runner.py");
  writeFileSync(file, runner!.replace("8787", String(port)));
  const child = spawn("python3", [file], { stdio: "ignore" });
  try {
    const url = `http://127.0.0.1:${port}/turn`;
    const invoice = remote("invoice", { url });
    const network = new NetworkRunners({ env: {} });
    const host = testHost({
      workflows: [invoice],
      runners: {
        invoice: async (turn, { signal }) => {
          const asked = { id: "t", runId: "r", workflow: "invoice", body: JSON.stringify(turn) };
          return (await network.ask({ url }, asked, signal)) as never;
        },
      },
    });
    for (let tries = 0; tries < 200 && !(await isListening(url)); tries++) await sleep(50);
    const runId = await host.start(invoice, undefined, { runId: "i-1" });
    await host.skip("2s");
    await host.signal(runId, "paid", { cents: 420 });
    expect(await host.result(runId)).toEqual({ invoice: { number: 7 }, paid: { cents: 420 } });
  } finally {
    child.kill("SIGKILL");
  }
});

const isListening = (url: string): Promise<boolean> =>
  fetch(url).then(
    () => true,
    () => false,
  );
