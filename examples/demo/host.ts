/** The local host as a process of its own: started, killed, ended by its pid. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const ENTRY = fileURLToPath(new URL("../index.ts", import.meta.url));
const START_WITHIN_MS = 15_000;
const END_WITHIN_MS = 5_000;

export interface HostProcess {
  url: string;
  pid: number;
  /** As `kill -9` does: it gets no chance to put anything in order. */
  kill(): Promise<void>;
  /** Asks it to end, and answers its exit code. */
  end(): Promise<number | null>;
}

export async function startHost(dataFolder: string): Promise<HostProcess> {
  const args = ["--conditions=stepfold-source", CLI, "dev", ENTRY, "--port", "0", "--data", dataFolder];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const exited = once(child, "exit");
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (!isOver()) child.kill(signal);
    if (!isOver()) await Promise.race([exited, delay(END_WITHIN_MS, undefined, { ref: false })]);
  };
  try {
    return {
      url: await urlOf(child),
      pid: child.pid!,
      kill: () => stop("SIGKILL"),
      end: async () => {
        await stop("SIGTERM");
        await stop("SIGKILL");
        return child.exitCode;
      },
    };
  } catch (error) {
    await stop("SIGKILL");
    throw error;
  }
}

/** What it says once it serves. */
function urlOf(child: ChildProcess): Promise<string> {
  let said = "";
  return new Promise((resolve, reject) => {
    const fail = (why: string): void =>
      reject(new Error(`Expected the host to serve, but it ${why}:\n${said}`));
    const timer = setTimeout(() => fail("did not within 15 s"), START_WITHIN_MS);
    const hear = (text: string): void => {
      said = (said + text).slice(-10_000);
      const url = /listening on (http:\/\/\S+)/.exec(said)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve(url);
    };
    child.stdout!.setEncoding("utf8").on("data", hear);
    child.stderr!.setEncoding("utf8").on("data", hear);
    child.once("exit", (code) => {
      clearTimeout(timer);
      fail(`ended with ${code}`);
    });
  });
}
