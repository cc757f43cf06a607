/**
 * Dynoxide, a DynamoDB over SQLite, in memory, on a free port of the loopback interface. `stop` ends the process
 * that was started here, and returns once it is gone.
 */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface Dynoxide {
  endpoint: string;
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 30_000;

export async function startDynoxide(): Promise<Dynoxide> {
  const binary = join(
    dirname(createRequire(import.meta.url).resolve("@dynoxide/linux-x64/package.json")),
    "dynoxide",
  );
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const child = spawn(binary, ["serve", "--host", "127.0.0.1", "--port", String(port)], { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  process.once("exit", () => child.kill("SIGKILL"));
  for (const deadline = Date.now() + READY_WITHIN_MS; Date.now() < deadline; await sleep(20)) {
    if (child.exitCode !== null) throw new Error(`Dynoxide ended with code ${child.exitCode}.`);
    if (await answers(endpoint)) return { endpoint, stop };
  }
  await stop();
  throw new Error(`Dynoxide was not ready within ${READY_WITHIN_MS} ms.`);
}

const answers = (endpoint: string): Promise<boolean> =>
  fetch(endpoint).then(
    () => true,
    () => false,
  );

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        typeof address === "object" && address !== null
          ? resolve(address.port)
          : reject(new Error("no port")),
      );
    });
  });
}
