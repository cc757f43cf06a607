/** `stepfold dev` as a process of its own, that can be killed without a word of warning. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const START_WITHIN_MS = 20_000;

export interface KillableHost {
  pid: number;
  url: string;
  spawnedAt: number;
  /** From the spawn to the line that says that it serves. */
  listeningAfterMs: number;
  kill(): Promise<void>;
  terminate(): Promise<number | null>;
}

interface HostFiles {
  data: string;
  log: string;
  port: number;
}

/** Starts a host, and kills it at any moment of its start. */
export async function killAtStart(files: HostFiles, afterMs: number): Promise<void> {
  const child = spawnHost(files);
  const ended = endOf(child);
  await Promise.race([sleep(afterMs), ended]);
  child.kill("SIGKILL");
  await ended;
}

export async function startHost(files: HostFiles): Promise<KillableHost> {
  const spawnedAt = Date.now();
  const child = spawnHost(files);
  const ended = endOf(child);
  let output = "";
  const url = await new Promise<string>((resolve, reject) => {
    const late = setTimeout(() => reject(failure("did not serve in time")), START_WITHIN_MS);
    const failure = (what: string): Error => new Error(`The host ${what}:\n${output}`);
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const address = /listening on (http:\S+)\n/.exec(output)?.[1];
      if (address === undefined) return;
      clearTimeout(late);
      resolve(address);
    };
    child.stdout!.on("data", read);
    child.stderr!.on("data", read);
    void ended.then((code) => reject(failure(`ended with ${code}`)));
  });
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  const terminate = async (): Promise<number | null> => {
    child.kill("SIGTERM");
    return ended;
  };
  return { pid: child.pid!, url, spawnedAt, listeningAfterMs: Date.now() - spawnedAt, kill, terminate };
}

function spawnHost({ data, log, port }: HostFiles): ChildProcess {
  const main = join(repository, "cli/main.ts");
  const entry = join(repository, "test/e2e/kill-workflows.ts");
  return spawn(
    process.execPath,
    ["--conditions=stepfold-source", main, "dev", entry, "--data", data, "--port", String(port)],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, KILL_LOG: log } },
  );
}

const endOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once("exit", (code) => resolve(code)));
