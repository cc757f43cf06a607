/** A real host in a process of its own, with a data directory of its own, and requests to it over kept connections. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const agent = new Agent({ keepAlive: true, maxSockets: 256 });

export interface BenchHost {
  pid: number;
  call<T>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<T>;
  /** The host's CPU time so far, in ms. */
  cpuMs(): number;
  stop(): Promise<void>;
  /** Kills it without a word of warning, and starts another on its data. */
  kill(): Promise<void>;
}

/** `options` go to `stepfold dev`, `env` to its process. */
export async function startBenchHost(
  options: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<BenchHost> {
  const data = mkdtempSync(join(tmpdir(), "stepfold-bench-"));
  const root = join(import.meta.dirname, "..");
  const args = [
    "--conditions=stepfold-source",
    "cli/main.ts",
    "dev",
    "bench/workflows.ts",
    "--port",
    "0",
    "--data",
    data,
    ...options,
  ];
  const begin = () =>
    spawn(process.execPath, args, {
      cwd: root,
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...env },
    });
  let child = begin();
  let url = new URL(await listening(child));
  return {
    pid: child.pid!,
    async kill() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
      child = begin();
      url = new URL(await listening(child));
    },
    call: (method, path, body, headers) => call(url, method, path, body, headers),
    cpuMs: () => cpuMsOf(child.pid!),
    async stop() {
      child.kill("SIGTERM");
      await new Promise((resolve) => child.once("exit", resolve));
      agent.destroy();
      rmSync(data, { recursive: true, force: true });
    },
  };
}

export interface Run<T = unknown> {
  runId: string;
  status: string;
  output?: T;
}

export const WAIT = { prefer: "wait=25" };

/** Starts a run and waits for its output. */
export async function complete<T>(host: BenchHost, workflow: string, input?: unknown): Promise<T> {
  let run = await host.call<Run<T>>("POST", "/runs", { workflow, input }, WAIT);
  while (!["completed", "failed", "cancelled", "timedOut"].includes(run.status))
    run = await host.call<Run<T>>("GET", `/runs/${run.runId}`, undefined, WAIT);
  if (run.status !== "completed") throw new Error(`The run ${run.runId} is ${run.status}.`);
  return run.output as T;
}

function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout!.on("data", (chunk) => {
      text += chunk;
      const url = /listening on (\S+)/.exec(text)?.[1];
      if (url !== undefined) resolve(url);
    });
    child.once("exit", (code) => reject(new Error(`The host ended with ${code}: ${text}`)));
  });
}

function call<T>(
  url: URL,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const sent = request(
      {
        host: url.hostname,
        port: url.port,
        method,
        path,
        agent,
        headers: { "content-type": "application/json", ...headers },
      },
      (response) => {
        let answer = "";
        response.setEncoding("utf8");
        response.on("data", (chunk) => {
          answer += chunk;
        });
        response.on("end", () => {
          if ((response.statusCode ?? 500) >= 400)
            reject(new Error(`${method} ${path}: ${response.statusCode} ${answer}`));
          else resolve(JSON.parse(answer) as T);
        });
      },
    );
    sent.on("error", reject);
    sent.end(text);
  });
}

/** Linux: fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms. */
function cpuMsOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return Number.NaN;
  }
}
