/**
 * MiniStack, an AWS emulator from PyPI, as the target of `cdk deploy` in end-to-end tests.
 *
 * 1. Its version is pinned, in a virtual environment under `.venv/` that is made when it is missing.
 * 2. Everything that it writes lies in a directory of its own, which `stop` removes.
 * 3. With `auth` it enforces IAM, and speaks TLS, because our policies refuse plain HTTP.
 * 4. `stop`, or the end of this process, ends the one that was started here and the functions' processes with it.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";
import { fileURLToPath } from "node:url";

const VERSION = "1.5.33";
/** By which MiniStack checks the signatures of tokens; without it, it refuses them all. */
const CRYPTOGRAPHY_VERSION = "50.0.2";
const ACCOUNT = "000000000000";
const REGION = "us-east-1";
const READY_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 5_000;

const repository = join(dirname(fileURLToPath(import.meta.url)), "../..");
const launcher = join(repository, "test/support/ministack-launch.py");
const venv = join(repository, ".venv", `ministack-${VERSION}`);
const python = join(venv, "bin/python");

export interface MiniStack {
  endpoint: string;
  account: string;
  region: string;
  /** For the CDK's command line and AWS clients: endpoint, credentials, region, trusted certificate. */
  environment: Record<string, string>;
  log(): string;
  stop(): Promise<void>;
}

export async function startMiniStack(options: { auth?: boolean } = {}): Promise<MiniStack> {
  install();
  const secure = options.auth === true;
  const directory = mkdtempSync(join(tmpdir(), "stepfold-ministack-"));
  const port = await freePort();
  const endpoint = `${secure ? "https" : "http"}://localhost:${port}`;
  const logFile = join(directory, "ministack.log");
  const credentials = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test", AWS_REGION: REGION };
  const output = openSync(logFile, "a");
  const child = spawn(python, [launcher], {
    cwd: directory,
    detached: true,
    stdio: ["ignore", output, output],
    env: {
      ...credentials,
      PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
      HOME: directory,
      TMPDIR: directory,
      GATEWAY_PORT: String(port),
      BIND_HOST: "127.0.0.1",
      IOT_MTLS_ENABLED: "0",
      ...(secure ? { AUTH: "true", USE_SSL: "1" } : {}),
    },
  });
  const abandon = () => killGroup(child);
  process.once("exit", abandon);
  const log = () => readFileSync(logFile, "utf8");
  const stop = async () => {
    process.off("exit", abandon);
    await end(child);
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const certificate = secure ? await trust(join(directory, "ministack-tls/server.crt"), child) : undefined;
    await ready(endpoint, child);
    const environment = {
      ...credentials,
      AWS_ENDPOINT_URL: endpoint,
      CDK_DEFAULT_ACCOUNT: ACCOUNT,
      CDK_DEFAULT_REGION: REGION,
      ...(certificate ? { NODE_EXTRA_CA_CERTS: certificate, AWS_CA_BUNDLE: certificate } : {}),
    };
    return { endpoint, account: ACCOUNT, region: REGION, environment, log, stop };
  } catch (cause) {
    const written = log();
    await stop();
    throw new Error(`MiniStack did not start:\n${written}`, { cause });
  }
}

function install(): void {
  const installed = join(venv, "installed-with-cryptography");
  if (existsSync(installed)) return;
  rmSync(venv, { recursive: true, force: true });
  execFileSync("python3", ["-m", "venv", venv]);
  execFileSync(python, [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    `ministack==${VERSION}`,
    `cryptography==${CRYPTOGRAPHY_VERSION}`,
  ]);
  execFileSync("touch", [installed]);
}

/** Waits for the certificate that MiniStack draws for itself, and lets this process trust it. */
async function trust(certificateFile: string, child: ChildProcess): Promise<string> {
  await until(
    child,
    () => existsSync(certificateFile) && readFileSync(certificateFile, "utf8").includes("END CERT"),
  );
  const known = tls.getCACertificates("default");
  tls.setDefaultCACertificates([...known, readFileSync(certificateFile, "utf8")]);
  return certificateFile;
}

const ready = (endpoint: string, child: ChildProcess) =>
  until(child, () =>
    fetch(`${endpoint}/_ministack/health`).then(
      (answer) => answer.ok,
      () => false,
    ),
  );

async function until(child: ChildProcess, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + READY_WITHIN_MS; Date.now() < deadline; await sleep(50)) {
    if (child.exitCode !== null) throw new Error(`It ended with code ${child.exitCode}.`);
    if (await condition()) return;
  }
  throw new Error(`It was not ready within ${READY_WITHIN_MS} ms.`);
}

async function end(child: ChildProcess): Promise<void> {
  const ended =
    child.exitCode !== null ? Promise.resolve() : new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await Promise.race([ended, sleep(STOP_WITHIN_MS, undefined, { ref: false })]);
  killGroup(child);
}

/** The functions' processes are in the group that was started here. */
function killGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
