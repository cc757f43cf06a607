/**
 * `stepfold dev`: a host for the workflows of one entry module.
 *
 * It ends with exit code 0 on SIGTERM and SIGINT. Code of users that fails outside of a run (an unhandled rejection,
 * a throwing timer) is logged and ends nothing.
 */
import { flushCompileCache } from "node:module";
import { settingsFrom } from "../functions/environment.ts";
import { StepfoldError, toRunError } from "../shared/core/errors.ts";
import { createEngine } from "../shared/engine/settings.ts";
import { awsBackend, type Backend, localBackend } from "./host/backend.ts";
import { loadEntry } from "./host/entry.ts";
import { type Host, startHost } from "./host/host.ts";
import { announceRuns, lineLog } from "./host/log.ts";

export interface DevOptions {
  port: string;
  data: string;
  backend: "local" | "aws";
  events?: boolean;
}

const log = lineLog((line) => process.stderr.write(`${line}\n`));
const say = (line: string) => process.stdout.write(`${line}\n`);

/** Resolves once it serves; the process then lives on until it is told to end. */
export async function dev(entryPath: string | undefined, options: DevOptions): Promise<void> {
  checkNode(process.versions.node);
  const port = portOf(options.port);
  surviveUserCode();
  const entry = await loadEntry(entryPath);
  const owner = `${process.pid}-${crypto.randomUUID()}`;
  const tell = options.events ? say : undefined;
  if (options.events && options.backend === "aws")
    throw new StepfoldError(
      "InvalidOptions",
      "Expected --events with --backend local alone: with aws, changes of status go to the bus that STEPFOLD_BUS names.",
    );
  const backend =
    options.backend === "aws" ? await awsBackend(process.env) : await localBackend(options.data, owner, tell);
  if (process.stdout.isTTY) announceRuns(backend.ports.journal, say);
  const engine = createEngine(backend.ports, {
    workflows: entry.workflows,
    log,
    settings: { owner, codeHash: entry.codeHash, ...backend.settings, ...settingsFrom(process.env) },
  });
  const { receivers, isAlone } = backend;
  const host = await startHost({ engine, port, receivers, isAlone });
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => void end(host, backend));
  say(`listening on ${host.url}`);
  // Here, because who is killed does not get to it later.
  flushCompileCache();
}

/** TypeScript without a build, and SQLite, are Node's own from this version on. */
export function checkNode(version: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return;
  throw new StepfoldError(
    "NodeTooOld",
    `Expected Node 22.18 or later (24 is best), got ${version}: install it, or choose it in your version manager.`,
  );
}

function portOf(given: string): number {
  const port = /^\d{1,5}$/.test(given) ? Number(given) : Number.NaN;
  if (port <= 65_535) return port;
  throw new StepfoldError(
    "InvalidPort",
    `Expected --port to be a number from 0 to 65535, got ${JSON.stringify(given)}.`,
  );
}

function surviveUserCode(): void {
  for (const name of ["unhandledRejection", "uncaughtException"] as const) {
    process.on(name, (error: unknown) =>
      log.error("Code outside of a run failed.", { error: toRunError(error, "Error") }),
    );
  }
}

async function end(host: Host, backend: Backend): Promise<void> {
  await host.close();
  await backend.close();
  process.exit(0);
}
