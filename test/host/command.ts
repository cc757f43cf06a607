/** The command as a person runs it: a process of its own, ended by its own id. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";

const READY_WITHIN_MS = 45_000;

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Served {
  url: string;
  stderr(): string;
  stdout(): string;
  end(signal: NodeJS.Signals): Promise<Ended>;
}

const running = new Set<ChildProcess>();
const directories = new Set<string>();

afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
  for (const directory of directories) rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  running.clear();
  directories.clear();
});

export function aDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "stepfold-host-"));
  directories.add(directory);
  return directory;
}

function begin(args: readonly string[], env: Record<string, string>, input?: string) {
  const command = ["--conditions=stepfold-source", "cli/main.ts", ...args];
  const child = spawn(process.execPath, command, { env: { PATH: process.env.PATH ?? "", ...env } });
  running.add(child);
  child.stdin.end(input);
  const written = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (written.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (written.stderr += chunk.toString()));
  const ended = new Promise<Ended>((resolve) => {
    child.once("close", (code) => {
      running.delete(child);
      resolve({ code, ...written });
    });
  });
  return { child, written, ended };
}

/** The command once it has ended. */
export const run = (
  args: readonly string[],
  env: Record<string, string> = {},
  input?: string,
): Promise<Ended> => begin(args, env, input).ended;

/** The command once it has written what is waited for: it ends by itself, or by a signal. */
export function watched(args: readonly string[], env: Record<string, string> = {}) {
  const { child, written, ended } = begin(args, env);
  return { ended, stdout: () => written.stdout, end: (signal: NodeJS.Signals) => child.kill(signal) };
}

/** `stepfold dev` once it serves. */
export async function serve(args: readonly string[], env: Record<string, string> = {}): Promise<Served> {
  const { child, written, ended } = begin(["dev", ...args], env);
  const url = await new Promise<string>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`it does not serve: ${written.stderr}`)), READY_WITHIN_MS);
    const look = () => {
      const found = /^listening on (http:\/\/127\.0\.0\.1:\d+)$/m.exec(written.stdout)?.[1];
      if (found === undefined) return;
      clearTimeout(late);
      resolve(found);
    };
    child.stdout.on("data", look);
    void ended.then(({ code, stderr }) => reject(new Error(`it ended with ${code}: ${stderr}`)));
  });
  const end = (signal: NodeJS.Signals): Promise<Ended> => {
    child.kill(signal);
    return ended;
  };
  return { url, stderr: () => written.stderr, stdout: () => written.stdout, end };
}
