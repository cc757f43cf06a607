/** The Python runner as the test has it: a process that it starts, kills, and starts again on the same port. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { TurnAction, TurnRequest } from "stepfold";

const script = fileURLToPath(new URL("runner.py", import.meta.url));
const READY_WITHIN_MS = 10_000;

export const SECRET = `whsec_${Buffer.from("a secret of thirty-two characters").toString("base64")}`;

/** One turn, by a process that lives no longer than that. */
export const answerOnce = (turn: TurnRequest, ledger: string): TurnAction =>
  JSON.parse(
    execFileSync("python3", [script, "--once", "--ledger", ledger], {
      input: JSON.stringify(turn),
      encoding: "utf8",
    }),
  ) as TurnAction;

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class PythonRunner {
  readonly #port: number;
  readonly #ledger: string;
  #child: ChildProcess | undefined;
  #written = "";

  constructor(port: number, ledger: string) {
    this.#port = port;
    this.#ledger = ledger;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  /** The turns that it was asked, as it tells them: its run, its id and its current step. */
  get turns(): string[] {
    return this.#written.split("\n").filter((line) => line.startsWith("turn "));
  }

  get paid(): unknown[] {
    const lines = readFileSync(this.#ledger, "utf8").trim().split("\n");
    return lines.map((line) => JSON.parse(line) as unknown);
  }

  async start(): Promise<void> {
    const args = [script, "--port", String(this.#port), "--ledger", this.#ledger];
    const env = { PATH: process.env.PATH ?? "", CLAIM_RUNNER_SECRET: SECRET };
    const child = spawn("python3", args, { env, stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    let isReady = false;
    child.stdout?.on("data", (chunk: Buffer) => {
      this.#written += chunk.toString();
      isReady ||= chunk.includes("listening");
    });
    for (const deadline = Date.now() + READY_WITHIN_MS; !isReady && Date.now() < deadline; ) await sleep(20);
    if (!isReady) throw new Error("The runner did not start.");
  }

  /** As `kill -9` does. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }
}
